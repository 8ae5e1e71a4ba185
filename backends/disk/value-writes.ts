/** All writes of one disk store: whole values, and values that come in pieces. */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import type { ByteWriter, WriteOptions, WriteResult } from "../../src/core/byte-store.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, runAll } from "../../src/core/errors.ts";
import type { UnfinishedSearch, UnfinishedValue } from "../../src/core/journalled-write.ts";
import type { OpenByteWriterOptions } from "../../src/core/resumable-write.ts";
import { DiskByteWriter } from "./byte-writer.ts";
import { translateErrno } from "./errno.ts";
import { JournalFile } from "./journal-file.ts";
import { PartialFile } from "./partial-file.ts";
import type { WriteTarget } from "./place.ts";
import { isDirectoryError } from "./store-errors.ts";
import { beginEmpty, beginWithCopy, etagOf, type OpenTemp, TempFile, type WriteSettings } from "./temp-file.ts";
import { journalledName, newJournalId } from "./temp-name.ts";
import { findUnfinished, type UnfinishedHost } from "./unfinished.ts";

/** Two files within this time may have got the same modification time from the clock; further back, it was set back. */
const CLOCK_JUMP_NS = 1_000_000_000n;

/** Writes by way of temporary files, each with a modification time of its own, and knows those under way. */
export class ValueWrites {
  readonly #settings: WriteSettings;
  readonly #writers = new Set<DiskByteWriter>();
  #lastStampNs = 0n;
  #isOpen = true;

  constructor(settings: WriteSettings) {
    this.#settings = settings;
  }

  /**
   * Writes one value, of which nothing stays if any step fails.
   *
   * @param fill - Writes into the temporary file.
   * @param source - Real path of a file to begin with a copy of.
   */
  async write(
    key: string,
    options: WriteOptions,
    context: ErrorContext,
    fill: (file: TempFile) => Promise<Pick<WriteResult, "checksum">>,
    source?: string,
  ): Promise<WriteResult> {
    const begin = source === undefined ? undefined : (target: WriteTarget) => beginWithCopy(target, source);
    const file = await this.#open(key, options, context, begin);
    try {
      const extra = await fill(file);
      checkAborted(options.signal, context);
      return { ...(await this.#publish(file, options, context)), ...extra };
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /** Opens a writer for a value that comes in pieces. */
  async openWriter(key: string, options: OpenByteWriterOptions, context: ErrorContext): Promise<ByteWriter> {
    if (options.journal !== undefined) return this.#openJournalled(key, options, options.journal, context);
    const partial = options.resume === undefined ? undefined : new PartialFile(options.resume.origin);
    const begin = partial && ((target: WriteTarget) => partial.begin(target, options.signal, context));
    const file = await this.#open(key, options, context, begin);
    if (options.direct === "auto" && this.#settings.goesDirect) await this.#goDirect(file);
    return this.#writerOf(file, options, context, partial);
  }

  /** Values that are being written with a journal, or were; see `JournallingStore`. */
  async *findUnfinished(search: UnfinishedSearch, backend: string): AsyncGenerator<UnfinishedValue> {
    const context = { backend, operation: "findUnfinished", identifier: search.key ?? search.prefix ?? "" };
    checkOpen(this.#isOpen, `Store "${backend}"`, context);
    const goOn: UnfinishedHost["goOn"] = async (key, begin, journal) => {
      const options = { ifAbsent: true };
      const file = await this.#open(key, options, context, begin);
      return this.#writerOf(file, options, context, undefined, await JournalFile.reopen(journal));
    };
    try {
      yield* findUnfinished(this.#settings.place, search, { goOn, context });
    } catch (error) {
      throw translateErrno(error, context);
    }
  }

  async #openJournalled(
    key: string,
    options: OpenByteWriterOptions,
    first: Uint8Array,
    context: ErrorContext,
  ): Promise<ByteWriter> {
    const id = newJournalId();
    const name = journalledName({ id, part: "data", isSetAside: false });
    const file = await this.#open(key, options, context, (target) => beginEmpty(target, name));
    if (options.direct === "auto" && this.#settings.goesDirect) await this.#goDirect(file);
    try {
      return await this.#writerOf(file, options, context, undefined, await JournalFile.create(file, id, first));
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  async #writerOf(
    file: TempFile,
    options: OpenByteWriterOptions,
    context: ErrorContext,
    partial: PartialFile | undefined,
    journal?: JournalFile,
  ): Promise<ByteWriter> {
    const host = {
      publish: (from: TempFile, conditions: WriteOptions) => this.#publish(from, conditions, context),
      released: () => this.#writers.delete(writer),
      durability: this.#settings.durability,
      options,
      context,
    };
    const writer: DiskByteWriter = new DiskByteWriter(file, host, partial, journal);
    this.#writers.add(writer);
    // The store may have been closed meanwhile, and would not have seen this writer.
    if (!this.#isOpen) await writer.abort();
    return writer;
  }

  /** Discards what is being written piece by piece and not closed; what is in a journal is set aside. */
  async close(): Promise<void> {
    this.#isOpen = false;
    const aborts = [...this.#writers].map((writer) => () => writer.journal?.setAside() ?? writer.abort());
    await runAll(aborts, "Not everything that was being written could be discarded");
  }

  async #goDirect(file: TempFile): Promise<void> {
    try {
      await file.goDirect();
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  async #open(
    key: string,
    options: WriteOptions,
    context: ErrorContext,
    begin?: (target: WriteTarget) => Promise<OpenTemp>,
  ): Promise<TempFile> {
    // Beside the root would be outside of it.
    if (key === "") throw isDirectoryError(context);
    return TempFile.open(this.#settings, key, options, context, begin);
  }

  async #publish(file: TempFile, options: WriteOptions, context: ErrorContext): Promise<WriteResult> {
    const published = await file.publish(options, (handle, before) => this.#stamp(handle, before), context);
    return { byteLength: Number(published.size), etag: etagOf(published) };
  }

  /**
   * Gives a file a time of its own. The clock of a file system may tick only every few milliseconds, and the number of
   * a replaced file is soon given to another: without this, the third value within a tick could have the etag of the
   * first.
   */
  async #stamp(handle: FileHandle, before: BigIntStats): Promise<BigIntStats> {
    const last = this.#lastStampNs;
    if (before.mtimeNs > last || last - before.mtimeNs > CLOCK_JUMP_NS) {
      this.#lastStampNs = before.mtimeNs;
      return before;
    }
    // Times pass through a double here, which holds about a quarter of a microsecond.
    this.#lastStampNs = last + 3_000n;
    const seconds = Number(this.#lastStampNs / 1000n) / 1e6;
    await handle.utimes(seconds, seconds);
    return handle.stat({ bigint: true });
  }
}
