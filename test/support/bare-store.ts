/** A store that can do as little as the contract allows, over one that can do everything. */
import {
  type ByteRange,
  type ByteSource,
  type ByteStore,
  type ByteWriter,
  joinBytes,
  type ReadOptions,
  type WriteOptions,
  type WriteResult,
} from "../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { checkAborted, checkOpen } from "../../src/core/checks.ts";
import { StorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";
import { rangeOf } from "../../src/testing/model-state.ts";
import { override } from "../../src/testing/mutants.ts";

const little = {
  ifAbsent: "none",
  ifMatch: "none",
  ranges: "emulated",
  streamingWrite: "emulated",
  positionalWrite: false,
  rename: "emulated",
} as const satisfies Partial<StoreCapabilities>;

/** The same store without conditions, positions, real ranges, streamed writes and renames. */
export function bareStore(store: ByteStore): ByteStore {
  const refuse = ({ ifAbsent, ifMatch }: WriteOptions, key: string) => {
    if (!ifAbsent && ifMatch === undefined) return;
    throw new StorageError("UNSUPPORTED", `"${store.name}" knows no conditions`, { identifier: key });
  };
  const write = async (key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> => {
    if (options.ifAbsent && options.ifMatch !== undefined) return store.write(key, bytes, options);
    refuse(options, key);
    return store.write(key, bytes, options);
  };
  const part = async (key: string, range: ByteRange, options: ReadOptions): Promise<Uint8Array> => {
    // Read whole, and cut; what is no range says the store below.
    await store.read(key, { ...options, range });
    return rangeOf(await store.read(key, { ...options, range: undefined }), range)?.slice() as Uint8Array;
  };
  return override(store, {
    capabilities: { ...store.capabilities, ...little },
    read: (key, options = {}) =>
      options.range === undefined ? store.read(key, options) : part(key, options.range, options),
    readRanges: async (key, ranges, options = {}) => {
      await store.readRanges(key, ranges, options);
      return Promise.all(ranges.map((range) => part(key, range, options)));
    },
    write,
    openWriter: async (key, options = {}) => {
      refuse(options, key);
      // Finds out what is wrong with the key, and tells the store to give it up when it closes.
      const probe = await store.openWriter(key, options);
      return new CollectingWriter(probe, (bytes, given) => write(normalizeKey(key), bytes, { ...options, ...given }));
    },
    rename: async (from, to, options = {}) => {
      await store.copy(from, to, options);
      if (normalizeKey(from) !== normalizeKey(to)) await store.delete(from);
    },
  });
}

/** Keeps everything in memory until the end. */
class CollectingWriter implements ByteWriter {
  readonly #probe: ByteWriter;
  readonly #publish: (bytes: Uint8Array, options: object) => Promise<WriteResult>;
  readonly #chunks: Uint8Array[] = [];
  #result: WriteResult | undefined;
  #isOpen = true;

  constructor(probe: ByteWriter, publish: (bytes: Uint8Array, options: object) => Promise<WriteResult>) {
    this.#probe = probe;
    this.#publish = publish;
  }

  get byteLength(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  async write(...[chunk, options = {}]: Parameters<ByteWriter["write"]>): Promise<void> {
    checkOpen(this.#isOpen, "The writer", {});
    checkAborted(options.signal, {});
    if (options.position !== undefined) throw new StorageError("UNSUPPORTED", "Chunks follow each other here");
    this.#chunks.push(joinBytes(chunk).slice());
    await this.#probe.write(new Uint8Array(0));
  }

  async close(...[options = {}]: Parameters<ByteWriter["close"]>): Promise<WriteResult> {
    if (this.#result !== undefined) return this.#result;
    checkOpen(this.#isOpen, "The writer", {});
    checkAborted(options.signal, {});
    // Rejects if the store has been closed meanwhile.
    await this.#probe.write(new Uint8Array(0));
    this.#result = await this.#publish(joinBytes(this.#chunks), options);
    await this.abort();
    return this.#result;
  }

  async abort(): Promise<void> {
    this.#isOpen = false;
    await this.#probe.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.abort();
  }
}
