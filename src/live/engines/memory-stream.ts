/** One stream of the memory engine. */
import { StorageError } from "../../core/errors.ts";
import { checkEntries } from "../check-entries.ts";
import type { Bounds, Entry, Page } from "../engine.ts";
import { StreamSealedError, writerReplaced } from "../errors.ts";

/** What an entry takes beside its payload, about. */
const ENTRY_BYTES = 64;

/** Entries in order, from the floor to the length. */
export class MemoryStream {
  #entries: Entry[] = [];
  #floor = 0;
  #length = 0;
  #isSealed = false;
  #durable = 0;
  #bytes = 0;
  #writer: string | undefined;

  /** Bytes that its entries take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  get bounds(): Bounds {
    return { floor: this.#floor, length: this.#length, sealed: this.#isSealed, durable: this.#durable };
  }

  /**
   * Appends all or none.
   *
   * @param room - Bytes that may be added.
   */
  append(entries: readonly Entry[], room: number, writer: string | undefined): void {
    checkEntries(entries);
    if (this.#isSealed) throw new StreamSealedError(this.#length);
    checkEntries(entries, this.#length);
    if (this.#writer !== undefined && this.#writer !== writer) throw writerReplaced();
    const bytes = entries.reduce((sum, { payload }) => sum + payload.length + ENTRY_BYTES, 0);
    if (bytes > room) throw new StorageError("NO_SPACE", `${bytes} bytes do not fit into the ${room} that are left`);
    // Not payload.slice(): that of a Node Buffer shares memory.
    for (const entry of entries) this.#entries.push({ ...entry, payload: Uint8Array.from(entry.payload) });
    this.#length += entries.reduce((sum, { length }) => sum + length, 0);
    this.#bytes += bytes;
  }

  /** Takes entries of this writer only. */
  claim(writer: string): void {
    this.#writer = writer;
  }

  seal(): number {
    this.#isSealed = true;
    return this.#length;
  }

  range(from: number | "last", to: number, maxBytes: number): Page {
    if (from === "last") return { entries: this.#entries.slice(-1), bounds: this.bounds };
    const entries: Entry[] = [];
    let bytes = 0;
    for (let i = this.#positionOf(from); i < this.#entries.length; i++) {
      const entry = this.#entries[i] as Entry;
      bytes += entry.payload.length;
      if (entry.index >= to || (entries.length > 0 && bytes > maxBytes)) break;
      entries.push(entry);
    }
    return { entries: from < to ? entries : [], bounds: this.bounds };
  }

  trim(before: number): number {
    const most = this.#entries.length - (this.#isSealed ? 0 : 1);
    let count = 0;
    while (count < most && endOf(this.#entries[count] as Entry) <= before) count++;
    for (const { payload } of this.#entries.splice(0, count)) this.#bytes -= payload.length + ENTRY_BYTES;
    this.#floor = this.#entries[0]?.index ?? this.#length;
    return this.#floor;
  }

  setDurable(index: number): void {
    this.#durable = Math.max(this.#durable, Math.min(index, this.#length));
  }

  /** Seals it and lets all entries go. */
  clear(): void {
    this.seal();
    this.trim(this.#length);
  }

  /** Position of the first entry that ends above an index, by halving. */
  #positionOf(index: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (endOf(this.#entries[middle] as Entry) > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function endOf(entry: Entry): number {
  return entry.index + entry.length;
}
