import type { ByteJournal } from "../../src/core/journalled-write.ts";
import type { ChunkLocation } from "./shard.ts";
import { JournalRecords } from "./shard-journal.ts";

/** The journal of a shard that fills: which chunks are whole, and of which others have been told. */
export class OpenJournal {
  /** Chunks that are whole, in memory or beyond. */
  whole = 0;
  /** Where the last of them ends, in bytes. */
  wholeBytes = 0;
  /** Chunks whose records other processes can read. */
  recorded = 0;
  /** True while the records of what is whole are about to be written. */
  isWaiting = false;
  readonly #journal: ByteJournal;
  readonly #records: JournalRecords;
  readonly #syncAfterMs: number;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> = Promise.resolve();

  /**
   * @param chunks - Most chunks of the shard.
   * @param syncAfterMs - How long records may wait until the device has them.
   * @param onFailure - Called when the device does not take them.
   */
  constructor(journal: ByteJournal, chunks: number, syncAfterMs: number, onFailure: (error: unknown) => void) {
    this.#journal = journal;
    this.#records = new JournalRecords(chunks);
    this.#syncAfterMs = syncAfterMs;
    this.#onFailure = onFailure;
  }

  /** Notes that a chunk is whole. */
  note(chunk: number, { offset, length }: ChunkLocation, checksum: number): void {
    this.#records.set(chunk, offset, length, checksum);
    this.whole = chunk + 1;
    this.wholeBytes = offset + length;
  }

  /** Writes records up to a chunk, whose bytes the store has. One call at a time. */
  async record(to: number): Promise<void> {
    await this.#journal.append(this.#records.slice(this.recorded, to));
    this.recorded = to;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#syncing = this.#syncing.then(() => this.#journal.sync()).catch(this.#onFailure);
    }, this.#syncAfterMs).unref();
  }

  /** Resolves when nothing is under way that it began by itself. */
  async quiet(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#syncing;
  }

  /** See `ByteJournal.remove`. */
  remove(): Promise<void> {
    return this.#journal.remove();
  }

  /** See `ByteJournal.setAside`. */
  setAside(): Promise<void> {
    return this.#journal.setAside();
  }
}
