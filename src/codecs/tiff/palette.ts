/** Colour maps of palette images. */
import type { TypedArray } from "../../core/dtype.ts";
import { type NdArray, ndArray } from "../../core/nd-array.ts";

/**
 * Looks indices up in a colour map, exactly.
 *
 * A map whose reds, greens and blues are equal is a gray scale, and gives `[y, x]`; others give `[y, x, 3]`. Maps hold
 * 16-bit values. Where they are 8-bit ones scaled up (all multiples of 256, or all of 257) the result is uint8,
 * otherwise uint16.
 *
 * @param indices - Shape `[y, x]`, each below a third of the map's length.
 * @param map - All reds, then all greens, then all blues.
 */
export function applyPalette(indices: NdArray, map: readonly number[]): NdArray {
  const size = map.length / 3;
  const isGray = map.every((value, i) => value === map[i % size]);
  const scale = [256, 257].find((step) => map.every((value) => value % step === 0));
  const channels = isGray ? 1 : 3;
  const values = scale === undefined ? map : map.map((value) => value / scale);
  const source = indices.data as Uint16Array;
  const out: TypedArray = new (scale === undefined ? Uint16Array : Uint8Array)(source.length * channels);
  for (let i = 0; i < source.length; i++) {
    for (let channel = 0; channel < channels; channel++) {
      out[i * channels + channel] = values[(source[i] as number) + channel * size] as number;
    }
  }
  return ndArray(out, isGray ? indices.shape : [...indices.shape, 3]);
}
