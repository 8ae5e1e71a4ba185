/** Writes one value of a disk store piece by piece. */
import { basename } from "node:path";
import { crc32c, crc32cHex } from "../../src/codecs/crc32c.ts";
import type {
  ByteSource,
  ByteWriter,
  ByteWriterOptions,
  Checksum,
  OperationOptions,
  WriteOptions,
  WriteResult,
} from "../../src/core/byte-store.ts";
import { byteSourceLength } from "../../src/core/byte-store.ts";
import { checkAborted, checkInteger, checkOpen } from "../../src/core/checks.ts";
import { type ErrorContext, isStorageError, runAll } from "../../src/core/errors.ts";
import type { ByteJournal } from "../../src/core/journalled-write.ts";
import type { KeptBytes } from "../../src/core/resumable-write.ts";
import { translateErrno } from "./errno.ts";
import type { JournalFile } from "./journal-file.ts";
import { CHECKPOINT_BYTES, crcOfFile, type PartialFile } from "./partial-file.ts";
import type { Durability, TempFile } from "./temp-file.ts";
import { journalledName, parseJournalledName } from "./temp-name.ts";

/** What the store lends its writer. */
export interface WriterHost {
  /** Makes the temporary file the value. */
  readonly publish: (file: TempFile, options: WriteOptions) => Promise<WriteResult>;
  /** Called once, when the writer is done with. */
  readonly released: () => void;
  readonly durability: Durability;
  /** Options that the writer was opened with. */
  readonly options: WriteOptions;
  readonly context: ErrorContext;
}

/**
 * A writer into a temporary file. Each chunk gets its place in the file when it is handed in, so that any number may be
 * under way at once and none waits for another: the device sees them as fast as they come.
 */
export class DiskByteWriter implements ByteWriter {
  readonly kept?: KeptBytes | undefined;
  /** There if the writer was asked to go on with an earlier one. */
  readonly suspend?: () => Promise<void>;
  /** There if the writer was asked to keep one. */
  readonly journal?: ByteJournal;
  readonly #file: TempFile;
  readonly #host: WriterHost;
  readonly #pending = new Set<Promise<void>>();
  #byteLength = 0;
  #next = 0;
  /** Checksum of the bytes up to `#byteLength`, as long as all chunks came in order. */
  #crc: number | undefined;
  #failure: unknown;
  #closing: Promise<WriteResult> | undefined;
  #isOpen = true;
  readonly #partial: PartialFile | undefined;
  #marked = 0;
  readonly #journal: JournalFile | undefined;

  /** @param partial - The beginning that it goes on with, and leaves for the next one. */
  constructor(file: TempFile, host: WriterHost, partial?: PartialFile, journal?: JournalFile) {
    this.#file = file;
    this.#host = host;
    this.#crc = host.options.checksum === undefined ? undefined : 0;
    this.#partial = partial;
    this.#journal = journal;
    if (journal !== undefined) this.journal = this.#journalOf(journal);
    if (partial === undefined) return;
    this.kept = partial.kept;
    const { byteLength = 0, crc32c = 0 } = partial.kept ?? {};
    this.#byteLength = byteLength;
    this.#next = byteLength;
    this.#marked = byteLength;
    this.#crc = crc32c;
    this.suspend = () => this.#suspend(partial);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  async write(chunk: ByteSource, options: ByteWriterOptions = {}): Promise<void> {
    const { context } = this.#host;
    checkOpen(this.#isOpen && this.#closing === undefined, `The writer of "${context.identifier}"`, context);
    checkAborted(options.signal, context);
    const position = options.position ?? this.#next;
    checkInteger(position, "position", 0, context);
    this.#next = position + byteSourceLength(chunk);
    if (this.#crc !== undefined) this.#crc = position === this.#byteLength ? crcOf(chunk, this.#crc) : undefined;
    this.#byteLength = Math.max(this.#byteLength, this.#next);
    // Not aborted from here on: the place of the chunk is taken, and leaving it empty would publish a hole.
    const writing = this.#file.write(chunk, position, undefined, context).then(() => this.#mark());
    const work = writing.catch((error: unknown) => {
      this.#failure ??= error;
      throw translateErrno(error, context);
    });
    this.#pending.add(work);
    try {
      await work;
    } finally {
      this.#pending.delete(work);
    }
  }

  close(options: OperationOptions = {}): Promise<WriteResult> {
    if (this.#closing !== undefined) return this.#closing;
    const closing = this.#close(options);
    this.#closing = closing;
    // Aborting the close leaves things as they were: the writer can be closed again, or aborted.
    closing.catch((error) => {
      if (isStorageError(error, "ABORTED")) this.#closing = undefined;
    });
    return closing;
  }

  async abort(): Promise<void> {
    // A close under way decides itself what becomes of the value: the step that readers see cannot be taken back.
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    await this.#discard();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }

  async #discard(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // The file must not be closed under a write: its descriptor could belong to another file by then.
    await Promise.allSettled(this.#pending);
    try {
      // The bytes first: a journal without them says nothing, and they without it could not be told from others.
      await runAll([() => this.#file.discard(), () => this.#journal?.remove()], "A value could not be thrown away");
    } finally {
      this.#host.released();
    }
  }

  #journalOf(file: JournalFile): ByteJournal {
    const { context, durability } = this.#host;
    const translated = async (work: Promise<void>) => {
      await work.catch((error: unknown) => {
        throw translateErrno(error, context);
      });
    };
    return {
      append: (bytes) => translated(file.append(bytes)),
      sync: () => translated(file.sync(this.#file, durability)),
      remove: () => translated(file.remove()),
      setAside: () => translated(this.#setAside(file)),
    };
  }

  async #setAside(journal: JournalFile): Promise<void> {
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    // The value is published: what had to follow it is for others to do.
    if (!this.#isOpen) return journal.setAside();
    this.#isOpen = false;
    await Promise.allSettled(this.#pending);
    const { id = "" } = parseJournalledName(basename(this.#file.path)) ?? {};
    try {
      await this.#file.renameTo(journalledName({ id, part: "data", isSetAside: true }));
    } finally {
      await runAll([() => this.#file.leave(), () => journal.leave()], "A value could not be set aside");
      this.#host.released();
    }
  }

  /** What is written without a hole once nothing is under way; `undefined` if chunks came out of order or failed. */
  get #solid(): KeptBytes | undefined {
    if (this.#failure !== undefined || this.#crc === undefined) return undefined;
    return { byteLength: this.#byteLength, crc32c: this.#crc };
  }

  /** Notes now and then how far the value is, for the case that the process is killed. */
  async #mark(): Promise<void> {
    const solid = this.#solid;
    if (this.#partial === undefined || solid === undefined || this.#pending.size > 1) return;
    if (solid.byteLength - this.#marked < CHECKPOINT_BYTES) return;
    this.#marked = solid.byteLength;
    await this.#partial.mark(this.#file, solid);
  }

  async #suspend(partial: PartialFile): Promise<void> {
    // A close under way decides itself what becomes of the value.
    if (this.#closing !== undefined) await Promise.allSettled([this.#closing]);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await Promise.allSettled(this.#pending);
    try {
      await partial.setAside(this.#file, this.#solid);
    } finally {
      this.#host.released();
    }
  }

  async #close({ signal }: OperationOptions): Promise<WriteResult> {
    const { context, options } = this.#host;
    try {
      checkOpen(this.#isOpen, `The writer of "${context.identifier}"`, context);
      checkAborted(signal, context);
      await Promise.allSettled(this.#pending);
      if (this.#failure !== undefined) throw this.#failure;
      const checksum = await this.#checksum();
      const conditions = { ifAbsent: options.ifAbsent, ifMatch: options.ifMatch, signal };
      const result = await this.#host.publish(this.#file, conditions);
      this.#isOpen = false;
      this.#host.released();
      return checksum === undefined ? result : { ...result, checksum };
    } catch (error) {
      const failure = translateErrno(error, context);
      // What a journal tells of stays: whoever reads it takes it for stored.
      if (!isStorageError(failure, "ABORTED") && this.#journal === undefined) await this.#discard();
      throw failure;
    }
  }

  async #checksum(): Promise<Checksum | undefined> {
    if (this.#host.options.checksum === undefined) return undefined;
    return { algorithm: "crc32c", value: crc32cHex(this.#crc ?? ((await crcOfFile(this.#file.path)) as number)) };
  }
}

/** The checksum of a source, after the bytes before it. */
export function crcOf(bytes: ByteSource, seed = 0): number {
  if (bytes instanceof Uint8Array) return crc32c(bytes, seed);
  return bytes.reduce((crc, part) => crc32c(part, crc), seed);
}
