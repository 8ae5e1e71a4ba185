/**
 * Blosc 1 frames: a header of 16 bytes, the start of each block, the blocks. We write them ourselves around native
 * Zstandard, with the byte shuffle over the real item size, so that any Blosc reads them and none of its code runs on the
 * way to the disk. Blocks are not split; as many as a frame has, so small are the parts of it that can be read.
 *
 * @see c-blosc `README_CHUNK_FORMAT.rst`
 */
import { StorageError } from "../core/errors.ts";
import {
  BYTE_SHUFFLED,
  FORMAT_VERSION,
  HEADER_BYTES,
  NOT_SPLIT,
  STORED,
  setBlockStart,
  setFrameBytes,
  ZSTD_FORMAT,
} from "./blosc-header.ts";
import { Shuffler } from "./shuffle.ts";
import { loadZstd, type ZstdProvider } from "./zstd.ts";

const ZSTD_VERSION = 1;

/** What compresses the blocks of a frame. */
export interface BloscCompressor {
  /** Number in the header: 1 for raw LZ4 blocks, 3 for zlib streams, 4 for Zstandard frames. */
  readonly format: 1 | 3 | 4;
  /**
   * Compresses one block.
   *
   * @param bytes - Borrowed until the promise settles.
   * @returns Memory that belongs to the caller.
   */
  compress(bytes: Uint8Array, level: number): Promise<Uint8Array>;
}

/** A frame in two parts, to be written one after the other. */
export type BloscFrame = readonly [header: Uint8Array, body: Uint8Array];

/**
 * Makes frames of values up to a fixed size. Several can be under way: each call takes a slot of its own, and waits for
 * nothing but its own compression.
 */
export class BloscEncoder {
  readonly #compressor: BloscCompressor;
  readonly #shuffler: Shuffler;
  readonly #free: number[];
  readonly #itemSize: number;
  readonly #level: number;
  readonly #blockBytes: number;
  readonly #isShuffled: boolean;

  private constructor(
    compressor: BloscCompressor,
    shuffler: Shuffler,
    options: {
      readonly itemSize: number;
      readonly level?: number | undefined;
      readonly blockBytes?: number | undefined;
      readonly shuffle?: boolean | undefined;
    },
  ) {
    this.#compressor = compressor;
    this.#shuffler = shuffler;
    this.#itemSize = options.itemSize;
    this.#level = options.level ?? 1;
    // Whole groups of items for the kernel; but for the last, every block has the same length.
    const group = 16 * this.#itemSize;
    const blockBytes = options.blockBytes ?? shuffler.blockBytes;
    this.#blockBytes = Math.max(group, Math.ceil(blockBytes / group) * group);
    this.#isShuffled = options.shuffle ?? true;
    this.#free = Array.from({ length: shuffler.slots }, (_, slot) => slot);
  }

  /**
   * Loads a compressor and takes the memory, once.
   *
   * @param options - `byteLength`: of the largest value; `itemSize`: bytes of an element; `level`: of the compressor,
   * default 1; `blockBytes`: of one block, about, default the whole value; `slots`: values that may be under way at once, default 2; `shuffle`: default true; `compressor`: default
   * Zstandard.
   * @throws A {@link StorageError} `MISSING_DEPENDENCY`.
   */
  static async create(options: {
    readonly byteLength: number;
    readonly itemSize: number;
    readonly level?: number | undefined;
    readonly blockBytes?: number | undefined;
    readonly slots?: number | undefined;
    readonly zstd?: ZstdProvider | undefined;
    readonly shuffle?: boolean | undefined;
    readonly compressor?: BloscCompressor | undefined;
  }): Promise<BloscEncoder> {
    const compressor = options.compressor ?? zstdCompressor(options.zstd ?? (await loadZstd()));
    const shuffler = new Shuffler(options.byteLength, options.slots ?? 2);
    return new BloscEncoder(compressor, shuffler, options);
  }

  /** True if {@link BloscEncoder.encode} may be called now. */
  get hasFreeSlot(): boolean {
    return this.#free.length > 0;
  }

  /** Room for the next value: fill it, then call {@link BloscEncoder.encode} before anything else. */
  input(byteLength: number): Uint8Array {
    return this.#shuffler.input(byteLength);
  }

  /**
   * Encodes what {@link BloscEncoder.input} holds; the input is free again when this returns its promise. A value that
   * does not become smaller is stored as it is.
   *
   * @param byteLength - At least 1.
   * @returns Parts in memory that belongs to the caller.
   */
  async encode(byteLength: number): Promise<BloscFrame> {
    const slot = this.#free.pop();
    if (slot === undefined) throw new StorageError("CONFLICT", "All slots of the Blosc encoder are in use");
    try {
      const whole = this.#isShuffled ? this.#shuffle(byteLength, slot) : this.#shuffler.input(byteLength).slice();
      const blockBytes = Math.min(this.#blockBytes, byteLength);
      const blocks = Array.from({ length: Math.ceil(byteLength / blockBytes) }, (_, i) => {
        return whole.subarray(i * blockBytes, Math.min(byteLength, (i + 1) * blockBytes));
      });
      const packed = await Promise.all(blocks.map((block) => this.#compressor.compress(block, this.#level)));
      const small = packed.map((bytes, i) => {
        const block = blocks[i] as Uint8Array;
        return bytes.byteLength < block.byteLength ? bytes : block;
      });
      return makeFrame(whole, blockBytes, small, this.#itemSize, this.#compressor.format, this.#isShuffled);
    } finally {
      this.#free.push(slot);
    }
  }

  #shuffle(byteLength: number, slot: number): Uint8Array {
    const blocks: Uint8Array[] = [];
    for (let start = 0; start < byteLength; start += this.#blockBytes) {
      const length = Math.min(this.#blockBytes, byteLength - start);
      blocks.push(this.#shuffler.shuffle(length, this.#itemSize, slot, start));
    }
    const { buffer, byteOffset } = blocks[0] as Uint8Array;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/**
 * Encodes one value; for several of one size, a {@link BloscEncoder} reuses its memory.
 *
 * @param bytes - At least 1 byte; borrowed until the promise settles.
 */
export async function encodeBlosc(
  bytes: Uint8Array,
  options: {
    readonly itemSize: number;
    readonly level?: number;
    readonly blockBytes?: number;
    readonly zstd?: ZstdProvider;
    readonly shuffle?: boolean;
    readonly compressor?: BloscCompressor;
  },
): Promise<Uint8Array> {
  const encoder = await BloscEncoder.create({ ...options, byteLength: bytes.byteLength, slots: 1 });
  encoder.input(bytes.byteLength).set(bytes);
  const [header, body] = await encoder.encode(bytes.byteLength);
  const frame = new Uint8Array(header.byteLength + body.byteLength);
  frame.set(header);
  frame.set(body, header.byteLength);
  return frame;
}

function zstdCompressor(zstd: ZstdProvider): BloscCompressor {
  return { format: ZSTD_FORMAT, compress: (bytes, level) => zstd.compress(bytes, level) };
}

function makeFrame(
  whole: Uint8Array,
  blockBytes: number,
  blocks: readonly Uint8Array[],
  itemSize: number,
  format: number,
  isShuffled: boolean,
): BloscFrame {
  const byteLength = whole.byteLength;
  const flags = (isShuffled ? BYTE_SHUFFLED : 0) | NOT_SPLIT | (format << 5);
  const isSmaller = blocks.some((block, i) => block.byteLength < Math.min(blockBytes, byteLength - i * blockBytes));
  if (!isSmaller && (itemSize === 1 || !isShuffled)) {
    const header = makeHeader(
      flags | STORED,
      itemSize,
      byteLength,
      blockBytes,
      HEADER_BYTES + byteLength,
      HEADER_BYTES,
    );
    return [header, whole.slice()];
  }
  // A block as long as its value is a shuffled one that was not compressed; the stored flag would want it unshuffled.
  // The starts of all blocks and the length of the first go before them.
  const size = HEADER_BYTES + 4 * blocks.length + 4;
  const bodyBytes = blocks.reduce((sum, block) => sum + 4 + block.byteLength, -4);
  const header = makeHeader(flags, itemSize, byteLength, blockBytes, size + bodyBytes, size);
  const body = joinBlocks(blocks, bodyBytes, whole.buffer);
  const view = new DataView(header.buffer);
  let start = size - 4;
  for (const [i, block] of blocks.entries()) {
    setBlockStart(view, i, start);
    start += 4 + block.byteLength;
  }
  view.setInt32(size - 4, (blocks[0] as Uint8Array).byteLength, true);
  return [header, body];
}

/** Blocks one after another, with their lengths between them; in memory that is not borrowed. */
function joinBlocks(blocks: readonly Uint8Array[], byteLength: number, borrowed: ArrayBufferLike): Uint8Array {
  const [first] = blocks as [Uint8Array];
  if (blocks.length === 1) return first.buffer === borrowed ? first.slice() : first;
  const body = new Uint8Array(byteLength);
  const view = new DataView(body.buffer);
  body.set(first);
  let at = first.byteLength;
  for (const block of blocks.slice(1)) {
    view.setInt32(at, block.byteLength, true);
    body.set(block, at + 4);
    at += 4 + block.byteLength;
  }
  return body;
}

function makeHeader(
  flags: number,
  itemSize: number,
  byteLength: number,
  blockBytes: number,
  frameBytes: number,
  size: number,
): Uint8Array {
  const header = new Uint8Array(size);
  const view = new DataView(header.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint8(1, ZSTD_VERSION);
  view.setUint8(2, flags);
  view.setUint8(3, itemSize);
  view.setUint32(4, byteLength, true);
  view.setUint32(8, blockBytes, true);
  setFrameBytes(view, frameBytes);
  return header;
}
