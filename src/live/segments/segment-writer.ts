/** Writes one segment file. */
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import { checkOpen } from "../../core/checks.ts";
import { fileError } from "./segment-errors.ts";
import { FILE_HEADER_BYTES, fileHeader, RECORD_HEADER_BYTES, recordHeader } from "./segment-format.ts";

/** A payload in a segment file: plain bytes of the file, which can be read without knowing its format. */
export interface SegmentReference {
  /** `file://` URL of the file. */
  readonly uri: string;
  /** First byte of the payload. */
  readonly offset: number;
  /** Bytes of the payload. */
  readonly length: number;
  /** CRC-32 of the payload. */
  readonly crc32: number;
}

/**
 * Appends payloads to a file of its own. Calls take effect in their order; a payload that could not be written whole
 * leaves nothing that a reader could take for one, and the next one takes its place.
 */
export class SegmentWriter implements AsyncDisposable {
  /** Absolute path of the file. */
  readonly path: string;
  /** `file://` URL of the file. */
  readonly uri: string;
  readonly #handle: FileHandle;
  #size = FILE_HEADER_BYTES;
  #last: Promise<unknown> = Promise.resolve();
  #isOpen = true;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.uri = pathToFileURL(path).href;
    this.#handle = handle;
  }

  /**
   * Makes a new file; its folder must be there.
   *
   * @throws A `StorageError`: `ALREADY_EXISTS`, `NOT_FOUND`, `NO_SPACE`, `PERMISSION_DENIED`.
   */
  static async create(path: string): Promise<SegmentWriter> {
    const absolute = resolve(path);
    try {
      const handle = await open(absolute, "wx");
      const writer = new SegmentWriter(absolute, handle);
      await writer.#write([fileHeader()], 0).catch(async (error: unknown) => {
        await handle.close();
        throw error;
      });
      return writer;
    } catch (error) {
      throw fileError(error, absolute, "createSegment");
    }
  }

  /** Bytes that the file has, those under way not counted. */
  get size(): number {
    return this.#size;
  }

  /**
   * Appends a payload.
   *
   * @param payload - One piece or several; borrowed until the promise settles.
   * @returns Where it is, once the operating system has it: it survives the end of this process.
   * @throws A `StorageError`: `NO_SPACE`, `NOT_OPEN`.
   */
  append(payload: Uint8Array | readonly Uint8Array[]): Promise<SegmentReference> {
    return this.#inTurn("append", async () => {
      const parts = payload instanceof Uint8Array ? [payload] : payload;
      const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
      const checksum = parts.reduce((seed, part) => crc32(part, seed), 0);
      const start = this.#size;
      try {
        await this.#write([recordHeader({ length, crc32: checksum }), ...parts], start);
      } catch (error) {
        // Gives back what the disk still had room for; if that fails too, it is the torn end that readers expect.
        await this.#handle.truncate(start).catch(() => {});
        throw error;
      }
      this.#size = start + RECORD_HEADER_BYTES + length;
      return { uri: this.uri, offset: start + RECORD_HEADER_BYTES, length, crc32: checksum };
    });
  }

  /** Resolves when the disk has what was appended before: it survives a power cut. */
  sync(): Promise<void> {
    return this.#inTurn("sync", () => this.#handle.datasync());
  }

  /** Closes the file, once everything under way has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#last;
    await this.#handle.close();
  }

  async #inTurn<T>(operation: string, run: () => Promise<T>): Promise<T> {
    checkOpen(this.#isOpen, `"${this.path}"`, { operation, identifier: this.path });
    const turn = this.#last.then(async () => {
      try {
        return await run();
      } catch (error) {
        throw fileError(error, this.path, operation);
      }
    });
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async #write(parts: readonly Uint8Array[], start: number): Promise<void> {
    let left = parts.filter((part) => part.byteLength > 0);
    for (let position = start; left.length > 0; ) {
      const { bytesWritten } = await this.#handle.writev(left, position);
      position += bytesWritten;
      left = remaining(left, bytesWritten);
    }
  }
}

/** What is left of some pieces after their first bytes. */
function remaining(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const left: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.byteLength) skip -= part.byteLength;
    else {
      left.push(part.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
