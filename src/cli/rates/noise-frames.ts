/** Frames to measure with. */
import { randomFillSync } from "node:crypto";
import { type DType, dtypes, numberToFloat16 } from "../../core/dtype.ts";
import { type NdArray, ndArray, sizeOf } from "../../core/nd-array.ts";

/** Frames that are different, so that nothing below can find two alike; fewer where they are large. */
const FRAMES = 4;
const MAX_BYTES = 2 ** 28;

/**
 * Frames of a dark image with six bits of noise in each pixel, as a camera makes them: they compress, but not much.
 */
export function noiseFrames(shape: readonly number[], dtype: DType): NdArray[] {
  const size = sizeOf(shape);
  const count = Math.max(1, Math.min(FRAMES, Math.floor(MAX_BYTES / (size * dtypes[dtype].itemSize || 1))));
  return Array.from({ length: count }, () => ndArray(noise(size, dtype), shape, dtype));
}

function noise(size: number, dtype: DType): NdArray["data"] {
  const random = randomFillSync(new Uint8Array(size));
  const data = new dtypes[dtype].array(size);
  const level = dtype === "bool" ? (byte: number) => byte & 1 : (byte: number) => 50 + (byte & 63);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < size; i++) data[i] = BigInt(level(random[i] as number));
    return data;
  }
  const isBits = dtype === "float16" && data instanceof Uint16Array;
  for (let i = 0; i < size; i++) {
    const value = level(random[i] as number);
    data[i] = isBits ? numberToFloat16(value) : value;
  }
  return data;
}
