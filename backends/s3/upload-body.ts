/** The bytes of one upload, as a stream that knows when it can no longer be called back. */
import { createHash, hash } from "node:crypto";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type ByteSource, byteSourceLength, joinBytes } from "../../src/core/byte-store.ts";

/** Bytes handed to the connection at a time, so that an abort finds a gap. */
const PIECE = 256 << 10;

/**
 * A body of known length. Until its last piece is handed over, cutting the connection is sure to change nothing: the
 * service has fewer bytes than it was promised. From then on only its answer tells what became of the write.
 */
export class UploadBody {
  readonly byteLength: number;
  readonly #parts: readonly Uint8Array[];
  #isHandedOver: boolean;
  #md5: Buffer | undefined;
  #crc32: number | undefined;

  /** @param bytes - Borrowed until the request has ended. */
  constructor(bytes: ByteSource) {
    this.byteLength = byteSourceLength(bytes);
    this.#parts = bytes instanceof Uint8Array ? [bytes] : bytes;
    this.#isHandedOver = this.byteLength === 0;
  }

  /** True from the moment when the service may have all of it. */
  get isHandedOver(): boolean {
    return this.#isHandedOver;
  }

  /** What services make etags of. */
  get md5(): Buffer {
    this.#md5 ??= this.#digest("md5");
    return this.#md5;
  }

  /** In hexadecimal, as signatures have it. */
  get sha256(): string {
    return this.#digest("sha256").toString("hex");
  }

  /** The CRC-32 of zlib. */
  get crc32(): number {
    this.#crc32 ??= crc32Of(this.#parts);
    return this.#crc32;
  }

  /**
   * The bytes as the SDK takes them fastest: short ones in one buffer, which counts as handed over at once. The SDK may
   * send a buffer again if it was told to make several attempts, so it is for writes that may be repeated.
   */
  get repeatable(): Readable | Uint8Array {
    if (this.byteLength > PIECE) return this.stream();
    this.#isHandedOver = true;
    return joinBytes(this.#parts);
  }

  /** The bytes, once. */
  stream(): Readable | Uint8Array {
    if (this.byteLength === 0) return new Uint8Array(0);
    const pieces = this.#pieces();
    return new Readable({
      highWaterMark: PIECE,
      read() {
        const { value, done } = pieces.next();
        this.push(done ? null : value);
      },
    });
  }

  #digest(algorithm: "md5" | "sha256"): Buffer {
    const [only] = this.#parts;
    // In one step: twice as fast for short values.
    if (only !== undefined && this.#parts.length === 1) return hash(algorithm, only, "buffer");
    const sum = createHash(algorithm);
    for (const part of this.#parts) sum.update(part);
    return sum.digest();
  }

  *#pieces(): Generator<Uint8Array> {
    let left = this.byteLength;
    for (const part of this.#parts) {
      for (let at = 0; at < part.byteLength; at += PIECE) {
        const piece = part.subarray(at, at + PIECE);
        left -= piece.byteLength;
        if (left === 0) this.#isHandedOver = true;
        yield piece;
      }
    }
  }
}

/** The CRC-32 of parts, one after another. To zlib an empty buffer may mean "begin anew", so those are left out. */
export function crc32Of(parts: readonly Uint8Array[]): number {
  return parts.reduce((crc, part) => (part.byteLength === 0 ? crc : crc32(part, crc)), 0);
}
