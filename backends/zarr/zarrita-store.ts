/** Our byte stores as zarrita wants them. zarrita's own file store pads reads beyond the end with zeros. */
import type { ByteRange, ByteStore } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";

/** A path as zarrita gives it. */
type AbsolutePath = `/${string}`;

/** A part of a value as zarrita asks for it. */
type RangeQuery = { readonly offset: number; readonly length: number } | { readonly suffixLength: number };

/**
 * Reads one array of a byte store. Rooted at the array, so that zarrita, which resolves paths as URLs, never sees the
 * names above it: they may have `#`, `?` or `%`.
 */
export class ZarritaStore {
  readonly #store: ByteStore;
  readonly #root: string;

  /** @param root - Key of the node that zarrita sees as `/`. */
  constructor(store: ByteStore, root: string) {
    this.#store = store;
    this.#root = root;
  }

  get(key: AbsolutePath, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined> {
    return this.#read(key, undefined, options?.signal);
  }

  getRange(key: AbsolutePath, range: RangeQuery, options?: { signal?: AbortSignal }): Promise<Uint8Array | undefined> {
    const part = "suffixLength" in range ? { suffix: range.suffixLength } : range;
    return this.#read(key, part, options?.signal);
  }

  async #read(
    key: string,
    range: ByteRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      return await this.#store.read(joinKey(this.#root, key.slice(1)), { range, signal });
    } catch (error) {
      if (isStorageError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }
}
