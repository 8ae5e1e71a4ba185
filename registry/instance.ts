/** One instance of a backend set: what is open of it, and what it needs. */
import type { CodecSet } from "../src/codecs/codec-set.ts";
import { BackendBase } from "../src/core/backend.ts";
import type { ByteStore } from "../src/core/byte-store.ts";
import type { InstanceConfig, OpenContext } from "../src/core/descriptor.ts";
import { runAll, StorageError } from "../src/core/errors.ts";
import type { FrameWriter } from "../src/core/frame-writer.ts";
import type { PermitPool } from "../src/layers/permit-pool.ts";
import type { RetryBudget } from "../src/layers/retrier.ts";
import type { LayerConfig } from "../src/layers/stack.ts";
import { openFileBackend } from "./open-file-backend.ts";
import type { Registry } from "./registry.ts";

/**
 * Remembers a promise while it is under way and once it has a value; forgets it when it fails, so that the next call
 * starts anew.
 */
class Once<T> {
  #promise: Promise<T> | undefined;

  get(start: () => Promise<T>): Promise<T> {
    this.#promise ??= start().catch((error: unknown) => {
      this.#promise = undefined;
      throw error;
    });
    return this.#promise;
  }

  /** The value, once it is there or has failed; never starts anything and never rejects. */
  async settled(): Promise<T | undefined> {
    try {
      return await this.#promise;
    } catch {
      return undefined; // whoever started it has the error
    }
  }
}

/** What an instance gets from its set when something of it is opened. */
export interface InstanceContext extends OpenContext {
  /** Pools of `limit` layers by name. */
  readonly pools: Map<string, PermitPool>;
  /** Budgets of `retry` layers by name. */
  readonly budgets: Map<string, RetryBudget>;
}

/** An instance by configuration, opened on demand, or a live one. */
export class Instance {
  /** Name in the set, or, for a store behind a URI, the URI. */
  readonly name: string;
  /** Instances whose stores or backends this one asked for, and how often it did: they close after it. */
  readonly needs = new Map<Instance, number>();
  readonly #config: InstanceConfig | undefined;
  readonly #live: BackendBase | undefined;
  readonly #store = new Once<ByteStore>();
  readonly #values = new Once<BackendBase>();
  readonly #writer = new Once<FrameWriter>();

  constructor(name: string, source: InstanceConfig | BackendBase) {
    this.name = name;
    if (source instanceof BackendBase) this.#live = source;
    else this.#config = source;
  }

  /** What it is made from; `undefined` for a live one. */
  get config(): InstanceConfig | undefined {
    return this.#config;
  }

  /** The value backend, opened once. */
  async values(registry: Registry, context: InstanceContext, codecs?: CodecSet): Promise<BackendBase> {
    if (this.#live !== undefined) return this.#live;
    return this.#values.get(async () => {
      const { use, options, layers } = this.#split();
      const descriptor = await registry.load(use);
      // Layers are around bytes: a backend that keeps values in a way of its own, and has bytes too, gets the codecs.
      if (layers === undefined && (descriptor.open !== undefined || descriptor.openStore === undefined)) {
        return registry.open(use, options, context);
      }
      const store = await this.store(registry, context);
      return openFileBackend(store, descriptor.key, this.name, options, codecs);
    });
  }

  /** The byte store, opened once; the one that the value backend is above, where it is a file-like one. */
  async store(registry: Registry, context: InstanceContext): Promise<ByteStore> {
    if (this.#live === undefined) {
      return this.#store.get(async () => {
        const { use, options, layers } = this.#split();
        const store = await registry.openStore(use, options, context);
        return layers === undefined ? store : this.#layered(store, layers, context);
      });
    }
    const { FileBackend } = await import("../src/codecs/file-backend.ts");
    if (this.#live instanceof FileBackend) return this.#live.store;
    throw new StorageError("UNSUPPORTED", `Backend "${this.name}" does not open a byte store`, {
      backend: this.name,
      operation: "store",
    });
  }

  /** The frame writer, opened once. */
  async openWriter(registry: Registry, context: InstanceContext): Promise<FrameWriter> {
    return this.#writer.get(async () => {
      const { use, options, layers } = this.#split();
      if (layers !== undefined) {
        const message = `"${this.name}" writes frames: layers belong to the store that it writes to`;
        throw new StorageError("CONFIG_INVALID", message, { backend: this.name, identifier: "layers" });
      }
      return registry.openWriter(use, options, context);
    });
  }

  /** The way from here to another instance along {@link Instance.needs}, both ends included. */
  pathTo(other: Instance, seen = new Set<Instance>()): Instance[] | undefined {
    if (this === other) return [this];
    if (seen.has(this)) return undefined;
    seen.add(this);
    for (const need of this.needs.keys()) {
      const path = need.pathTo(other, seen);
      if (path !== undefined) return [this, ...path];
    }
    return undefined;
  }

  /** Takes back one asking for another instance's store. */
  unneed(other: Instance): void {
    const count = this.needs.get(other) ?? 0;
    if (count > 1) this.needs.set(other, count - 1);
    else this.needs.delete(other);
  }

  /** Waits for openings under way; never rejects. */
  async settled(): Promise<void> {
    await Promise.all([this.#values.settled(), this.#store.settled(), this.#writer.settled()]);
  }

  /** Closes what was opened here, the upper things first. A live instance is left alone. */
  async close(): Promise<void> {
    await runAll(
      [
        async () => (await this.#writer.settled())?.[Symbol.asyncDispose](),
        async () => (await this.#values.settled())?.close(),
        async () => (await this.#store.settled())?.close(),
      ],
      `Closing "${this.name}" failed`,
    );
  }

  /** Puts layers around a store that nobody else has; it is closed if that fails. */
  async #layered(store: ByteStore, layers: readonly LayerConfig[], context: InstanceContext): Promise<ByteStore> {
    const { stack } = await import("../src/layers/stack.ts");
    try {
      return await stack(store, layers, { store: context.store, pools: context.pools, budgets: context.budgets });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  #split(): { readonly use: string; readonly options: object; readonly layers: readonly LayerConfig[] | undefined } {
    const { use, layers, ...options } = this.#config as InstanceConfig & { readonly layers?: readonly LayerConfig[] };
    return { use, options, layers };
  }
}
