/** Decodes chunks: the codecs of Zarr v3 that occur in imaging, by native code, with every checksum verified. */
import { BloscDecoder } from "../../src/codecs/blosc.ts";
import { crc32c } from "../../src/codecs/crc32c.ts";
import { loadZstd, type ZstdProvider } from "../../src/codecs/zstd.ts";
import { type DType, dtypes, type Endian } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { arrayFromBytes, contiguousStride, type NdArray, sizeOf } from "../../src/core/nd-array.ts";
import type { NamedConfiguration } from "./metadata.ts";

/** One step from stored bytes back to plain ones; `expectedBytes` only for the last step, where it is known. */
type ByteStep = (bytes: Uint8Array, expectedBytes: number | undefined) => Uint8Array | Promise<Uint8Array>;

/** The codecs of one array, ready to decode. Chunks may be decoded beside each other. */
export class CodecChain {
  readonly #dtype: DType;
  readonly #endian: Endian;
  /** Axis of the array for each axis of the stored chunk. */
  readonly #order: readonly number[] | undefined;
  readonly #steps: readonly ByteStep[];

  private constructor(dtype: DType, endian: Endian, order: readonly number[] | undefined, steps: readonly ByteStep[]) {
    this.#dtype = dtype;
    this.#endian = endian;
    this.#order = order;
    this.#steps = steps;
  }

  /**
   * Understands a list of codecs: `transpose` or none, `bytes`, then any of `blosc`, `zstd`, `gzip` and `crc32c`.
   *
   * @returns `undefined` for others: zarrita knows more of them.
   */
  static create(codecs: readonly NamedConfiguration[], dtype: DType, rank: number): CodecChain | undefined {
    const [first, ...rest] = codecs;
    const order = first?.name === "transpose" ? first.configuration?.order : undefined;
    if (first?.name === "transpose" && !isPermutation(order, rank)) return undefined;
    const [bytes, ...packers] = first?.name === "transpose" ? rest : codecs;
    if (bytes?.name !== "bytes") return undefined;
    const endian = bytes.configuration?.endian ?? "little";
    if (endian !== "little" && endian !== "big") return undefined;
    const steps: ByteStep[] = [];
    for (const { name } of packers.reverse()) {
      const make = Object.hasOwn(stepMakers, name) ? stepMakers[name as keyof typeof stepMakers] : undefined;
      if (make === undefined) return undefined;
      steps.push(make());
    }
    return new CodecChain(dtype, endian, order as readonly number[] | undefined, steps);
  }

  /**
   * Decodes one chunk.
   *
   * @param bytes - Handed over: the result may share this memory.
   * @param shape - Shape of the chunk.
   * @throws A {@link StorageError} `CORRUPT`: a checksum, a length or a stream is wrong.
   */
  async decode(bytes: Uint8Array, shape: readonly number[]): Promise<NdArray> {
    const expected = sizeOf(shape) * dtypes[this.#dtype].itemSize;
    let plain = bytes;
    for (const [i, step] of this.#steps.entries()) {
      plain = await step(plain, i === this.#steps.length - 1 ? expected : undefined);
    }
    if (plain.byteLength !== expected) {
      throw new StorageError("CORRUPT", `A chunk decodes to ${plain.byteLength} bytes instead of ${expected}`);
    }
    if (this.#order === undefined) return arrayFromBytes(plain, this.#dtype, shape, this.#endian);
    const stored = arrayFromBytes(
      plain,
      this.#dtype,
      this.#order.map((axis) => shape[axis] as number),
      this.#endian,
    );
    const stride = contiguousStride(shape);
    this.#order.forEach((axis, at) => {
      stride[axis] = stored.stride[at] as number;
    });
    return { ...stored, shape: [...shape], stride };
  }
}

const stepMakers = {
  blosc: (): ByteStep => {
    const decoder = new BloscDecoder();
    return (bytes, expected) => decoder.decode(bytes, expected);
  },
  zstd: (): ByteStep => {
    let zstd: ZstdProvider | undefined;
    return async (bytes) => {
      zstd ??= await loadZstd();
      return corruptIfFails("Zstandard", zstd.decompress(bytes));
    };
  },
  gzip: (): ByteStep => async (bytes, expected) => {
    const { gunzip } = await import("node:zlib");
    const unpacked = new Promise<Uint8Array>((resolve, reject) => {
      // A bound, so that a damaged stream cannot fill the memory.
      const options = expected === undefined ? {} : { maxOutputLength: Math.max(1, expected) };
      gunzip(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
    });
    return corruptIfFails("gzip", unpacked);
  },
  crc32c: (): ByteStep => (bytes) => {
    const length = bytes.byteLength - 4;
    const body = bytes.subarray(0, Math.max(0, length));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (length >= 0 && view.getUint32(length, true) === crc32c(body)) return body;
    throw new StorageError("CORRUPT", "A chunk does not have the checksum that it says");
  },
};

async function corruptIfFails(what: string, result: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await result;
  } catch (cause) {
    if (isStorageError(cause)) throw cause;
    throw new StorageError("CORRUPT", `The ${what} stream of a chunk is damaged`, { cause });
  }
}

function isPermutation(order: unknown, rank: number): order is number[] {
  if (!Array.isArray(order) || order.length !== rank) return false;
  return [...order].sort((a, b) => a - b).every((axis, i) => axis === i);
}
