/** Whole values in a store that may lose or damage them: what a cache keeps. */
import { hash } from "node:crypto";
import type { ByteStore } from "../core/byte-store.ts";

/** Bytes before the value: a mark and the version of this layout, then the digest of the value. */
const MARK = new TextEncoder().encode("sluice-cache-v1\n");
const HEAD = MARK.byteLength + 32;

/** Folder of the medium that holds the entries. */
const FOLDER = "entries/";

/**
 * Values by name in a medium, least recently used first out. Each entry carries its own digest, and is dropped when it
 * does not fit: what a crash, a full disk or a bad block left is a miss, never a wrong value. The medium needs nothing
 * but the contract; its writes are atomic.
 *
 * Entries of an earlier process are found again, oldest first. Two processes may share a medium; each then keeps its own
 * count of the size.
 */
export class CachedValues {
  readonly #medium: ByteStore;
  readonly #maxBytes: number;
  /** Sizes with their heads, least recently used first. */
  readonly #sizes = new Map<string, number>();
  #byteLength = 0;
  #loaded: Promise<void> | undefined;

  constructor(medium: ByteStore, maxBytes: number) {
    this.#medium = medium;
    this.#maxBytes = maxBytes;
  }

  /** Bytes that the entries take in the medium, those being written included. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** Number of entries. */
  get size(): number {
    return this.#sizes.size;
  }

  /** The value of a name; `undefined` if it is not there, or was damaged and is gone now. */
  async get(name: string): Promise<Uint8Array | undefined> {
    await this.#load();
    const id = idOf(name);
    const size = this.#sizes.get(id);
    if (size === undefined) return undefined;
    this.#sizes.delete(id);
    this.#sizes.set(id, size);
    let entry: Uint8Array;
    try {
      entry = await this.#medium.read(FOLDER + id);
    } catch (error) {
      this.#forget(id);
      throw error;
    }
    const value = entry.subarray(HEAD);
    if (isWhole(entry, value)) return value;
    await this.delete(name);
    return undefined;
  }

  /** Keeps a value, if it fits at all. What is in its way goes first, so that the bound holds at any moment. */
  async put(name: string, value: Uint8Array): Promise<void> {
    await this.#load();
    const size = HEAD + value.byteLength;
    if (size > this.#maxBytes) return;
    const id = idOf(name);
    // Counted before the first pause: values that are kept at the same time see each other.
    this.#forget(id);
    const evicted: string[] = [];
    for (const [oldest] of this.#sizes) {
      if (this.#byteLength + size <= this.#maxBytes) break;
      this.#forget(oldest);
      evicted.push(FOLDER + oldest);
    }
    this.#sizes.set(id, size);
    this.#byteLength += size;
    try {
      if (evicted.length > 0) await this.#medium.deleteMany(evicted);
      await this.#medium.write(FOLDER + id, [MARK, digest(value), value]);
      // Forgotten while it was written: it must not stay behind uncounted.
      if (!this.#sizes.has(id)) await this.#medium.delete(FOLDER + id);
    } catch (error) {
      this.#forget(id);
      throw error;
    }
  }

  /** Drops a value. A missing one is fine. */
  async delete(name: string): Promise<void> {
    await this.#load();
    const id = idOf(name);
    if (this.#forget(id)) await this.#medium.delete(FOLDER + id);
  }

  #forget(id: string): boolean {
    this.#byteLength -= this.#sizes.get(id) ?? 0;
    return this.#sizes.delete(id);
  }

  /** Finds what is there, once; a failed attempt is forgotten. */
  #load(): Promise<void> {
    this.#loaded ??= this.#find().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #find(): Promise<void> {
    const found: { readonly id: string; readonly size: number; readonly at: number }[] = [];
    for await (const { key, byteLength, modifiedMs = 0 } of this.#medium.list({ prefix: FOLDER })) {
      found.push({ id: key.slice(FOLDER.length), size: byteLength, at: modifiedMs });
    }
    found.sort((a, b) => a.at - b.at);
    let total = found.reduce((sum, { size }) => sum + size, 0);
    for (const { id, size } of found) {
      if (total > this.#maxBytes) {
        await this.#medium.delete(FOLDER + id);
        total -= size;
      } else {
        this.#sizes.set(id, size);
        this.#byteLength += size;
      }
    }
  }
}

/** A name of any length and any characters as one that every medium takes. */
function idOf(name: string): string {
  const hex = hash("sha256", name, "hex");
  return `${hex.slice(0, 2)}/${hex.slice(2)}`;
}

function digest(value: Uint8Array): Uint8Array {
  return hash("sha256", value, "buffer");
}

function isWhole(entry: Uint8Array, value: Uint8Array): boolean {
  if (entry.byteLength < HEAD) return false;
  return (
    isSame(entry.subarray(0, MARK.byteLength), MARK) && isSame(entry.subarray(MARK.byteLength, HEAD), digest(value))
  );
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
