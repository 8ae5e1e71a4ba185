/** A value that is open for reading. */
import type { BigIntStats } from "node:fs";
import { groupRanges, type ResolvedRange, resolveRange } from "../../src/core/byte-range.ts";
import type { ByteRange, ReadOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import { translateErrno } from "./errno.ts";
import { MAX_CALL } from "./max-call.ts";
import { becameShorter, isDirectoryError, notAFile, preconditionFailed } from "./store-errors.ts";
import type { SystemCalls } from "./system-calls.ts";
import { etagOf } from "./temp-file.ts";

/** Bytes that a stream hands over at a time. */
const STREAM_CHUNK = 1 << 20;

/** Reading this many bytes for nothing costs less than another system call. */
const GROUPING = { maxGap: 32 << 10, maxLength: 8 << 20 };

/** In place, a call costs as much as a copy of a few kilobytes out of a group. */
const GROUPING_IN_PLACE = { maxGap: 4 << 10, maxLength: 32 << 10 };

/** Groups of ranges that are read at once. */
const CONCURRENT_GROUPS = 4;

/**
 * One version of a value: opened once, so that what is read is of one piece although the value is replaced meanwhile.
 * Whoever opens it closes it.
 */
export class OpenValue {
  readonly #calls: SystemCalls;
  readonly #fd: number;
  readonly #stat: BigIntStats;
  readonly #context: ErrorContext;
  #isOpen = true;

  private constructor(calls: SystemCalls, fd: number, stat: BigIntStats, context: ErrorContext) {
    this.#calls = calls;
    this.#fd = fd;
    this.#stat = stat;
    this.#context = context;
  }

  /** Opens a path for reading. */
  static async open(path: string, calls: SystemCalls, options: ReadOptions, context: ErrorContext): Promise<OpenValue> {
    const fd = await calls.open(path);
    try {
      checkAborted(options.signal, context);
      const stat = await calls.fstat(fd);
      await calls.learn(stat, path);
      if (stat.isDirectory()) throw isDirectoryError(context);
      if (!stat.isFile()) throw notAFile(context);
      if (options.ifMatch !== undefined && etagOf(stat) !== options.ifMatch) throw preconditionFailed(context);
      return new OpenValue(calls, fd, stat, context);
    } catch (error) {
      await calls.close(fd);
      throw error;
    }
  }

  get byteLength(): number {
    return Number(this.#stat.size);
  }

  /** Harmless when repeated. No read may be under way. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#calls.close(this.#fd);
  }

  /** Reads one range, or all, into memory of its own. */
  async read(range: ByteRange | undefined, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return this.#readExactly(resolveRange(range, this.byteLength, this.#context), signal);
  }

  /** Reads several ranges, near ones together; each result has memory of its own. */
  async readRanges(ranges: readonly ByteRange[], signal: AbortSignal | undefined): Promise<Uint8Array[]> {
    const resolved = ranges.map((range) => resolveRange(range, this.byteLength, this.#context));
    const groups = groupRanges(resolved, this.#calls.areInPlace ? GROUPING_IN_PLACE : GROUPING);
    const results = new Array<Uint8Array>(ranges.length);
    let next = 0;
    const worker = async () => {
      for (let group = groups[next++]; group !== undefined; group = groups[next++]) {
        const bytes = await this.#readExactly(group, signal);
        for (const part of group.parts) {
          const start = part.offset - group.offset;
          const isWhole = group.parts.length === 1;
          results[part.index] = isWhole ? bytes : bytes.slice(start, start + part.length);
        }
      }
    };
    const workers = Array.from({ length: Math.min(CONCURRENT_GROUPS, groups.length) }, worker);
    // All of them, also after a failure: the file must not be closed under a read.
    const settled = await Promise.allSettled(workers);
    for (const outcome of settled) if (outcome.status === "rejected") throw outcome.reason;
    return results;
  }

  /**
   * A stream that reads only when it is asked to, and closes the file at its end, its failure or its cancellation. A
   * stream of bytes: a reader that brings memory of its own (`mode: "byob"`) gets it filled.
   */
  stream(range: ByteRange | undefined, signal: AbortSignal | undefined): ReadableStream<Uint8Array> {
    const { offset, length } = resolveRange(range, this.byteLength, this.#context);
    const end = offset + length;
    let position = offset;
    let reading: Promise<unknown> = Promise.resolve();
    let isClosed = false;
    const finish = async () => {
      if (isClosed) return;
      isClosed = true;
      signal?.removeEventListener("abort", onAbort);
      await reading.catch(() => {}); // Reported where the read was asked for.
      await this.close();
    };
    let onAbort = () => {};
    return new ReadableStream(
      {
        type: "bytes",
        start: (controller) => {
          onAbort = () => {
            controller.error(this.#abortError(signal));
            void finish();
          };
          signal?.addEventListener("abort", onAbort, { once: true });
        },
        pull: async (controller) => {
          try {
            const request = controller.byobRequest;
            const room = request?.view ?? undefined;
            const length = Math.min(room?.byteLength ?? STREAM_CHUNK, end - position);
            const bytes = room === undefined ? freshBytes(length) : bytesOf(room, length);
            reading = this.#fill(bytes, position, undefined);
            await reading;
            if (isClosed) return;
            position += length;
            if (length > 0 && request !== null) request.respond(length);
            else if (length > 0) controller.enqueue(bytes);
            if (position < end) return;
            await finish();
            controller.close();
            // A reader that waits with its memory is told only so that nothing more comes.
            controller.byobRequest?.respond(0);
          } catch (error) {
            await finish();
            throw translateErrno(error, this.#context);
          }
        },
        cancel: finish,
      },
      { highWaterMark: 0 },
    );
  }

  #abortError(signal: AbortSignal | undefined): unknown {
    try {
      checkAborted(signal, this.#context);
    } catch (error) {
      return error;
    }
    return undefined;
  }

  async #readExactly({ offset, length }: ResolvedRange, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const bytes = freshBytes(length);
    await this.#fill(bytes, offset, signal);
    return bytes;
  }

  async #fill(bytes: Uint8Array, offset: number, signal: AbortSignal | undefined): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      checkAborted(signal, this.#context);
      const count = Math.min(MAX_CALL, bytes.byteLength - done);
      const bytesRead = await this.#calls.read(this.#fd, bytes, done, count, offset + done);
      if (bytesRead === 0) throw becameShorter(this.#context);
      done += bytesRead;
    }
    checkAborted(signal, this.#context);
  }
}

/** Memory that is not from the pool that Buffers share, and not zeroed: every byte is overwritten before it is seen. */
function freshBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
}

/** The first bytes of the memory of a reader. */
function bytesOf(room: ArrayBufferView, length: number): Uint8Array {
  return new Uint8Array(room.buffer, room.byteOffset, length);
}
