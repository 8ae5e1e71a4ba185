/** Frames and writers for the Zarr tests. */
import { MemoryStore } from "../../../backends/memory/store.ts";
import type { ZarrOptions } from "../../../backends/zarr/options.ts";
import { ZarrWriter } from "../../../backends/zarr/writer.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import { type DType, dtypes } from "../../../src/core/dtype.ts";
import { arrayFromBytes, type NdArray, sizeOf } from "../../../src/core/nd-array.ts";

/** Every element type. */
export const everyDType = Object.keys(dtypes) as DType[];

/** A frame that differs from every other one of its run; its bytes cover the whole range, bool apart. */
export function frameOf(index: number, shape: readonly number[], dtype: DType = "uint16"): NdArray {
  const { itemSize } = dtypes[dtype];
  let state = index + 1;
  const bytes = Uint8Array.from({ length: sizeOf(shape) * itemSize }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return dtype === "bool" ? (state >>> 24) & 1 : state >>> 24;
  });
  // No NaN: two readers may give it other bits. The highest exponent bit of a float is cleared.
  if (dtypes[dtype].kind === "f") for (let at = itemSize - 1; at < bytes.length; at += itemSize) bytes[at]! &= 0xbf;
  return arrayFromBytes(bytes, dtype, shape);
}

/** The bytes of an array, for comparisons that do not care who made it. */
export function bytesOf({ data }: NdArray): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** A writer over a store of one's own, with its address set. */
export function writerOver(store: ByteStore, options: ZarrOptions = {}): ZarrWriter {
  return new ZarrWriter("scan", async () => store, { uri: "file://localhost/data/scan.zarr", ...options });
}

/** Writes frames `0…count-1` of one source and closes. */
export async function writeFrames(
  store: ByteStore,
  count: number,
  shape: readonly number[],
  options: ZarrOptions & { readonly dtype?: DType; readonly source?: string } = {},
): Promise<void> {
  const { dtype = "uint16", source = "cam", ...rest } = options;
  const writer = writerOver(store, rest);
  writer.updateSource(source, dtype, shape);
  const sink = await writer.prepare(source);
  await writer.kickoff();
  for (let i = 0; i < count; i++) await sink.write(frameOf(i, shape, dtype));
  await sink.close();
}

/** A JSON document of a store. */
export async function readJson(store: ByteStore, key: string): Promise<Record<string, unknown>> {
  return JSON.parse(new TextDecoder().decode(await store.read(key)));
}

/** Keys of a store, in order. */
export async function keysOf(store: ByteStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}

/** A store in memory. */
export function memoryStore(quotaBytes?: number): MemoryStore {
  return new MemoryStore({ quotaBytes });
}
