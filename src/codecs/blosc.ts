/**
 * Blosc 1 frames: a header of 16 bytes, the start of each block, the blocks. We write them ourselves around native
 * Zstandard, with the byte shuffle over the real item size, so that any Blosc reads them and none of its code runs on the
 * way to the disk. One frame holds one block, which is not split.
 *
 * @see c-blosc `README_CHUNK_FORMAT.rst`
 */
import { StorageError } from "../core/errors.ts";
import { Shuffler } from "./shuffle.ts";
import { loadZstd, type ZstdProvider } from "./zstd.ts";

const HEADER_BYTES = 16;
const FORMAT_VERSION = 2;
const ZSTD_FORMAT = 4;
const ZSTD_VERSION = 1;

/** Bits of the flags byte; the top three bits hold the inner format. */
const BYTE_SHUFFLED = 0x01;
const STORED = 0x02;
const BIT_SHUFFLED = 0x04;
const NOT_SPLIT = 0x10;

/** Blocks of one frame that are unpacked beside each other. */
const BLOCKS_AT_ONCE = 8;

/** What is unshuffled at a time: with the result, half of a second-level cache at most. */
const UNSHUFFLE_BYTES = 64 << 10;

/** What the header of a frame says. */
export interface BloscHeader {
  /** Bytes of one item. */
  readonly itemSize: number;
  /** Bytes of the decoded value. */
  readonly byteLength: number;
  /** Decoded bytes of one block; the last may be shorter. */
  readonly blockBytes: number;
  /** Bytes of the whole frame. */
  readonly frameBytes: number;
  /** The bytes follow the header as they are. */
  readonly isStored: boolean;
  /** Which shuffle was applied before compression. */
  readonly shuffle: "none" | "byte" | "bit";
  /** Number of the inner compressor: 0 blosclz, 1 lz4, 2 snappy, 3 zlib, 4 zstd. */
  readonly format: number;
  /** False: each block is several streams, one for each byte of an item. */
  readonly isSplit: boolean;
}

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
  readonly #isShuffled: boolean;

  private constructor(
    compressor: BloscCompressor,
    shuffler: Shuffler,
    options: { readonly itemSize: number; readonly level?: number | undefined; readonly shuffle?: boolean | undefined },
  ) {
    this.#compressor = compressor;
    this.#shuffler = shuffler;
    this.#itemSize = options.itemSize;
    this.#level = options.level ?? 1;
    this.#isShuffled = options.shuffle ?? true;
    this.#free = Array.from({ length: shuffler.slots }, (_, slot) => slot);
  }

  /**
   * Loads a compressor and takes the memory, once.
   *
   * @param options - `byteLength`: of the largest value; `itemSize`: bytes of an element; `level`: of the compressor,
   * default 1; `slots`: values that may be under way at once, default 2; `shuffle`: default true; `compressor`: default
   * Zstandard.
   * @throws A {@link StorageError} `MISSING_DEPENDENCY`.
   */
  static async create(options: {
    readonly byteLength: number;
    readonly itemSize: number;
    readonly level?: number | undefined;
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
      const shuffled = this.#isShuffled
        ? this.#shuffler.shuffle(byteLength, this.#itemSize, slot)
        : this.#shuffler.input(byteLength).slice();
      const block = await this.#compressor.compress(shuffled, this.#level);
      return makeFrame(shuffled, block, this.#itemSize, this.#compressor.format, this.#isShuffled);
    } finally {
      this.#free.push(slot);
    }
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

/**
 * Reads the header of a frame.
 *
 * @throws A {@link StorageError} `CORRUPT` for bytes that cannot be a whole Blosc 1 frame.
 */
export function readBloscHeader(frame: Uint8Array): BloscHeader {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.byteLength < HEADER_BYTES || view.getUint8(0) !== FORMAT_VERSION) {
    throw new StorageError("CORRUPT", `${frame.byteLength} bytes are no Blosc 1 frame`);
  }
  const flags = view.getUint8(2);
  const header: BloscHeader = {
    itemSize: view.getUint8(3),
    byteLength: view.getUint32(4, true),
    blockBytes: view.getUint32(8, true),
    frameBytes: view.getUint32(12, true),
    isStored: (flags & STORED) !== 0,
    shuffle: flags & BIT_SHUFFLED ? "bit" : flags & BYTE_SHUFFLED ? "byte" : "none",
    format: flags >> 5,
    isSplit: (flags & NOT_SPLIT) === 0,
  };
  if (header.frameBytes !== frame.byteLength) {
    throw new StorageError("CORRUPT", `A Blosc frame says ${header.frameBytes} bytes and has ${frame.byteLength}`);
  }
  return header;
}

/** Decodes frames, our own and foreign ones, and keeps the scratch memory between them. Several may be under way. */
export class BloscDecoder {
  #zstd: ZstdProvider | undefined;
  /** Frames under way share it: nothing is awaited while it is used. */
  #shuffler: Shuffler | undefined;

  /**
   * Decodes one frame. Zstandard and stored frames take the fast way; other inner formats and the bit shuffle go through
   * numcodecs.
   *
   * @param frame - Borrowed until the promise settles.
   * @param expectedBytes - Length that the value must have; checked before any memory is taken.
   * @returns Memory that belongs to the caller.
   * @throws A {@link StorageError} `CORRUPT` or `MISSING_DEPENDENCY`.
   */
  async decode(frame: Uint8Array, expectedBytes?: number): Promise<Uint8Array> {
    const header = readBloscHeader(frame);
    if (expectedBytes !== undefined && header.byteLength !== expectedBytes) {
      throw new StorageError("CORRUPT", `A Blosc frame holds ${header.byteLength} bytes instead of ${expectedBytes}`);
    }
    if (header.isStored) return decodeStored(frame, header);
    if (header.format !== ZSTD_FORMAT || header.isSplit || header.shuffle === "bit")
      return decodeForeign(frame, header);
    this.#zstd ??= await loadZstd();
    const { byteLength, blockBytes } = header;
    const isWhole = header.shuffle === "none" || header.itemSize === 1;
    // Not from the pool that Buffers share, and not zeroed: every byte is set, or an error thrown.
    const out = new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
    const zstd = this.#zstd;
    this.#shuffler ??= new Shuffler(UNSHUFFLE_BYTES);
    const blocks = byteLength === 0 ? 0 : blockBytes === 0 ? 1 : Math.ceil(byteLength / blockBytes);
    for (let first = 0; first < blocks; first += BLOCKS_AT_ONCE) {
      const count = Math.min(BLOCKS_AT_ONCE, blocks - first);
      const decoded = await Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const length = Math.min(blockBytes, byteLength - (first + i) * blockBytes);
          const packed = readBlock(frame, header, first + i);
          const bytes = packed.byteLength === length ? packed : await decompress(zstd, packed);
          if (bytes.byteLength !== length) throw corruptBlock(first + i);
          return bytes;
        }),
      );
      for (const [i, bytes] of decoded.entries()) {
        const start = (first + i) * blockBytes;
        if (isWhole) out.set(bytes, start);
        else this.#shuffler.unshuffleInto(bytes, out.subarray(start, start + bytes.byteLength), header.itemSize);
      }
    }
    return out;
  }
}

function zstdCompressor(zstd: ZstdProvider): BloscCompressor {
  return { format: ZSTD_FORMAT, compress: (bytes, level) => zstd.compress(bytes, level) };
}

function makeFrame(
  shuffled: Uint8Array,
  block: Uint8Array,
  itemSize: number,
  format: number,
  isShuffled: boolean,
): BloscFrame {
  const byteLength = shuffled.byteLength;
  const flags = (isShuffled ? BYTE_SHUFFLED : 0) | NOT_SPLIT | (format << 5);
  const isSmaller = block.byteLength < byteLength;
  if (!isSmaller && (itemSize === 1 || !isShuffled)) {
    return [
      makeHeader(flags | STORED, itemSize, byteLength, HEADER_BYTES + byteLength, HEADER_BYTES),
      shuffled.slice(),
    ];
  }
  // A block as long as its value is a shuffled one that was not compressed; the stored flag would want it unshuffled.
  const body = isSmaller ? block : shuffled.slice();
  // One start and one length go before the block.
  const size = HEADER_BYTES + 8;
  const header = makeHeader(flags, itemSize, byteLength, size + body.byteLength, size);
  const view = new DataView(header.buffer);
  view.setInt32(HEADER_BYTES, HEADER_BYTES + 4, true);
  view.setInt32(HEADER_BYTES + 4, body.byteLength, true);
  return [header, body];
}

function makeHeader(flags: number, itemSize: number, byteLength: number, frameBytes: number, size: number): Uint8Array {
  const header = new Uint8Array(size);
  const view = new DataView(header.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint8(1, ZSTD_VERSION);
  view.setUint8(2, flags);
  view.setUint8(3, itemSize);
  view.setUint32(4, byteLength, true);
  view.setUint32(8, byteLength, true);
  view.setUint32(12, frameBytes, true);
  return header;
}

function decodeStored(frame: Uint8Array, header: BloscHeader): Uint8Array {
  if (header.frameBytes !== header.byteLength + HEADER_BYTES) {
    throw new StorageError(
      "CORRUPT",
      `A stored Blosc frame of ${header.frameBytes} bytes says it holds ${header.byteLength}`,
    );
  }
  return frame.slice(HEADER_BYTES);
}

function readBlock(frame: Uint8Array, header: BloscHeader, block: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const blocks = header.blockBytes === 0 ? 0 : Math.ceil(header.byteLength / header.blockBytes);
  if (blocks === 0 || HEADER_BYTES + 4 * blocks > frame.byteLength) throw corruptBlock(block);
  const start = view.getInt32(HEADER_BYTES + 4 * block, true);
  if (start < HEADER_BYTES + 4 * blocks || start + 4 > frame.byteLength) throw corruptBlock(block);
  const length = view.getInt32(start, true);
  if (length < 0 || start + 4 + length > frame.byteLength) throw corruptBlock(block);
  return frame.subarray(start + 4, start + 4 + length);
}

async function decompress(zstd: ZstdProvider, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await zstd.decompress(bytes);
  } catch (cause) {
    throw new StorageError("CORRUPT", "The Zstandard stream in a Blosc frame is damaged", { cause });
  }
}

async function decodeForeign(frame: Uint8Array, header: BloscHeader): Promise<Uint8Array> {
  const { default: Blosc } = await import("numcodecs/blosc");
  try {
    const bytes = await Blosc.fromConfig({ id: "blosc" }).decode(frame);
    if (bytes.byteLength === header.byteLength) return bytes;
  } catch (cause) {
    throw new StorageError("CORRUPT", "A Blosc frame is damaged", { cause });
  }
  throw new StorageError("CORRUPT", "A Blosc frame holds another number of bytes than it says");
}

function corruptBlock(block: number): StorageError {
  return new StorageError("CORRUPT", `Block ${block} of a Blosc frame is damaged`);
}
