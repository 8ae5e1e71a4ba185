/** The two sides of an overlay, and which of them has a key. */
import type {
  ByteStore,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  WriteOptions,
  WriteResult,
} from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import { normalizeKey, parentKey } from "../core/key.ts";
import { PrefixStore } from "./prefix.ts";
import { copyAcross } from "./transfer.ts";

/** A key of the overlay in the store that has it. */
export interface Found {
  readonly isUpper: boolean;
  /** With the key and the etag of the overlay. */
  readonly stat: ObjectStat;
}

/**
 * Etags say which side they are of: the same text may mean another value on the other side.
 */
const UPPER = "u.";
const LOWER = "l.";

/** Knows which side has a key, and keeps whiteouts. */
export class OverlaySides {
  /** Values that were written. */
  readonly values: ByteStore;
  readonly #lower: ByteStore;
  readonly #whiteouts: ByteStore;
  readonly #name: string;
  readonly #isFlat: boolean;
  /** Removals and lifts of one key take turns, so that a lift does not bring back what is being removed. */
  readonly #turns = new Map<string, Promise<unknown>>();

  /** @param isFlat - A value may lie above others. */
  constructor(lower: ByteStore, upper: ByteStore, name: string, isFlat: boolean) {
    this.#lower = lower;
    this.values = new PrefixStore(upper, "values");
    this.#whiteouts = new PrefixStore(upper, "whiteouts");
    this.#name = name;
    this.#isFlat = isFlat;
  }

  /** What the overlay shows under a key. Rejects with `NOT_FOUND`. */
  async find(key: string, signal: AbortSignal | undefined): Promise<Found> {
    const normal = normalizeKey(key);
    const context = this.#context("stat", normal);
    checkAborted(signal, context);
    const upper = await unlessMissing(this.values.stat(normal, { signal }));
    if (upper?.kind === "file") return { isUpper: true, stat: tagged(upper, UPPER) };
    const lower = await unlessMissing(this.#lower.stat(normal, { signal }));
    // Also beside a directory of the upper store: where keys are flat, a value may lie above others.
    if (lower !== undefined && lower.kind !== "directory") {
      if (!(await this.#isWhite(normal, signal))) return { isUpper: false, stat: tagged(lower, LOWER) };
    }
    // Folders are implied: one that some store still has, and nothing is left in, is none.
    if (normal === "" || (await this.#hasKeys(normal, signal))) {
      const stat = { key: normal, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined } as const;
      return { isUpper: false, stat };
    }
    throw new StorageError("NOT_FOUND", `No "${normal}" in "${this.#name}"`, context);
  }

  /** Where to read a version of a key. */
  async version(key: string, options: ReadOptions) {
    const { isUpper, stat } = await this.find(key, options.signal);
    const { ifMatch } = options;
    const side = isUpper ? UPPER : LOWER;
    const store = isUpper ? this.values : this.#lower;
    if (ifMatch === undefined || stat.kind === "directory") {
      // The directory of the overlay may be none in the lower store.
      if (stat.kind === "directory") throw this.#isDirectory(stat.key, "read");
      return { store, key: stat.key, options };
    }
    if (!ifMatch.startsWith(side)) throw this.#changed(stat.key, "read");
    return { store, key: stat.key, options: { ...options, ifMatch: ifMatch.slice(side.length) } };
  }

  /** Checks that a key can be written, and what its conditions mean for the upper store. */
  async forWriting(key: string, options: WriteOptions) {
    const normal = normalizeKey(key);
    const context = this.#context("write", normal);
    checkAborted(options.signal, context);
    if (options.ifAbsent && options.ifMatch !== undefined) {
      throw new StorageError("INVALID_DATA", "A write takes ifAbsent or ifMatch, not both", context);
    }
    const found = await unlessMissing(this.find(normal, options.signal));
    const there = found?.stat.kind === "directory" ? undefined : found;
    if (normal === "" || (found !== there && !this.#isFlat)) throw this.#isDirectory(normal, "write");
    if (found === undefined && !this.#isFlat) await this.#checkAbove(normal, options.signal);
    if (options.ifAbsent && there !== undefined) {
      throw new StorageError("ALREADY_EXISTS", `"${normal}" exists in "${this.#name}"`, context);
    }
    const { ifMatch } = options;
    if (ifMatch !== undefined && there?.stat.etag !== ifMatch) throw this.#changed(normal, "write");
    // Over a lower version: that nothing is above it yet is what makes it still the one.
    const isOverLower = ifMatch?.startsWith(LOWER) === true;
    const given: WriteOptions =
      ifMatch === undefined
        ? options
        : { ...options, ifMatch: isOverLower ? undefined : ifMatch.slice(UPPER.length), ifAbsent: isOverLower };
    const translate = async (write: () => Promise<WriteResult>): Promise<WriteResult> => {
      try {
        const result = await write();
        return { ...result, etag: UPPER + result.etag };
      } catch (error) {
        if (isOverLower && isStorageError(error, "ALREADY_EXISTS")) throw this.#changed(normal, "write");
        throw error;
      }
    };
    return { given, translate };
  }

  /** Removes a key from sight. */
  async remove(key: string, options: OperationOptions): Promise<void> {
    const normal = normalizeKey(key);
    checkAborted(options.signal, this.#context("delete", normal));
    await this.#inTurn(normal, async () => {
      const found = await unlessMissing(this.find(normal, options.signal));
      if (found?.stat.kind === "directory") {
        if (this.#isFlat && normal !== "") return;
        throw this.#isDirectory(normal, "delete");
      }
      if (found === undefined) return;
      const lower = await unlessMissing(this.#lower.stat(normal, { signal: options.signal }));
      // First: once the upper value is gone, the lower one must not be seen.
      if (lower !== undefined && lower.kind !== "directory")
        await this.#whiteouts.write(normal, new Uint8Array(0), options);
      if (found.isUpper) await this.values.delete(normal, options);
    });
  }

  /** Copies a lower value up. Answers its length; `undefined` if there is nothing to do. */
  async lift(key: string, options: OperationOptions): Promise<number | undefined> {
    return this.#inTurn(key, async () => {
      const found = await unlessMissing(this.find(key, options.signal));
      if (found === undefined || found.isUpper) return undefined;
      return this.unlessThere(() => copyAcross(this.#lower, key, this.values, key, options));
    });
  }

  /** The length of what was copied; `undefined` if something is there already. */
  async unlessThere(copy: () => Promise<WriteResult>): Promise<number | undefined> {
    try {
      return (await copy()).byteLength;
    } catch (error) {
      if (isStorageError(error, "ALREADY_EXISTS")) return undefined;
      throw error;
    }
  }

  /** What was written, as the overlay lists it. */
  async *upperEntries(options: ListOptions): AsyncGenerator<ListEntry> {
    for await (const entry of this.values.list(options)) {
      if (entry.kind === "directory" && !(await this.#hasKeys(entry.key, options.signal))) continue;
      yield tagged(entry, UPPER);
    }
  }

  /** What shows through from below. */
  async *lowerEntries(options: ListOptions): AsyncGenerator<ListEntry> {
    for await (const entry of this.#lower.list(options)) {
      const isShown =
        entry.kind === "directory"
          ? await this.#hasKeys(entry.key, options.signal)
          : !(await this.#isWhite(entry.key, options.signal));
      if (isShown) yield tagged(entry, LOWER);
    }
  }

  async #hasKeys(directory: string, signal: AbortSignal | undefined): Promise<boolean> {
    const prefix = `${directory}/`;
    for await (const _ of this.values.list({ prefix, signal })) return true;
    for await (const { key } of this.#lower.list({ prefix, signal }))
      if (!(await this.#isWhite(key, signal))) return true;
    return false;
  }

  async #isWhite(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (key === "") return false;
    return (await unlessMissing(this.#whiteouts.stat(key, { signal })))?.kind === "file";
  }

  /** A value above a key is in its way. */
  async #checkAbove(key: string, signal: AbortSignal | undefined): Promise<void> {
    for (let above = parentKey(key); above !== ""; above = parentKey(above)) {
      const found = await unlessMissing(this.find(above, signal));
      if (found === undefined) continue;
      if (found.stat.kind === "directory") return;
      const message = `"${above}" in "${this.#name}" is a value`;
      throw new StorageError("NOT_A_DIRECTORY", message, this.#context("write", key));
    }
  }

  async #inTurn<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key);
    const work = (async () => {
      await Promise.allSettled([before]);
      return run();
    })();
    this.#turns.set(key, work);
    try {
      return await work;
    } finally {
      if (this.#turns.get(key) === work) this.#turns.delete(key);
    }
  }

  #isDirectory(key: string, operation: string): StorageError {
    const message = `"${key}" in "${this.#name}" is a directory`;
    return new StorageError("IS_A_DIRECTORY", message, this.#context(operation, key));
  }

  #changed(key: string, operation: string): StorageError {
    const message = `"${key}" in "${this.#name}" is not the version asked for`;
    return new StorageError("PRECONDITION_FAILED", message, this.#context(operation, key));
  }

  #context(operation: string, identifier: string): ErrorContext {
    return { backend: this.#name, operation, identifier };
  }
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

function tagged(stat: ObjectStat, side: string): ObjectStat {
  return { ...stat, etag: stat.etag === undefined ? undefined : side + stat.etag };
}
