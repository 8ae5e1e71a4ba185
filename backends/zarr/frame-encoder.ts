/** Turns frames into chunks and hands them to the shard writer, in order. */
import { BloscEncoder } from "../../src/codecs/blosc.ts";
import { type DType, dtypes, nativeEndian, type TypedArray, type TypedArrayConstructor } from "../../src/core/dtype.ts";
import { copyInto, isContiguous, type NdArray, sizeOf, swapBytes } from "../../src/core/nd-array.ts";
import type { ShardWriter } from "./shard-writer.ts";

/** Takes the frames of one array. */
export interface FrameEncoder {
  /**
   * Takes the next frame.
   *
   * @param frame - Borrowed until the call returns or its promise settles.
   * @throws The failure of an earlier frame, if there was one.
   */
  append(frame: NdArray): void | Promise<void>;
  /** Resolves when every frame has reached the shard writer. */
  drain(): Promise<void>;
}

/** Frames as they are, little-endian. */
export class PlainEncoder implements FrameEncoder {
  readonly #shards: ShardWriter;
  readonly #size: number;
  readonly #array: TypedArrayConstructor;
  readonly #itemSize: number;
  /** Memory for frames that are not in C order; made when the first comes. */
  #scratch: TypedArray | undefined;

  constructor(shards: ShardWriter, dtype: DType, frameShape: readonly number[]) {
    this.#shards = shards;
    this.#size = sizeOf(frameShape);
    this.#array = dtypes[dtype].array;
    this.#itemSize = dtypes[dtype].itemSize;
  }

  append(frame: NdArray): void | Promise<void> {
    return this.#shards.append(this.#bytes(frame));
  }

  async drain(): Promise<void> {}

  #bytes(frame: NdArray): Uint8Array {
    const { data } = frame;
    if (isContiguous(frame) && (nativeEndian === "little" || this.#itemSize === 1)) {
      return new Uint8Array(data.buffer, data.byteOffset, this.#size * this.#itemSize);
    }
    this.#scratch ??= new this.#array(this.#size);
    copyInto(frame, this.#scratch, 0);
    const bytes = new Uint8Array(this.#scratch.buffer);
    return nativeEndian === "little" ? bytes : swapBytes(bytes, this.#itemSize);
  }
}

/** Frames as Blosc frames, several compressing at once. */
export class BloscFrameEncoder implements FrameEncoder {
  readonly #shards: ShardWriter;
  readonly #encoder: BloscEncoder;
  readonly #input: TypedArray;
  readonly #bytes: Uint8Array;
  readonly #itemSize: number;
  readonly #slots: number;
  #underWay = 0;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown;
  #whenDone: (() => void) | undefined;

  private constructor(shards: ShardWriter, encoder: BloscEncoder, dtype: DType, size: number, slots: number) {
    const { array, itemSize } = dtypes[dtype];
    this.#shards = shards;
    this.#encoder = encoder;
    this.#bytes = encoder.input(size * itemSize);
    this.#input = new (array as TypedArrayConstructor)(this.#bytes.buffer, this.#bytes.byteOffset, size);
    this.#itemSize = itemSize;
    this.#slots = slots;
  }

  /**
   * Loads the compressor.
   *
   * @param slots - Frames that may be under way at once.
   * @throws A `StorageError` `MISSING_DEPENDENCY`.
   */
  static async create(
    shards: ShardWriter,
    dtype: DType,
    frameShape: readonly number[],
    options: { readonly level: number; readonly slots: number },
  ): Promise<BloscFrameEncoder> {
    const size = sizeOf(frameShape);
    const { itemSize } = dtypes[dtype];
    const encoder = await BloscEncoder.create({ byteLength: size * itemSize, itemSize, ...options });
    return new BloscFrameEncoder(shards, encoder, dtype, size, options.slots);
  }

  append(frame: NdArray): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#underWay === this.#slots) return this.#waitAndAppend(frame);
    this.#start(frame);
  }

  async drain(): Promise<void> {
    await this.#last;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #waitAndAppend(frame: NdArray): Promise<void> {
    while (this.#underWay === this.#slots) {
      await new Promise<void>((resolve) => {
        this.#whenDone = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#start(frame);
  }

  #start(frame: NdArray): void {
    copyInto(frame, this.#input, 0);
    if (nativeEndian === "big") swapBytes(this.#bytes, this.#itemSize);
    this.#underWay++;
    const encoded = this.#encoder.encode(this.#bytes.byteLength);
    this.#last = this.#store(encoded, this.#last);
  }

  async #store(encoded: Promise<readonly [Uint8Array, Uint8Array]>, previous: Promise<void>): Promise<void> {
    try {
      const [head, body] = await encoded;
      await previous;
      if (this.#failure === undefined) await this.#shards.append(head, body);
    } catch (error) {
      this.#failure ??= error;
      this.#shards.fail(error);
    }
    this.#underWay--;
    this.#whenDone?.();
  }
}
