/**
 * Named instances of backends. The name is what pipelines pass as their backend key.
 *
 * @see OpenHCS `base.py`, `storage_registry`, which has one instance of each class for the whole process
 */
import type { CodecSet } from "../src/codecs/codec-set.ts";
import { BackendBase } from "../src/core/backend.ts";
import type { ByteStore, OperationOptions } from "../src/core/byte-store.ts";
import type { InstanceConfig } from "../src/core/descriptor.ts";
import { runAll, StorageError, StorageResolutionError } from "../src/core/errors.ts";
import type { FrameWriter } from "../src/core/frame-writer.ts";
import type { PermitPool } from "../src/layers/permit-pool.ts";
import type { RetryBudget } from "../src/layers/retrier.ts";
import { Cleanups } from "./cleanups.ts";
import { Instance, type InstanceContext } from "./instance.ts";
import { checkConfig, instanceName } from "./instance-config.ts";
import { type RegisterOptions, type Registry, unknownName } from "./registry.ts";
import { type BackendSetDescriptor, describeSet } from "./set-descriptor.ts";
import { isUri, resolveUri } from "./uri.ts";

/** Options of a {@link BackendSet}. */
export interface BackendSetOptions {
  /** Folder that relative paths in the configurations are relative to. Default: the working directory. */
  readonly baseDirectory?: string | undefined;
  /** Codecs of the file-like instances. Default: those that come with Sluice. */
  readonly codecs?: CodecSet | undefined;
  /** Why names are not here that somebody may ask for, by name: a set made by `fromDescriptor` says so. */
  readonly unavailable?: Readonly<Record<string, string>> | undefined;
}

/** Options of {@link BackendSet.openWriter}. */
export interface OpenWriterOptions extends OperationOptions {
  /** Name of the writer, for messages. Default: the key of its backend. */
  readonly instance?: string | undefined;
}

/** The instances that the default set has. */
export const defaultInstances: Readonly<Record<string, InstanceConfig>> = {
  disk: { use: "disk" },
  memory: { use: "memory" },
};

/**
 * Named instances, each opened once, on first use, also when many ask at the same time. A failed opening is forgotten,
 * so that the next request tries again. Names are case-insensitive.
 *
 * The set owns what it opens: {@link BackendSet.close} closes dependents before what they depend on, tries all, and
 * reports every failure. Live instances that were set belong to whoever made them.
 *
 * @example
 * ```ts
 * import { BackendSet, createRegistry } from "sluice/registry";
 * await using backends = new BackendSet(createRegistry(), {
 *   raw: { use: "disk", root: "/data" },
 *   scratch: { use: "memory" },
 * });
 * const raw = await backends.get("raw");
 * ```
 */
export class BackendSet implements AsyncDisposable {
  /** Where the keys in `use` come from. */
  readonly registry: Registry;
  readonly #options: BackendSetOptions;
  readonly #instances = new Map<string, Instance>();
  /** Stores of URIs and of inline configurations, and instances that were replaced: to be closed with the rest. */
  readonly #others = new Map<string, Instance>();
  /** Which instance a store is of, to find it when the store is given back. */
  readonly #owners = new WeakMap<ByteStore, Instance>();
  /** Those of `#others` whose store was asked for from outside: nobody gives it back. */
  readonly #pinned = new WeakSet<Instance>();
  #lastNumber = 0;
  /** Pools of `limit` layers that have a name, shared by all instances. */
  readonly #pools = new Map<string, PermitPool>();
  readonly #budgets = new Map<string, RetryBudget>();
  readonly #cleanups = new Cleanups();
  #closing: Promise<void> | undefined;
  #isClosed = false;

  /**
   * @param instances - Configurations by name; each names its backend in `use`. Nothing is opened.
   * @throws A {@link StorageError} `CONFIG_INVALID` for a configuration without `use`, a bad name, or two names that
   * differ only in case.
   */
  constructor(
    registry: Registry,
    instances: Readonly<Record<string, InstanceConfig>> = {},
    options: BackendSetOptions = {},
  ) {
    this.registry = registry;
    this.#options = options;
    for (const [name, config] of Object.entries(instances)) this.define(name, config);
  }

  /**
   * Adds a configuration. Opens nothing.
   *
   * @throws A {@link StorageError}: `CONFIG_INVALID`; `ALREADY_EXISTS` for a taken name, unless `override` is set.
   */
  define(name: string, config: InstanceConfig, options: RegisterOptions = {}): void {
    this.#add(new Instance(instanceName(name), checkConfig(config, name)), options);
  }

  /**
   * Adds a live instance. Opens nothing; the instance stays the caller's to close.
   *
   * @throws A {@link StorageError}: `INVALID_DATA` if it is no backend; `ALREADY_EXISTS` for a taken name, configured
   * or live, unless `override` is set.
   */
  set(name: string, backend: BackendBase, options: RegisterOptions = {}): void {
    if (!(backend instanceof BackendBase)) {
      throw new StorageError("INVALID_DATA", `"${name}" cannot be set: it extends none of the backend base classes`, {
        operation: "set",
        identifier: name,
      });
    }
    this.#add(new Instance(instanceName(name), backend), options);
  }

  /** Names of the instances, in the order they were added. */
  keys(): string[] {
    return [...this.#instances.keys()];
  }

  /** True if there is an instance of this name. */
  has(name: string): boolean {
    return typeof name === "string" && this.#instances.has(name.toLowerCase());
  }

  /** Key of the backend that an instance is made of; `undefined` for a live instance, and for a name that is none. */
  useOf(name: string): string | undefined {
    return this.#instances.get(name.toLowerCase())?.config?.use;
  }

  /**
   * The value backend of a name, opened on first use.
   *
   * @returns The same object at every call; it belongs to the set.
   * @throws A {@link StorageError}: `UNKNOWN_BACKEND` that lists the known names; `CONFIG_INVALID` for wrong options or
   * a cycle of references; `NOT_OPEN` once the set is closed; or what the backend threw.
   */
  async get(name: string): Promise<BackendBase> {
    this.#checkOpen("get", name);
    return this.#values(this.#need(name));
  }

  /** All value backends, in the order of {@link BackendSet.keys}. Opens those that are not open. */
  async values(): Promise<BackendBase[]> {
    return (await this.items()).map(([, backend]) => backend);
  }

  /** All names with their value backends. Opens those that are not open. */
  async items(): Promise<[name: string, backend: BackendBase][]> {
    return Promise.all(this.keys().map(async (name) => [name, await this.get(name)] as [string, BackendBase]));
  }

  /**
   * The byte store of a reference.
   *
   * @param reference - An instance name: its own store, shared with its value backend. A URI such as `file:///data`: a
   * store rooted there, shared by all who ask for the same URI. A configuration `{ use, … }`: a new store.
   * @returns A store that belongs to the set, open until the set closes. (What a backend asks for through its context it
   * can give back.)
   * @throws A {@link StorageError}: as {@link BackendSet.get}; `UNSUPPORTED` where the instance has no byte store.
   */
  async store(reference: string | InstanceConfig): Promise<ByteStore> {
    return this.#storeFor(undefined, reference);
  }

  /**
   * Opens a new frame writer. The caller closes it; what is left when the set closes is closed first.
   *
   * @param config - `use`, and the options of the writer.
   * @throws A {@link StorageError}: `UNKNOWN_BACKEND`, `CONFIG_INVALID`, `UNSUPPORTED` for a backend without writer, or
   * what the backend threw.
   */
  async openWriter(config: InstanceConfig, options: OpenWriterOptions = {}): Promise<FrameWriter> {
    const { use } = checkConfig(config, options.instance ?? "writer");
    this.#checkOpen("openWriter", use);
    const holder = this.#other(options.instance ?? use, config);
    return this.#forgetIfFailed(holder, holder.openWriter(this.registry, this.#context(holder, options.signal)));
  }

  /**
   * The set for another thread or process, without secrets: see {@link BackendSetDescriptor}. Opens nothing.
   *
   * @throws A {@link StorageError} `UNKNOWN_BACKEND` for an instance of an unknown key.
   */
  toDescriptor(): BackendSetDescriptor {
    const configs = [...this.#instances].map(([name, { config }]) => [name, config] as const);
    return describeSet(this.registry, configs, this.#options);
  }

  /**
   * Has something done when the set closes: before any backend closes, the last registered first. The same function is
   * called once, however often it is registered.
   *
   * @returns Takes it back.
   * @throws A {@link StorageError} `NOT_OPEN` once the set is closed.
   * @see PolyStore `backend_registry.py`, `register_cleanup_callback`
   */
  registerCleanup(callback: () => unknown): () => void {
    this.#checkOpen("registerCleanup", undefined);
    return this.#cleanups.add(callback);
  }

  /**
   * Runs what was registered to be run, then closes everything that the set has opened, dependents first. Idempotent.
   * All of it is tried, whatever fails.
   *
   * @throws What one of them threw; one `AggregateError` for several.
   */
  close(): Promise<void> {
    this.#closing ??= this.#cleanups.thenClose(() => {
      this.#isClosed = true;
      return this.#closeAll();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #values(instance: Instance): Promise<BackendBase> {
    return instance.values(this.registry, this.#context(instance), this.#options.codecs);
  }

  async #storeFor(asker: Instance | undefined, reference: string | InstanceConfig): Promise<ByteStore> {
    const target = this.#targetFor("store", asker, reference);
    if (asker === undefined) this.#pinned.add(target);
    else asker.needs.set(target, (asker.needs.get(target) ?? 0) + 1);
    const opening = target.store(this.registry, this.#context(target));
    try {
      const store = await (this.#instances.get(target.name) === target
        ? opening
        : this.#forgetIfFailed(target, opening));
      this.#owners.set(store, target);
      return store;
    } catch (error) {
      asker?.unneed(target);
      throw error;
    }
  }

  /** What {@link OpenContext.backend} does for one instance. */
  async #backendFor(asker: Instance, reference: string | InstanceConfig): Promise<BackendBase> {
    const target = this.#targetFor("backend", asker, reference);
    const before = asker.needs.get(target);
    // Nobody gives a backend back: it is needed until the asker closes.
    asker.needs.set(target, Number.POSITIVE_INFINITY);
    const opening = this.#values(target);
    try {
      return await (this.#instances.get(target.name) === target ? opening : this.#forgetIfFailed(target, opening));
    } catch (error) {
      if (before === undefined) asker.needs.delete(target);
      else asker.needs.set(target, before);
      throw error;
    }
  }

  /** The instance that a reference means, unless it would need the one that asks. */
  #targetFor(operation: string, asker: Instance | undefined, reference: string | InstanceConfig): Instance {
    const name = typeof reference === "string" ? reference : reference?.use;
    this.#checkOpen(operation, name);
    const target = this.#target(asker, reference);
    const path = asker && target.pathTo(asker);
    if (path === undefined) return target;
    const names = [asker, ...path].map((instance) => instance?.name).join(" → ");
    throw new StorageError("CONFIG_INVALID", `Backends refer to each other in a circle: ${names}`, {
      backend: asker?.name,
      operation,
      identifier: name,
    });
  }

  /** What {@link OpenContext.release} does for one instance. */
  async #release(asker: Instance, store: ByteStore): Promise<void> {
    const target = this.#owners.get(store);
    if (target === undefined || !asker.needs.has(target)) return;
    asker.unneed(target);
    // While the set closes, it closes this store in its turn.
    if (this.#closing !== undefined || this.#pinned.has(target) || !store.capabilities.persistent) return;
    const isHeld = [...this.#instances.values(), ...this.#others.values()].some((other) => other.needs.has(target));
    if (!isHeld && this.#forget(target)) await target.close();
  }

  #target(asker: Instance | undefined, reference: string | InstanceConfig): Instance {
    if (typeof reference !== "string") {
      const config = checkConfig(reference, asker?.name ?? "store");
      return this.#other(asker === undefined ? config.use : `${asker.name}/${config.use}`, config);
    }
    if (this.has(reference) || !isUri(reference)) return this.#need(reference);
    const { key, options, href, name } = resolveUri(this.registry, reference);
    const shared = this.#others.get(href);
    if (shared !== undefined) return shared;
    const instance = new Instance(name, { use: key, ...options });
    this.#others.set(href, instance);
    return instance;
  }

  /** An instance without a name in the set. */
  #other(name: string, config: InstanceConfig): Instance {
    const instance = new Instance(name, config);
    this.#others.set(this.#number(name), instance);
    return instance;
  }

  async #forgetIfFailed<T>(instance: Instance, opening: Promise<T>): Promise<T> {
    try {
      return await opening;
    } catch (error) {
      this.#forget(instance);
      throw error;
    }
  }

  /** False if it is none of `#others`. */
  #forget(instance: Instance): boolean {
    for (const [name, other] of this.#others) if (other === instance) return this.#others.delete(name);
    return false;
  }

  /** A key in `#others` for what has no URI; never given twice. */
  #number(name: string): string {
    return `#${++this.#lastNumber} ${name}`;
  }

  #context(instance: Instance, signal?: AbortSignal): InstanceContext {
    return {
      instance: instance.name,
      store: (reference) => this.#storeFor(instance, reference),
      release: (store) => this.#release(instance, store),
      backend: (reference) => this.#backendFor(instance, reference),
      baseDirectory: this.#options.baseDirectory,
      pools: this.#pools,
      budgets: this.#budgets,
      signal,
    };
  }

  #need(name: string): Instance {
    const instance = typeof name === "string" ? this.#instances.get(name.toLowerCase()) : undefined;
    if (instance !== undefined) return instance;
    const reason = typeof name === "string" ? this.#options.unavailable?.[name.toLowerCase()] : undefined;
    if (reason !== undefined) {
      throw new StorageError("UNSUPPORTED", `Backend "${name}" is not available here: ${reason}`, { backend: name });
    }
    if (typeof name !== "string" || !this.registry.has(name)) {
      throw unknownName("backend", name, this.#instances.keys());
    }
    throw new StorageResolutionError(
      `No instance "${name}" is defined, though such a backend is registered; define("${name}", { use: "${name}" }) ` +
        `makes one. Known: ${this.keys().join(", ") || "none"}`,
      { identifier: name },
    );
  }

  #add(instance: Instance, { override = false }: RegisterOptions): void {
    this.#checkOpen("set", instance.name);
    const previous = this.#instances.get(instance.name);
    if (previous !== undefined) {
      if (!override) {
        throw new StorageError(
          "ALREADY_EXISTS",
          `There is a backend instance "${instance.name}" already; pass override: true to replace it`,
          { operation: "set", identifier: instance.name },
        );
      }
      this.#others.set(this.#number(previous.name), previous);
    }
    this.#instances.set(instance.name, instance);
  }

  async #closeAll(): Promise<void> {
    const all = [...this.#instances.values(), ...this.#others.values()];
    await Promise.all(all.map((instance) => instance.settled()));
    const order: Instance[] = [];
    const seen = new Set<Instance>();
    const visit = (instance: Instance) => {
      if (seen.has(instance)) return;
      seen.add(instance);
      for (const dependent of all) if (dependent.needs.has(instance)) visit(dependent);
      order.push(instance);
    };
    for (const instance of all.reverse()) visit(instance);
    await runAll(
      order.map((instance) => () => instance.close()),
      "Closing backends failed",
    );
  }

  #checkOpen(operation: string, identifier: string | undefined): void {
    if (!this.#isClosed) return;
    throw new StorageError("NOT_OPEN", "The backend set is closed", { operation, identifier });
  }
}
