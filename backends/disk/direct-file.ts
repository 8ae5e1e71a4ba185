/** Writes past the cache of the operating system. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteSource } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import { PAGE_BYTES, pageBlocks } from "../../src/core/page-memory.ts";
import { errnoOf } from "./errno.ts";
import { MAX_CALL } from "./max-call.ts";

/** Shorter chunks go through the cache: the device would spend more time on each than on its bytes. */
const MIN_BYTES = 64 << 10;

/** Bytes of a block, for chunks that do not begin at a page in memory and are copied. */
const BLOCK_BYTES = 2 << 20;

/**
 * Writes under way at a time. The file system lets one through after the other anyway; one more is there to keep the
 * device busy, and threads are left for everybody else.
 */
const AT_ONCE = 2;

/** What file systems answer that have no way past the cache, or not from this memory or to this place. */
const REFUSALS: readonly (string | undefined)[] = ["EINVAL", "ENOTSUP", "EOPNOTSUPP"];

/** The way through the cache. */
export type WriteCached = (
  bytes: ByteSource,
  position: number,
  signal: AbortSignal | undefined,
  context: ErrorContext,
) => Promise<void>;

/**
 * A file that is written past the cache, page by page; the parts of pages at both ends of a chunk go through
 * the cache. No page is written in both ways by one chunk, and the system keeps both ways in step.
 */
export class DirectFile {
  readonly #writeCached: WriteCached;
  readonly #handle: FileHandle;
  readonly #waiting: (() => void)[] = [];
  #free = AT_ONCE;
  #blocks: Uint8Array[] | undefined;
  /** Whether memory of callers has been taken as it is so far. */
  #takesForeign = true;
  #isUsable = true;

  private constructor(handle: FileHandle, writeCached: WriteCached) {
    this.#handle = handle;
    this.#writeCached = writeCached;
  }

  /** Opens a file for a second time; `undefined` where the file system only knows the way through the cache. */
  static async open(path: string, writeCached: WriteCached): Promise<DirectFile | undefined> {
    // macOS and Windows have no such flag.
    const { O_DIRECT } = constants as { readonly O_DIRECT?: number };
    if (O_DIRECT === undefined) return undefined;
    try {
      return new DirectFile(await open(path, constants.O_WRONLY | O_DIRECT), writeCached);
    } catch (error) {
      // The mode of a file that may not be written, which the new one has already, stands in the way of a second opening.
      if ([...REFUSALS, "EACCES", "EPERM"].includes(errnoOf(error))) return undefined;
      throw error;
    }
  }

  /** Writes parts one after another from a byte offset. */
  async write(
    bytes: ByteSource,
    position: number,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<void> {
    const parts = bytes instanceof Uint8Array ? [bytes] : bytes;
    if (!parts.some((part) => part.byteLength >= MIN_BYTES)) return this.#writeCached(bytes, position, signal, context);
    let at = position;
    for (const part of parts) {
      const head = Math.min(part.byteLength, -at & (PAGE_BYTES - 1));
      const end = part.byteLength - ((part.byteLength - head) % PAGE_BYTES);
      const isLong = this.#isUsable && end - head >= MIN_BYTES;
      if (!isLong) {
        await this.#writeCached(part, at, signal, context);
      } else {
        if (head > 0) await this.#writeCached(part.subarray(0, head), at, signal, context);
        for (let from = head; from < end; from += MAX_CALL) {
          const pages = part.subarray(from, Math.min(end, from + MAX_CALL));
          await this.#inTurn(() => this.#writePages(pages, at + from, signal, context));
        }
        if (end < part.byteLength) await this.#writeCached(part.subarray(end), at + end, signal, context);
      }
      at += part.byteLength;
    }
  }

  /** Closes the second way to the file. Nothing may be under way. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  async #inTurn(run: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Writes whole pages: as they are where their memory begins at a page, and from a block of ours otherwise. */
  async #writePages(
    bytes: Uint8Array,
    position: number,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<void> {
    if (this.#takesForeign) {
      const isTaken = await this.#tryDirect(bytes, position, signal, context);
      if (isTaken) return;
      // Memory of other callers is no better: one system call for nothing is enough.
      this.#takesForeign = false;
    }
    this.#blocks ??= pageBlocks(BLOCK_BYTES, AT_ONCE);
    // As many blocks as turns: there is always one.
    const block = this.#blocks.pop() as Uint8Array;
    try {
      for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES) {
        checkAborted(signal, context);
        const part = bytes.subarray(at, at + BLOCK_BYTES);
        block.set(part);
        const pages = block.subarray(0, part.byteLength);
        if (this.#isUsable && (await this.#tryDirect(pages, position + at, signal, context))) continue;
        this.#isUsable = false;
        await this.#writeCached(part, position + at, signal, context);
      }
    } finally {
      this.#blocks.push(block);
    }
  }

  /** False if the system does not take this memory this way; nothing is written then. */
  async #tryDirect(
    bytes: Uint8Array,
    position: number,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<boolean> {
    try {
      const { bytesWritten } = await this.#handle.write(bytes, 0, bytes.byteLength, position);
      // The device took a part: through the cache the next call says why, or takes the rest.
      const rest = bytes.subarray(bytesWritten);
      if (rest.byteLength > 0) await this.#writeCached(rest, position + bytesWritten, signal, context);
      return true;
    } catch (error) {
      if (REFUSALS.includes(errnoOf(error))) return false;
      throw error;
    }
  }
}
