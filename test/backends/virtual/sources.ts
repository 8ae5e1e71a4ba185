/** Sources whose reads are counted. */
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import type { EntryStat, LoadOptions } from "../../../src/core/data-source.ts";
import {
  type AxisSelection,
  byteLengthOf,
  copyArray,
  isNdArray,
  type NdArray,
  ndArray,
  sliceArray,
} from "../../../src/core/nd-array.ts";
import type { ArrayLevel, RegionSource } from "../../../src/core/region.ts";

/** An array whose every element is its index. */
export function counted(...shape: number[]): NdArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndArray(
    Uint32Array.from({ length: size }, (_, i) => i),
    shape,
  );
}

/** Memory that counts loads by path, and knows how many bytes of them were under way at once. */
export class CountedMemory extends MemoryBackend {
  readonly loads: string[] = [];
  /** Most bytes that loads had asked for and not handed on. */
  peak = 0;
  /** Does not say what arrays are like, as a folder of files does not. */
  isReticent = false;
  #under = 0;

  override async load(path: string, options: LoadOptions = {}): Promise<unknown> {
    this.loads.push(path);
    const value = await super.load(path, options);
    const size = isNdArray(value) ? byteLengthOf(value) : 0;
    this.#under += size;
    this.peak = Math.max(this.peak, this.#under);
    await new Promise((resolve) => setImmediate(resolve));
    this.#under -= size;
    return value;
  }

  override async stat(path: string): Promise<EntryStat> {
    const { shape: _, dtype: __, ...rest } = await super.stat(path);
    return this.isReticent ? rest : super.stat(path);
  }
}

/** Memory that reads parts, and says which. */
export class RegionMemory extends CountedMemory implements RegionSource {
  readonly regions: { readonly path: string; readonly shape: readonly number[] }[] = [];

  async levels(path: string): Promise<ArrayLevel[]> {
    const { shape, dtype } = (await super.load(path)) as NdArray;
    this.loads.pop();
    return [{ shape, dtype, downsampling: shape.map(() => 1) }];
  }

  async readRegion(path: string, selection: readonly AxisSelection[]): Promise<NdArray> {
    const part = copyArray(sliceArray((await super.load(path)) as NdArray, selection));
    this.loads.pop();
    this.regions.push({ path, shape: part.shape });
    return part;
  }
}
