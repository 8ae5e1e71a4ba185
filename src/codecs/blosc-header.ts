/**
 * What Blosc 1 frames say of themselves: a header of 16 bytes, the start of each block, and before each block its length.
 *
 * @see c-blosc `README_CHUNK_FORMAT.rst`
 */
import { StorageError } from "../core/errors.ts";

/** Bytes of a header, without the starts of blocks. */
export const HEADER_BYTES = 16;
/** The version of frames that is read and written. */
export const FORMAT_VERSION = 2;
/** Number of Zstandard among the inner compressors. */
export const ZSTD_FORMAT = 4;

/** Bits of the flags byte; the top three bits hold the inner format. */
export const BYTE_SHUFFLED = 0x01;
export const STORED = 0x02;
export const BIT_SHUFFLED = 0x04;
export const NOT_SPLIT = 0x10;

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

/**
 * Reads the header of a frame.
 *
 * @param frame - Its beginning, at least.
 * @param frameBytes - Length of all of it.
 * @throws A {@link StorageError} `CORRUPT` for bytes that cannot be a whole Blosc 1 frame.
 */
export function readBloscHeader(frame: Uint8Array, frameBytes = frame.byteLength): BloscHeader {
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
  if (header.frameBytes !== frameBytes) {
    throw new StorageError("CORRUPT", `A Blosc frame says ${header.frameBytes} bytes and has ${frameBytes}`);
  }
  if (header.itemSize === 0) throw new StorageError("CORRUPT", "A Blosc frame says that its items have no bytes");
  return header;
}

/** Number of blocks that a frame has; 0 where its header makes no sense. */
export function bloscBlocks({ byteLength, blockBytes }: BloscHeader): number {
  return blockBytes === 0 ? 0 : Math.ceil(byteLength / blockBytes);
}

/**
 * Where the length of a block stands, right before the block.
 *
 * @param frame - Its beginning up to the starts of all blocks, at least.
 * @throws A {@link StorageError} `CORRUPT` for a place where none can be.
 */
export function bloscBlockStart(frame: Uint8Array, header: BloscHeader, block: number): number {
  const blocks = bloscBlocks(header);
  const first = HEADER_BYTES + 4 * blocks;
  if (blocks === 0 || first > frame.byteLength) throw corruptBlock(block);
  const start = viewOf(frame).getInt32(HEADER_BYTES + 4 * block, true);
  if (start < first || start + 4 > header.frameBytes) throw corruptBlock(block);
  return start;
}

/**
 * Reads the length of a block.
 *
 * @param start - As by {@link bloscBlockStart}.
 * @throws A {@link StorageError} `CORRUPT` for more than the frame has.
 */
export function bloscBlockLength(bytes: Uint8Array, at: number, start: number, header: BloscHeader): number {
  const length = viewOf(bytes).getInt32(at, true);
  if (length < 0 || start + 4 + length > header.frameBytes) throw corruptBlock(-1);
  return length;
}

/** The bytes of one block, still packed. */
export function readBlock(frame: Uint8Array, header: BloscHeader, block: number): Uint8Array {
  const start = bloscBlockStart(frame, header, block);
  const length = bloscBlockLength(frame, start, start, header);
  return frame.subarray(start + 4, start + 4 + length);
}

/** Says how long a frame is. */
export function setFrameBytes(frame: DataView, frameBytes: number): void {
  frame.setUint32(12, frameBytes, true);
}

/** Says where a block, with its length before it, is in a frame. */
export function setBlockStart(frame: DataView, block: number, start: number): void {
  frame.setInt32(HEADER_BYTES + 4 * block, start, true);
}

/** The error of a block that cannot be one. */
export function corruptBlock(block: number): StorageError {
  return new StorageError("CORRUPT", `${block < 0 ? "A block" : `Block ${block}`} of a Blosc frame is damaged`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
