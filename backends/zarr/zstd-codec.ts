/** Zstandard streams without Blosc around them: packed and unpacked whole, or unpacked as far as is wanted. */
import { Turn } from "../../src/codecs/turn.ts";
import { loadZstd, type ZstdProvider } from "../../src/codecs/zstd.ts";
import { withZstdContentSize, zstdContentSize, zstdWindowBytes } from "../../src/codecs/zstd-frame.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { ByteCodec, BytePart, PartDecoder } from "./byte-codecs.ts";
import { corruptIfFails, corruptIfThrows } from "./damaged-stream.ts";

/** What is unpacked on the calling thread at a time, at most. */
const NOW_BYTES = 1 << 20;

/** What is unpacked between two looks at the clock. */
const PIECE_BYTES = 256 << 10;

/** Frames that need more memory than this to be unpacked piece by piece are unpacked whole. */
const MOST_WINDOW_BYTES = 8 << 20;

/** The codec `zstd`. */
export class ZstdCodec implements ByteCodec {
  readonly parts: PartDecoder;
  readonly #level: number;
  readonly #turn = new Turn();
  #zstd: ZstdProvider | undefined;
  /** What comes before a part is unpacked into it, and overwritten: nothing is awaited while it is used. */
  #scratch: Uint8Array | undefined;

  constructor(level: number) {
    // To Zstandard, level 0 means its default.
    this.#level = level === 0 ? 3 : level;
    this.parts = {
      // A stream has no places to begin at.
      readPart: () => undefined,
      decodePart: (bytes, expectedBytes, part, into) => this.#decodePart(bytes, expectedBytes, part, into),
    };
  }

  async encode(bytes: Uint8Array): Promise<Uint8Array> {
    this.#zstd ??= await loadZstd();
    return withZstdContentSize(await this.#zstd.compress(bytes, this.#level), bytes.byteLength);
  }

  async decode(bytes: Uint8Array, expectedBytes: number | undefined): Promise<Uint8Array> {
    const byteLength = lengthOf(bytes, expectedBytes);
    this.#zstd ??= await loadZstd();
    const zstd = this.#zstd;
    const { decompressNow } = zstd;
    if (decompressNow !== undefined && byteLength !== undefined && byteLength <= NOW_BYTES && this.#turn.isOpen) {
      return corruptIfThrows(() => decompressNow(bytes, byteLength));
    }
    return corruptIfFails(zstd.decompress(bytes, expectedBytes));
  }

  /** What comes after the part is neither unpacked nor checked. */
  async #decodePart(
    bytes: Uint8Array,
    expectedBytes: number,
    part: BytePart,
    into?: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    const byteLength = lengthOf(bytes, expectedBytes);
    this.#zstd ??= await loadZstd();
    const { open } = this.#zstd;
    if (open === undefined || byteLength === undefined || !isWorthPieces(bytes, part, byteLength)) {
      const whole = await this.decode(bytes, expectedBytes);
      if (whole.byteLength !== expectedBytes) throw cut(whole.byteLength, expectedBytes);
      const wanted = whole.subarray(part.start, part.stop);
      into?.set(wanted);
      return into ?? wanted;
    }
    const out = into ?? new Uint8Array(Buffer.allocUnsafeSlow(part.stop - part.start).buffer);
    const pieces = open(bytes);
    for (let at = 0; at < part.stop; ) {
      await this.#turn.opened();
      const room =
        at < part.start
          ? this.#scratchOf(Math.min(PIECE_BYTES, part.start - at))
          : out.subarray(at - part.start, Math.min(at + PIECE_BYTES, part.stop) - part.start);
      const filled = corruptIfThrows(() => pieces.next(room));
      at += filled;
      if (filled < room.byteLength) throw cut(at, expectedBytes);
    }
    return out;
  }

  #scratchOf(byteLength: number): Uint8Array {
    this.#scratch ??= new Uint8Array(PIECE_BYTES);
    return this.#scratch.subarray(0, byteLength);
  }
}

/** Length of what comes out, where it is known. Checked before any memory is taken. */
function lengthOf(bytes: Uint8Array, expectedBytes: number | undefined): number | undefined {
  const says = zstdContentSize(bytes);
  if (expectedBytes === undefined || says === undefined || says <= expectedBytes) return says ?? expectedBytes;
  throw new StorageError("CORRUPT", `the stream says that it holds ${says} bytes instead of ${expectedBytes}`);
}

/** True unless it is most of the frame, which threads of the pool unpack beside each other, or takes too much memory. */
function isWorthPieces(bytes: Uint8Array, { start, stop }: BytePart, byteLength: number): boolean {
  const window = zstdWindowBytes(bytes);
  return 2 * (stop - start) <= byteLength && window !== undefined && window <= MOST_WINDOW_BYTES;
}

function cut(byteLength: number, expectedBytes: number): StorageError {
  return new StorageError("CORRUPT", `the stream holds ${byteLength} bytes instead of ${expectedBytes}`);
}
