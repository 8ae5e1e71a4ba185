/** Reads payloads of segment files. */
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import type { OperationOptions } from "../../core/byte-store.ts";
import { checkAborted, checkOpen } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";
import { fileError } from "./segment-errors.ts";
import {
  checkFileHeader,
  FILE_HEADER_BYTES,
  parseRecordHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./segment-format.ts";
import type { SegmentReference } from "./segment-writer.ts";

/** Files that a {@link SegmentReader} keeps open, unless it is told otherwise. */
const KEPT_FILES = 32;

/** Reads payloads, and keeps the files open that were read last. A file that is removed while it is open can be read on. */
export class SegmentReader implements AsyncDisposable {
  readonly #keptFiles: number;
  /** From the one whose last use is longest ago. */
  readonly #files = new Map<string, OpenFile>();
  #isOpen = true;

  /** @param options - `keptFiles`: how many files stay open. Default 32. */
  constructor(options: { readonly keptFiles?: number | undefined } = {}) {
    this.#keptFiles = options.keptFiles ?? KEPT_FILES;
  }

  /**
   * The payload, in memory of its own.
   *
   * @throws A {@link StorageError}: `NOT_FOUND` if the file is gone; `CORRUPT` if the bytes are not those that were
   * written; `ABORTED`, `NOT_OPEN`.
   */
  async read(reference: SegmentReference, { signal }: OperationOptions = {}): Promise<Uint8Array> {
    const path = fileURLToPath(reference.uri);
    const context = { operation: "readSegment", identifier: path };
    checkOpen(this.#isOpen, "The reader of segments", context);
    checkAborted(signal, context);
    const file = this.#use(path);
    try {
      const bytes = await file.read(reference.offset, reference.length);
      checkAborted(signal, context);
      if (bytes.byteLength === reference.length && crc32(bytes) === reference.crc32) return bytes;
    } catch (error) {
      this.#drop(path, file);
      throw fileError(error, path, "readSegment");
    } finally {
      file.release();
    }
    const message = `${reference.length} bytes from ${reference.offset} of "${path}" are not those that were written`;
    throw new StorageError("CORRUPT", message, context);
  }

  /** Closes a file, so that its space is given back once it is removed. */
  forget(uri: string): void {
    const path = fileURLToPath(uri);
    const file = this.#files.get(path);
    if (file !== undefined) this.#drop(path, file);
  }

  /** Closes all files, once reads under way have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    const files = [...this.#files.values()];
    this.#files.clear();
    await Promise.all(files.map((file) => file.retire()));
  }

  #use(path: string): OpenFile {
    const file = this.#files.get(path) ?? this.#openNext(path);
    this.#files.delete(path);
    this.#files.set(path, file);
    file.acquire();
    for (const [oldPath, old] of this.#files) {
      if (this.#files.size <= this.#keptFiles) break;
      this.#drop(oldPath, old);
    }
    return file;
  }

  /** Whoever goes on to the next file of a folder holds on to none before it that another process has removed. */
  #openNext(path: string): OpenFile {
    for (const [other, file] of this.#files) {
      if (dirname(other) !== dirname(path)) continue;
      void file.isRemoved().then((isRemoved) => {
        if (isRemoved) this.#drop(other, file);
      });
    }
    return new OpenFile(path);
  }

  #drop(path: string, file: OpenFile): void {
    if (this.#files.get(path) === file) this.#files.delete(path);
    // Nobody can be told of a file that could only be read and does not close.
    file.retire().catch(() => {});
  }
}

/** A file that is open while somebody reads it or it may be read again. */
class OpenFile {
  readonly #handle: Promise<FileHandle>;
  #users = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(path: string) {
    this.#handle = open(path, "r");
    this.#handle.catch(() => {});
  }

  acquire(): void {
    this.#users++;
  }

  release(): void {
    if (--this.#users === 0) this.#onIdle?.();
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return await readAt(await this.#handle, offset, length);
  }

  /** True if it has no name any more: its space is given back once nobody has it open. Never rejects. */
  async isRemoved(): Promise<boolean> {
    try {
      return (await (await this.#handle).stat()).nlink === 0;
    } catch {
      return true;
    }
  }

  /** Closes it when its last user has left. */
  retire(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#users > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    const handle = await this.#handle.catch(() => undefined);
    await handle?.close();
  }
}

/**
 * The payload of a reference; the file is opened and closed for it.
 *
 * @throws A {@link StorageError} as {@link SegmentReader.read}.
 */
export async function readSegment(reference: SegmentReference, options: OperationOptions = {}): Promise<Uint8Array> {
  const reader = new SegmentReader();
  try {
    return await reader.read(reference, options);
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}

/**
 * Every whole record of a segment file, from the first, also while it is written. Ends before what a writer that died
 * has left behind.
 *
 * @throws A {@link StorageError}: `NOT_FOUND`; `CORRUPT` for another file; `UNSUPPORTED` for a newer version.
 */
export async function* readSegments(uri: string): AsyncGenerator<SegmentReference> {
  const path = fileURLToPath(uri);
  const handle = await open(path, "r").catch((error: unknown) => {
    throw fileError(error, path, "readSegments");
  });
  try {
    checkFileHeader(await readAt(handle, 0, FILE_HEADER_BYTES), path);
    for (let offset = FILE_HEADER_BYTES; ; ) {
      const record = parseRecordHeader(await readAt(handle, offset, RECORD_HEADER_BYTES));
      offset += RECORD_HEADER_BYTES;
      if (record === undefined || !(await isWhole(handle, offset, record))) return;
      yield { uri, offset, ...record };
      offset += record.length;
    }
  } finally {
    await handle.close();
  }
}

/** True if the payload that a header announces is there. A length that no file has is not read into memory. */
async function isWhole(
  handle: FileHandle,
  offset: number,
  { length, crc32: expected }: RecordHeader,
): Promise<boolean> {
  if (offset + length > (await handle.stat()).size) return false;
  return crc32(await readAt(handle, offset, length)) === expected;
}

/** Bytes of a file; fewer where it ends. */
async function readAt(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
