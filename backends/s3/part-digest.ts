/** The etag of an upload in parts, computed from its bytes. */
import { createHash } from "node:crypto";

/**
 * The MD5 of the MD5s of all parts, and their number: what services give a value that came in parts.
 *
 * @see AWS, "Checking object integrity": etags of multipart uploads
 */
export class PartDigest {
  readonly #partBytes: number;
  readonly #digests: Buffer[] = [];
  #part = createHash("md5");
  #inPart = 0;

  /** @param partBytes - Length of every part but the last. */
  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  /** Adds bytes at the end. */
  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      const end = Math.min(bytes.byteLength, at + this.#partBytes - this.#inPart);
      this.#part.update(bytes.subarray(at, end));
      this.#inPart += end - at;
      at = end;
      if (this.#inPart === this.#partBytes) this.#endPart();
    }
  }

  /** The etag, without quotes. */
  etag(): string {
    if (this.#inPart > 0) this.#endPart();
    return etagOfParts(this.#digests);
  }

  #endPart(): void {
    this.#digests.push(this.#part.digest());
    this.#part = createHash("md5");
    this.#inPart = 0;
  }
}

/** The etag of a value whose parts have these MD5 digests, in order. */
export function etagOfParts(digests: readonly Uint8Array[]): string {
  const hash = createHash("md5");
  for (const digest of digests) hash.update(digest);
  return `${hash.digest("hex")}-${digests.length}`;
}
