/** The codecs of one array, both ways: elements in order, then packed and checked. */
import { type DType, dtypes, type Endian, nativeEndian } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { arrayFromBytes, arrayToBytes, contiguousStride, type NdArray, sizeOf } from "../../src/core/nd-array.ts";
import { type ByteCodec, byteCodec } from "./byte-codecs.ts";
import type { NamedConfiguration } from "./metadata.ts";
import type { NamedPartDecoder } from "./packed-chunk.ts";
import { wrongLength } from "./plain-chunk.ts";

/** A step of the chain with its name, for messages. */
interface Step {
  readonly name: string;
  readonly codec: ByteCodec;
}

/** Turns chunks into bytes and back. Chunks may be under way beside each other. */
export class CodecChain {
  readonly #dtype: DType;
  readonly #endian: Endian;
  /** Axis of the array for each axis of the stored chunk. */
  readonly #order: readonly number[] | undefined;
  /** In the order of encoding. */
  readonly #steps: readonly Step[];

  private constructor(dtype: DType, endian: Endian, order: readonly number[] | undefined, steps: readonly Step[]) {
    this.#dtype = dtype;
    this.#endian = endian;
    this.#order = order;
    this.#steps = steps;
  }

  /**
   * Understands a list of codecs: any `transpose`, then `bytes`, then any of `blosc`, `zstd`, `gzip`, `zlib`, `lz4` and
   * `crc32c`.
   *
   * @returns `undefined` for others: zarrita knows more of them.
   */
  static create(codecs: readonly NamedConfiguration[], dtype: DType, rank: number): CodecChain | undefined {
    let order: number[] | undefined;
    let next = 0;
    for (; codecs[next]?.name === "transpose"; next++) {
      const { order: axes } = codecs[next]?.configuration ?? {};
      if (!isPermutation(axes, rank)) return undefined;
      const before = order;
      order = before === undefined ? axes : axes.map((axis) => before[axis] as number);
    }
    const bytes = codecs[next];
    const endian = bytes?.configuration?.endian ?? "little";
    if (bytes?.name !== "bytes" || (endian !== "little" && endian !== "big")) return undefined;
    const steps: Step[] = [];
    for (const { name, configuration } of codecs.slice(next + 1)) {
      const codec = byteCodec(name, configuration ?? {}, dtypes[dtype].itemSize);
      if (codec === undefined) return undefined;
      steps.push({ name, codec });
    }
    return new CodecChain(dtype, endian, order, steps);
  }

  /** True if a stored chunk is its elements in C order, as this machine has them. */
  get isPlain(): boolean {
    return this.#isOrdered && this.#steps.length === 0;
  }

  /** What unpacks parts of chunks, where nothing else is between a chunk and its elements in C order. */
  get parts(): NamedPartDecoder | undefined {
    const [first, ...others] = this.#steps;
    const decoder = first?.codec.parts;
    if (!this.#isOrdered || first === undefined || decoder === undefined || others.length > 0) return undefined;
    return { name: first.name, decoder };
  }

  /** True if elements are in C order before they are packed, as this machine has them. */
  get #isOrdered(): boolean {
    return this.#order === undefined && (this.#endian === nativeEndian || dtypes[this.#dtype].itemSize === 1);
  }

  /**
   * Encodes one chunk.
   *
   * @param chunk - Any strides; borrowed until the result is no longer used, as it may share its memory.
   */
  async encode(chunk: NdArray): Promise<Uint8Array> {
    const order = this.#order;
    const stored =
      order === undefined
        ? chunk
        : {
            ...chunk,
            shape: order.map((axis) => chunk.shape[axis] as number),
            stride: order.map((axis) => chunk.stride[axis] as number),
          };
    let bytes = arrayToBytes(stored, this.#endian);
    for (const { codec } of this.#steps) bytes = await codec.encode(bytes);
    return bytes;
  }

  /**
   * Decodes one chunk.
   *
   * @param bytes - Handed over: the result may share this memory.
   * @param shape - Shape of the chunk.
   * @throws A {@link StorageError} `CORRUPT` that names the codec: a checksum, a length or a stream is wrong.
   */
  async decode(bytes: Uint8Array, shape: readonly number[]): Promise<NdArray> {
    const expected = sizeOf(shape) * dtypes[this.#dtype].itemSize;
    let plain = bytes;
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const { name, codec } = this.#steps[i] as Step;
      try {
        plain = await codec.decode(plain, i === 0 ? expected : undefined);
      } catch (cause) {
        if (!isStorageError(cause, "CORRUPT")) throw cause;
        throw new StorageError("CORRUPT", `codec "${name}": ${cause.message}`, { cause });
      }
    }
    if (plain.byteLength !== expected) throw wrongLength(plain.byteLength, expected);
    const order = this.#order;
    if (order === undefined) return arrayFromBytes(plain, this.#dtype, shape, this.#endian);
    const storedShape = order.map((axis) => shape[axis] as number);
    const stored = arrayFromBytes(plain, this.#dtype, storedShape, this.#endian);
    const stride = contiguousStride(shape);
    order.forEach((axis, at) => {
      stride[axis] = stored.stride[at] as number;
    });
    return { ...stored, shape: [...shape], stride };
  }
}

function isPermutation(order: unknown, rank: number): order is number[] {
  if (!Array.isArray(order) || order.length !== rank) return false;
  return [...order].sort((a, b) => a - b).every((axis, i) => axis === i);
}
