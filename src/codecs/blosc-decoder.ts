/** Decodes Blosc 1 frames, or only the blocks of them that hold what is wanted. */
import { StorageError } from "../core/errors.ts";
import {
  type BloscHeader,
  bloscBlockLength,
  bloscBlockStart,
  bloscBlocks,
  corruptBlock,
  HEADER_BYTES,
  readBlock,
  readBloscHeader,
  setBlockStart,
  setFrameBytes,
  ZSTD_FORMAT,
} from "./blosc-header.ts";
import { Shuffler } from "./shuffle.ts";
import { Turn } from "./turn.ts";
import { loadZstd, type ZstdProvider } from "./zstd.ts";

/** Blocks of one frame that are unpacked beside each other. */
const BLOCKS_AT_ONCE = 8;

/** Blocks up to this length are unpacked on the calling thread, where the provider can. */
const NOW_BYTES = 1 << 20;

/** What is unshuffled at a time: with the result, half of a second-level cache at most. */
const UNSHUFFLE_BYTES = 64 << 10;

/** Decoded bytes that are wanted of a frame: from the first to the one after the last. */
export interface BloscPart {
  readonly start: number;
  readonly stop: number;
}

/** Decodes frames, our own and foreign ones, and keeps the scratch memory between them. Several may be under way. */
export class BloscDecoder {
  readonly #turn = new Turn();
  #zstd: ZstdProvider | undefined;
  /** Frames under way share them: nothing is awaited while they are used. */
  #shuffler: Shuffler | undefined;
  #scratch = new Uint8Array(0);

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
    const header = checkedHeader(frame, frame.byteLength, expectedBytes);
    return this.#decode(frame, header, { start: 0, stop: header.byteLength }, undefined);
  }

  /**
   * Decodes some bytes of a value, and no more blocks than they are in.
   *
   * @param frame - Whole, or as by {@link BloscDecoder.readPart} for the same part.
   * @param into - Memory for them, if there is some already.
   * @returns `into`, or memory that belongs to the caller.
   * @throws As {@link BloscDecoder.decode}.
   */
  async decodePart(
    frame: Uint8Array,
    expectedBytes: number,
    part: BloscPart,
    into?: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    return this.#decode(frame, checkedHeader(frame, frame.byteLength, expectedBytes), part, into);
  }

  /**
   * Reads what {@link BloscDecoder.decodePart} needs of a frame that lies elsewhere: its header, and the blocks of the part.
   *
   * @param frameBytes - Length of the frame.
   * @param read - Fills memory from an offset of the frame on; false if it cannot.
   * @returns A frame that has only these blocks; `undefined` if `read` could not, or where the frame is needed as a whole.
   * @throws A {@link StorageError} `CORRUPT`.
   */
  readPart(
    frameBytes: number,
    expectedBytes: number,
    part: BloscPart,
    read: (into: Uint8Array, offset: number) => boolean,
  ): Uint8Array | undefined {
    const beginning = new Uint8Array(Math.min(frameBytes, HEADER_BYTES));
    if (!read(beginning, 0)) return undefined;
    const header = checkedHeader(beginning, frameBytes, expectedBytes);
    if (header.isStored || isForeign(header)) return undefined;
    const starts = HEADER_BYTES + 4 * bloscBlocks(header);
    if (starts > frameBytes) throw corruptBlock(0);
    const head = new Uint8Array(starts);
    if (!read(head, 0)) return undefined;
    const places: { readonly block: number; readonly start: number; readonly length: number }[] = [];
    const size = new Uint8Array(4);
    for (const block of blocksOf(part, header)) {
      const start = bloscBlockStart(head, header, block);
      if (!read(size, start)) return undefined;
      places.push({ block, start, length: 4 + bloscBlockLength(size, 0, start, header) });
    }
    const frame = new Uint8Array(places.reduce((sum, { length }) => sum + length, starts));
    frame.set(head);
    const view = new DataView(frame.buffer);
    setFrameBytes(view, frame.byteLength);
    let at = starts;
    for (const { block, start, length } of places) {
      if (!read(frame.subarray(at, at + length), start)) return undefined;
      setBlockStart(view, block, at);
      at += length;
    }
    return frame;
  }

  async #decode(
    frame: Uint8Array,
    header: BloscHeader,
    part: BloscPart,
    into: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    const byteLength = part.stop - part.start;
    if (header.isStored || isForeign(header)) {
      const whole = header.isStored ? storedBytes(frame, header) : await decodeForeign(frame, header);
      const wanted = whole.subarray(part.start, part.stop);
      if (into === undefined) return header.isStored ? wanted.slice() : wanted;
      into.set(wanted);
      return into;
    }
    // Before any memory is taken.
    if (bloscBlocks(header) === 0 && byteLength > 0) throw corruptBlock(0);
    this.#zstd ??= await loadZstd();
    const zstd = this.#zstd;
    // Not from the pool that Buffers share, and not zeroed: every byte is set, or an error thrown.
    const out = into ?? new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
    let underWay: Promise<void>[] = [];
    try {
      for (const block of blocksOf(part, header)) {
        const placed = this.#block(zstd, frame, block, header, part, out);
        if (placed !== undefined) underWay.push(placed);
        if (underWay.length < BLOCKS_AT_ONCE) continue;
        await Promise.all(underWay);
        underWay = [];
      }
    } finally {
      // Also where another block is damaged: nobody else hears of these.
      await Promise.all(underWay);
    }
    return out;
  }

  /** Decodes one block; a promise where that goes on elsewhere. */
  #block(
    zstd: ZstdProvider,
    frame: Uint8Array,
    block: number,
    header: BloscHeader,
    part: BloscPart,
    out: Uint8Array,
  ): Promise<void> | undefined {
    const length = Math.min(header.blockBytes, header.byteLength - block * header.blockBytes);
    const packed = readBlock(frame, header, block);
    const place = (bytes: Uint8Array) => this.#place(bytes, block, length, header, part, out);
    const { decompressNow } = zstd;
    if (packed.byteLength === length) place(packed);
    else if (decompressNow !== undefined && length <= NOW_BYTES && this.#turn.isOpen) {
      if (this.#scratch.byteLength < length) this.#scratch = new Uint8Array(length);
      place(unpackNow(decompressNow, packed, length, this.#scratch));
    } else return unpack(zstd, packed, length).then(place);
    return undefined;
  }

  /** Copies what a block and a part have in common to where it belongs. */
  #place(
    bytes: Uint8Array,
    block: number,
    length: number,
    header: BloscHeader,
    part: BloscPart,
    out: Uint8Array,
  ): void {
    if (bytes.byteLength !== length) throw corruptBlock(block);
    const start = block * header.blockBytes;
    const from = Math.max(part.start, start);
    const target = out.subarray(from - part.start, Math.min(part.stop, start + length) - part.start);
    if (header.shuffle === "none" || header.itemSize === 1) {
      target.set(bytes.subarray(from - start, from - start + target.byteLength));
      return;
    }
    this.#shuffler ??= new Shuffler(UNSHUFFLE_BYTES);
    this.#shuffler.unshuffleInto(bytes, target, header.itemSize, from - start);
  }
}

function checkedHeader(frame: Uint8Array, frameBytes: number, expectedBytes: number | undefined): BloscHeader {
  const header = readBloscHeader(frame, frameBytes);
  if (expectedBytes === undefined || header.byteLength === expectedBytes) return header;
  throw new StorageError("CORRUPT", `A Blosc frame holds ${header.byteLength} bytes instead of ${expectedBytes}`);
}

/** True for frames that numcodecs reads. */
function isForeign(header: BloscHeader): boolean {
  return header.format !== ZSTD_FORMAT || header.isSplit || header.shuffle === "bit";
}

/** The numbers of the blocks that hold a part. */
function* blocksOf({ start, stop }: BloscPart, { blockBytes }: BloscHeader): Generator<number> {
  if (start === stop) return;
  if (blockBytes === 0) throw corruptBlock(0);
  for (let block = Math.floor(start / blockBytes); block * blockBytes < stop; block++) yield block;
}

function storedBytes(frame: Uint8Array, header: BloscHeader): Uint8Array {
  if (header.frameBytes === header.byteLength + HEADER_BYTES) return frame.subarray(HEADER_BYTES);
  throw new StorageError(
    "CORRUPT",
    `A stored Blosc frame of ${header.frameBytes} bytes says it holds ${header.byteLength}`,
  );
}

function unpackNow(
  run: NonNullable<ZstdProvider["decompressNow"]>,
  bytes: Uint8Array,
  byteLength: number,
  into: Uint8Array,
): Uint8Array {
  try {
    return run(bytes, byteLength, into);
  } catch (cause) {
    throw damaged(cause);
  }
}

async function unpack(zstd: ZstdProvider, bytes: Uint8Array, byteLength: number): Promise<Uint8Array> {
  try {
    return await zstd.decompress(bytes, byteLength);
  } catch (cause) {
    throw damaged(cause);
  }
}

function damaged(cause: unknown): StorageError {
  return new StorageError("CORRUPT", "The Zstandard stream in a Blosc frame is damaged", { cause });
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
