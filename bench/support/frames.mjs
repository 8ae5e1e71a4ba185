// Frames as a camera makes them: an offset, shot noise and read noise. Compression depends on it.
import { ndArray } from "../../dist/src/core/nd-array.js";

/** `count` different uint16 frames of one shape. */
export function noiseFrames(count, shape) {
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const [height, width] = shape;
  return Array.from({ length: count }, (_, frame) => {
    const data = new Uint16Array(height * width);
    for (let i = 0; i < data.length; i++) {
      const y = i / width - height / 2 + 20 * frame;
      const x = (i % width) - width / 2;
      const photons = 20 + 400 * Math.exp(-(x * x + y * y) / (0.02 * height * width));
      // The sum of four uniform numbers is near enough to a normal one.
      const normal = (random() + random() + random() + random() - 2) * 1.73;
      data[i] = Math.max(0, Math.round(100 + 2.1 * (photons + Math.sqrt(photons) * normal) + 3 * normal));
    }
    return ndArray(data, shape);
  });
}
