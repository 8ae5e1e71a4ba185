/** The bytes of one upload, as a stream that knows when it can no longer be called back. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { type ByteSource, byteSourceLength } from "../../src/core/byte-store.ts";

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

  /** The digest that the service checks the bytes against before it keeps them. */
  get md5(): Buffer {
    if (this.#md5 === undefined) {
      const hash = createHash("md5");
      for (const part of this.#parts) hash.update(part);
      this.#md5 = hash.digest();
    }
    return this.#md5;
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
