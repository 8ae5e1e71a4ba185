/** Appends to streams, and puts what comes in one transaction together. */
import { StorageError } from "../../../core/errors.ts";
import { checkEntries } from "../../check-entries.ts";
import type { Entry } from "../../engine.ts";
import { StreamSealedError, writerReplaced } from "../../errors.ts";
import { packedSize } from "./chunk.ts";
import { type KeptEntry, type KeptPayload, type StreamRows, sizeOf } from "./stream-rows.ts";

/** What a row costs beside its payload, about. */
const ENTRY_BYTES = 64;

/** What one stream gets in a transaction. */
interface Addition {
  id: number;
  readonly sealed: boolean;
  /** Who has claimed it. */
  readonly writer: string | null;
  length: number;
  /** Small entries that are not in a row yet. */
  small: Entry[];
  smallBytes: number;
}

/** The appends of one transaction at a time. */
export class StreamAppender {
  readonly #rows: StreamRows;
  readonly #rowBytes: number;
  readonly #additions = new Map<string, Addition>();

  /** @param rowBytes - Small entries share a row up to this size. */
  constructor(rows: StreamRows, rowBytes: number) {
    this.#rows = rows;
    this.#rowBytes = rowBytes;
  }

  /**
   * Adds entries to a stream: all, or an error and none.
   *
   * @param room - Bytes that may be added.
   * @param writer - Who adds them.
   * @returns Bytes that they take, about.
   */
  add(key: string, entries: readonly KeptEntry[], room: number, writer: string | undefined): number {
    const known = this.#additions.get(key);
    const addition = known ?? this.#begin(key);
    checkEntries(entries);
    if (addition.sealed) throw new StreamSealedError(addition.length);
    const length = checkEntries(entries, addition.length);
    if (addition.writer !== null && addition.writer !== writer) throw writerReplaced();
    const bytes = entries.reduce((sum, entry) => sum + sizeOf(entry) + ENTRY_BYTES, 0);
    if (bytes > room) throw new StorageError("NO_SPACE", `${bytes} bytes do not fit into the ${room} that are left`);
    if (known === undefined) {
      addition.id = this.#rows.ensure(key).id;
      this.#additions.set(key, addition);
    }
    addition.length = length;
    for (const entry of entries) this.#addEntry(addition, entry);
    return bytes;
  }

  /** Writes what is not written yet. Answers the streams that have grown. */
  flush(): string[] {
    for (const addition of this.#additions.values()) {
      this.#flushSmall(addition);
      this.#rows.setLength(addition.id, addition.length);
    }
    const keys = [...this.#additions.keys()];
    this.#additions.clear();
    return keys;
  }

  /** Forgets what was added: the transaction was rolled back. */
  reset(): void {
    this.#additions.clear();
  }

  #begin(key: string): Addition {
    const { id, length, sealed, writer } = this.#rows.find(key) ?? { id: 0, length: 0, sealed: false, writer: null };
    return { id, length, sealed, writer, small: [], smallBytes: 0 };
  }

  #addEntry(addition: Addition, entry: KeptEntry): void {
    if (!(entry.payload instanceof Uint8Array)) {
      this.#flushSmall(addition);
      this.#rows.insertKept(addition.id, entry, entry.payload as KeptPayload);
      return;
    }
    const small = entry as Entry;
    const bytes = packedSize(small);
    if (addition.smallBytes + bytes > this.#rowBytes) this.#flushSmall(addition);
    addition.small.push(small);
    addition.smallBytes += bytes;
  }

  #flushSmall(addition: Addition): void {
    if (addition.small.length === 0) return;
    this.#rows.insertPacked(addition.id, addition.small);
    addition.small = [];
    addition.smallBytes = 0;
  }
}
