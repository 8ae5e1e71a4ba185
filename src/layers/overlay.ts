/** Writes that go over a store without touching it. */

import { mapBatch } from "../core/batch.ts";
import type {
  ByteRange,
  ByteSource,
  ByteStore,
  ByteWriter,
  DeleteResult,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  StatOptions,
  TransferOptions,
  WriteOptions,
  WriteResult,
} from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { runAll, StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import { commonCapabilities } from "./flat-capabilities.ts";
import { mergeLists } from "./merge-lists.ts";
import { OverlaySides } from "./overlay-sides.ts";
import { copyAcross } from "./transfer.ts";
import { WrappedStore } from "./wrapped-store.ts";
import { WriterSet, withClose } from "./writer-set.ts";

/** Options of an {@link OverlayStore}. */
export interface OverlayOptions {
  /**
   * Where changes are kept: values below `values/`, marks of deleted keys below `whiteouts/`, so that no key of a user
   * can be taken for a mark. Belongs to the caller, and to this overlay alone.
   */
  readonly upper: ByteStore;
}

/** Options of {@link OverlayStore.materialize}. */
export interface MaterializeOptions extends OperationOptions {
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string | undefined;
  /** Told of each key when it is there. */
  readonly onProgress?: ((progress: { readonly key: string; readonly byteLength: number }) => void) | undefined;
}

/** What {@link OverlayStore.materialize} did. */
export interface Materialized {
  /** Values copied. */
  readonly copied: number;
  /** Values that were there already. */
  readonly present: number;
  /** Bytes copied. */
  readonly byteLength: number;
}

/**
 * Shows the wrapped store with changes over it, which it keeps elsewhere: reads go through, writes go up, and a deleted
 * key of the lower store gets a whiteout. The lower store is never written, and must not change meanwhile.
 *
 * A key is what the upper store has; if it has nothing and there is no whiteout, what the lower store has. A delete makes
 * the whiteout first: a crash between its steps leaves the old value, never a lower one that was written over. Renames
 * copy first and delete last. Directories are implied. Over flat keys, an upper store that keeps a tree refuses what it
 * cannot hold.
 *
 * @see overlayfs, whiteouts; unstorage, `overlay`, whose whiteouts are values
 */
export class OverlayStore extends WrappedStore {
  readonly #sides: OverlaySides;
  readonly #writers = new WriterSet();

  constructor(inner: ByteStore, options: OverlayOptions) {
    const { upper } = options;
    const lower = { ...inner.capabilities, write: true };
    const common = commonCapabilities([lower, upper.capabilities]);
    const { ifAbsent, streamingWrite, positionalWrite } = upper.capabilities;
    const canCompare = upper.capabilities.ifMatch !== "none" && ifAbsent !== "none";
    super("overlay", inner, {
      ...common,
      ifAbsent,
      ifMatch: canCompare ? upper.capabilities.ifMatch : "none",
      streamingWrite,
      positionalWrite,
      rename: "emulated",
      persistent: upper.capabilities.persistent,
    });
    this.#sides = new OverlaySides(inner, upper, this.name, common.flatKeys === true);
    delete this.resolve;
  }

  override uri(key: string): string {
    return `overlay+${this.inner.uri(key)}`;
  }

  override stat(key: string, options: StatOptions = {}): Promise<ObjectStat> {
    return this.call("stat", key, options, async () => (await this.#sides.find(key, options.signal)).stat);
  }

  override read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.call("read", key, options, async () => {
      const { store, key: below, options: given } = await this.#sides.version(key, options);
      return store.read(below, given);
    });
  }

  override readRanges(key: string, ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    return this.call("readRanges", key, options, async () => {
      const { store, key: below, options: given } = await this.#sides.version(key, options);
      return store.readRanges(below, ranges, given);
    });
  }

  override readStream(key: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.call("readStream", key, options, async () => {
      const { store, key: below, options: given } = await this.#sides.version(key, options);
      return store.readStream(below, given);
    });
  }

  override write(key: string, bytes: ByteSource, options: WriteOptions = {}): Promise<WriteResult> {
    return this.call("write", key, options, async () => {
      this.#checkConditions("write", key, options);
      const { given, translate } = await this.#sides.forWriting(key, options);
      return translate(() => this.#sides.values.write(key, bytes, given));
    });
  }

  override openWriter(key: string, options: WriteOptions = {}): Promise<ByteWriter> {
    return this.call("openWriter", key, options, async () => {
      this.#checkConditions("openWriter", key, options);
      const { given, translate } = await this.#sides.forWriting(key, options);
      let writer: ByteWriter;
      try {
        writer = await this.#sides.values.openWriter(key, given);
      } catch (error) {
        await translate(() => Promise.reject(error));
        throw error;
      }
      const close: ByteWriter["close"] = (closeOptions) => translate(() => writer.close(closeOptions));
      return this.#writers.track(withClose(writer, close));
    });
  }

  override async *list(options: ListOptions = {}): AsyncGenerator<ListEntry> {
    this.checkOpen("list");
    const context = { backend: this.name, operation: "list" };
    checkAborted(options.signal, context);
    for await (const entry of mergeLists([this.#sides.upperEntries(options), this.#sides.lowerEntries(options)])) {
      yield entry;
      this.checkOpen("list");
      checkAborted(options.signal, context);
    }
  }

  override delete(key: string, options: OperationOptions = {}): Promise<void> {
    return this.call("delete", key, options, () => this.#sides.remove(key, options));
  }

  override deleteMany(keys: readonly string[], options: OperationOptions = {}): Promise<DeleteResult[]> {
    return this.call("deleteMany", "", options, async () => {
      checkAborted(options.signal, { backend: this.name, operation: "deleteMany" });
      const results = await mapBatch<string, DeleteResult>(
        keys,
        async (key) => {
          await this.#sides.remove(key, options);
          return { key };
        },
        { onError: "collect" },
        (error, key) => ({ key, error }),
      );
      checkAborted(options.signal, { backend: this.name, operation: "deleteMany" });
      return results;
    });
  }

  override copy(from: string, to: string, options: TransferOptions = {}): Promise<WriteResult> {
    return this.call("copy", from, options, () => this.#copy(from, to, options));
  }

  override rename(from: string, to: string, options: TransferOptions = {}): Promise<void> {
    return this.call("rename", from, options, async () => {
      await this.#copy(from, to, options);
      if (normalizeKey(from) !== normalizeKey(to)) await this.#sides.remove(from, options);
    });
  }

  override async close(): Promise<void> {
    await runAll([() => this.#writers.abort(), () => super.close()], `Not all of "${this.name}" could be closed`);
  }

  /**
   * Copies what the overlay shows to a store, which is then complete without the lower one. What is there already stays:
   * a second call goes on where the first was interrupted.
   *
   * @param target - Default: the upper store itself, whose values are then all that the overlay shows.
   */
  async materialize(options: MaterializeOptions = {}, target?: ByteStore): Promise<Materialized> {
    const { prefix, signal, onProgress } = options;
    this.checkOpen("materialize");
    let [copied, present, bytes] = [0, 0, 0];
    for await (const { key } of this.list({ prefix, signal })) {
      const byteLength =
        target === undefined
          ? await this.#sides.lift(key, { signal })
          : await this.#sides.unlessThere(() => copyAcross(this, key, target, key, { signal }));
      if (byteLength === undefined) {
        present++;
        continue;
      }
      copied++;
      bytes += byteLength;
      onProgress?.({ key, byteLength });
    }
    return { copied, present, byteLength: bytes };
  }

  /** What the upper store cannot keep is not looked up instead: that could be raced. */
  #checkConditions(operation: string, identifier: string, options: WriteOptions): void {
    const { ifAbsent, ifMatch } = this.capabilities;
    const isBeyond = (options.ifAbsent && ifAbsent === "none") || (options.ifMatch !== undefined && ifMatch === "none");
    if (!isBeyond) return;
    const message = `The upper store of "${this.name}" has no conditional writes that hold`;
    throw new StorageError("UNSUPPORTED", message, { backend: this.name, operation, identifier });
  }

  async #copy(from: string, to: string, options: TransferOptions): Promise<WriteResult> {
    const { stat } = await this.#sides.find(from, options.signal);
    if (stat.kind === "directory") {
      throw new StorageError("IS_A_DIRECTORY", `"${from}" in "${this.name}" is a directory`, { backend: this.name });
    }
    const isReplaced = options.ifExists === "replace";
    if (isReplaced && normalizeKey(from) === normalizeKey(to)) {
      return { byteLength: stat.byteLength, etag: stat.etag ?? "" };
    }
    return copyAcross(this, from, this, to, options);
  }
}
