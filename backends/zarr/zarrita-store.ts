/** Our byte stores as zarrita wants them. zarrita's own file store pads reads beyond the end with zeros. */
import type { AbsolutePath, AsyncReadable, RangeQuery } from "@zarrita/storage";
import type { ByteRange, ByteStore } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";

/**
 * Reads one array of a byte store. Rooted at the array, so that zarrita, which resolves paths as URLs, never sees the
 * names above it: they may have `#`, `?` or `%`.
 */
export class ZarritaStore implements AsyncReadable {
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
