/**
 * The list of known backends: light entries by key, modules imported on first use.
 *
 * @see OpenHCS `backend_registry.py`, whose discovery imports everything and whose duplicates overwrite each other
 */
import { BackendBase } from "../src/core/backend.ts";
import type { ByteStore } from "../src/core/byte-store.ts";
import type { BackendDescriptor, OpenContext } from "../src/core/descriptor.ts";
import { nearest, StorageError, StorageResolutionError, toStorageError } from "../src/core/errors.ts";
import type { FrameWriter } from "../src/core/frame-writer.ts";
import { type BackendClass, descriptorOf } from "./backend.ts";
import { type AnyBackendDescriptor, type BackendInfo, infoOf, infoOfLazy, type LazyBackend } from "./backend-info.ts";
import { checkDescriptor, checkLazy, checkLoaded } from "./check-descriptor.ts";
import { checkOptions } from "./check-options.ts";
import { openFileBackend } from "./open-file-backend.ts";

/** What happens to a taken name. */
export interface RegisterOptions {
  /** Takes the key, aliases and schemes from whoever has them. Default `false`, which refuses with `ALREADY_EXISTS`. */
  readonly override?: boolean | undefined;
}

/** Options of {@link Registry.register} and {@link Registry.registerLazy}. */
export interface RegisterBackendOptions extends RegisterOptions {
  /**
   * URL of the module whose default export holds the backend, by which another process finds it. `loadPlugins` sets it;
   * those of Sluice have `"sluice"`.
   */
  readonly specifier?: string | undefined;
}

/** The specifier of backends that come with Sluice. */
export const BUILT_IN = "sluice";

interface Entry {
  readonly info: BackendInfo;
  readonly load: () => Promise<unknown>;
  readonly specifier: string | undefined;
  descriptor: BackendDescriptor | undefined;
  loading: Promise<BackendDescriptor> | undefined;
}

/**
 * Known backends by key. Keys, aliases and schemes are case-insensitive; each belongs to one backend. Listing imports
 * nothing. A registry opens things and owns none of them: `BackendSet` does.
 */
export class Registry {
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<string, Entry>();
  readonly #schemes = new Map<string, Entry>();

  /**
   * Adds a backend: a descriptor, or a class that `@backend` has decorated.
   *
   * @throws A {@link StorageError}: `CONFIG_INVALID` if something is missing, `ALREADY_EXISTS` if its key, an alias or a
   * scheme is taken (by a key or an alias, loaded or not); nothing has changed then.
   */
  register(backend: AnyBackendDescriptor | BackendClass, options: RegisterBackendOptions = {}): BackendInfo {
    const descriptor: unknown = typeof backend === "function" ? descriptorOf(backend) : backend;
    checkDescriptor(descriptor);
    return this.#add(infoOf(descriptor), async () => descriptor, descriptor, options);
  }

  /** Adds a backend whose module is imported on first use. Throws as {@link Registry.register}. */
  registerLazy(backend: LazyBackend, options: RegisterBackendOptions = {}): BackendInfo {
    checkLazy(backend);
    return this.#add(infoOfLazy(backend), backend.load, undefined, options);
  }

  /** Keys in order of registration, without aliases. */
  keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** URI schemes that lead somewhere. */
  schemes(): string[] {
    return [...this.#schemes.keys()];
  }

  /** True if the key, or an alias, is registered. */
  has(key: string): boolean {
    return this.#names.has(lower(key));
  }

  /**
   * What is known of a backend without importing it.
   *
   * @throws A {@link StorageResolutionError} `UNKNOWN_BACKEND` that lists the known ones.
   */
  descriptor(key: string): BackendInfo {
    return this.#need(key).info;
  }

  /**
   * Where another process finds the module of a backend; `undefined` if it was registered in code only.
   *
   * @throws A {@link StorageResolutionError} `UNKNOWN_BACKEND`.
   */
  specifierOf(key: string): string | undefined {
    return this.#need(key).specifier;
  }

  /**
   * What is known of the backend behind a URI scheme.
   *
   * @param scheme - Without the colon.
   * @throws A {@link StorageResolutionError} `UNKNOWN_BACKEND` that lists the known schemes.
   */
  forScheme(scheme: string): BackendInfo {
    const entry = this.#schemes.get(lower(scheme));
    if (entry !== undefined) return entry.info;
    throw unknownName("URI scheme", scheme, this.#schemes.keys());
  }

  /**
   * The descriptor of a backend; imports its module once. A failed import is forgotten, so that a later call tries
   * again.
   *
   * @throws A {@link StorageError}: `UNKNOWN_BACKEND`, `MISSING_DEPENDENCY`, or `CONFIG_INVALID` if the module does not
   * hold what was registered.
   */
  async load(key: string): Promise<BackendDescriptor> {
    const entry = this.#need(key);
    if (entry.descriptor !== undefined) return entry.descriptor;
    entry.loading ??= importEntry(entry).finally(() => {
      entry.loading = undefined;
    });
    return entry.loading;
  }

  /**
   * Opens a new value backend, which belongs to the caller. One that has only a byte store gets the shared codecs above
   * it.
   *
   * @param options - Options of the backend, checked by its schema where it has one.
   * @param context - Default: instance name = key, and no other stores; a `BackendSet` gives a full one.
   * @throws A {@link StorageError}: as {@link Registry.load}; `CONFIG_INVALID` for wrong options, with their paths;
   * `UNSUPPORTED` for a backend that holds no values; or what the backend threw.
   */
  async open(key: string, options: object = {}, context?: OpenContext): Promise<BackendBase> {
    const descriptor = await this.load(key);
    const where = context ?? isolated(descriptor.key);
    if (descriptor.open === undefined) {
      if (descriptor.openStore === undefined) throw cannot(descriptor, "values", where);
      return openFileBackend(await this.openStore(key, options, where), descriptor.key, where.instance, options);
    }
    const opened = await descriptor.open(await checkOptions(descriptor, options, where.instance), where);
    if (opened instanceof BackendBase) return opened;
    throw new StorageError("CONFIG_INVALID", `open of backend "${descriptor.key}" gave no backend`, {
      backend: where.instance,
      operation: "open",
    });
  }

  /** Opens a new byte store, which belongs to the caller. Throws as {@link Registry.open}. */
  async openStore(key: string, options: object = {}, context?: OpenContext): Promise<ByteStore> {
    const descriptor = await this.load(key);
    const where = context ?? isolated(descriptor.key);
    if (descriptor.openStore === undefined) throw cannot(descriptor, "a byte store", where);
    return descriptor.openStore(await checkOptions(descriptor, options, where.instance), where);
  }

  /** Opens a new frame writer, which belongs to the caller. Throws as {@link Registry.open}. */
  async openWriter(key: string, options: object = {}, context?: OpenContext): Promise<FrameWriter> {
    const descriptor = await this.load(key);
    const where = context ?? isolated(descriptor.key);
    if (descriptor.openWriter === undefined) throw cannot(descriptor, "a frame writer", where);
    return descriptor.openWriter(await checkOptions(descriptor, options, where.instance), where);
  }

  /**
   * A registry with the same backends, for a session that adds its own. What is registered in one later is not in the
   * other; modules that are imported are shared.
   */
  clone(): Registry {
    const copy = new Registry();
    for (const [key, entry] of this.#entries) copy.#entries.set(key, entry);
    for (const [name, entry] of this.#names) copy.#names.set(name, entry);
    for (const [scheme, entry] of this.#schemes) copy.#schemes.set(scheme, entry);
    return copy;
  }

  #need(key: string): Entry {
    const entry = this.#names.get(lower(key));
    if (entry !== undefined) return entry;
    throw unknownName("backend", key, this.#entries.keys(), this.#names.keys());
  }

  #add(
    info: BackendInfo,
    load: Entry["load"],
    descriptor: BackendDescriptor | undefined,
    { override, specifier }: RegisterBackendOptions,
  ): BackendInfo {
    const names = [info.key, ...info.aliases];
    if (!override) {
      for (const [what, claimed, taken] of [
        ["Backend", names, this.#names],
        ["URI scheme", info.schemes, this.#schemes],
      ] as const) {
        const clash = claimed.find((name) => taken.has(name));
        if (clash === undefined) continue;
        const owner = taken.get(clash)?.info.key;
        // Whoever says `false` has chosen, and often for somebody who cannot pass anything.
        const advice = override === false ? "" : "; pass override: true to replace it";
        throw new StorageError(
          "ALREADY_EXISTS",
          `${what} "${clash}" is registered already (by backend "${owner}")${advice}`,
          { backend: info.key, operation: "register", identifier: clash },
        );
      }
    }
    // Whoever loses the key loses everything; whoever loses an alias or a scheme keeps the rest.
    for (const name of names) {
      const previous = this.#entries.get(name);
      if (previous !== undefined) this.#remove(previous);
    }
    const entry: Entry = { info, load, specifier, descriptor, loading: undefined };
    this.#entries.set(info.key, entry);
    for (const name of names) this.#names.set(name, entry);
    for (const scheme of info.schemes) this.#schemes.set(scheme, entry);
    return info;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.info.key);
    for (const map of [this.#names, this.#schemes]) {
      for (const [name, owner] of map) if (owner === entry) map.delete(name);
    }
  }
}

/** The error for a name that nothing is registered under: lists the known ones and guesses what was meant. */
export function unknownName(
  what: string,
  name: unknown,
  known: Iterable<string>,
  candidates: Iterable<string> | undefined = undefined,
): StorageResolutionError {
  const list = [...known];
  const guess = typeof name === "string" ? nearest(name, candidates ?? list) : undefined;
  const hint = guess === undefined ? "" : ` Did you mean "${guess}"?`;
  const text = typeof name === "string" ? `"${name}"` : String(name);
  return new StorageResolutionError(`Unknown ${what} ${text}.${hint} Known: ${list.join(", ") || "none"}`, {
    identifier: typeof name === "string" ? name : undefined,
  });
}

function lower(name: string): string {
  return typeof name === "string" ? name.toLowerCase() : "";
}

async function importEntry(entry: Entry): Promise<BackendDescriptor> {
  const { key } = entry.info;
  try {
    const module = await entry.load();
    const descriptor: unknown = isModule(module) ? module.default : module;
    checkLoaded(entry.info, descriptor);
    entry.descriptor = descriptor;
    return descriptor;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") {
      throw toStorageError(error, { backend: key, operation: "load" });
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new StorageError("MISSING_DEPENDENCY", `Backend "${key}" needs a package that is not installed: ${reason}`, {
      backend: key,
      operation: "load",
      cause: error,
    });
  }
}

function isModule(value: unknown): value is { readonly default: unknown } {
  return typeof value === "object" && value !== null && "default" in value;
}

function cannot(descriptor: BackendDescriptor, what: string, context: OpenContext): StorageError {
  return new StorageError("UNSUPPORTED", `Backend "${descriptor.key}" does not open ${what}`, {
    backend: context.instance,
    operation: "open",
  });
}

/** The context of something opened by itself: there is nobody to own a second store. */
function isolated(key: string): OpenContext {
  return {
    instance: key,
    store: async (reference) => {
      const name = typeof reference === "string" ? reference : reference.use;
      throw new StorageError(
        "CONFIG_INVALID",
        `Backend "${key}" asks for the store "${name}"; open it through a BackendSet, which owns the stores it opens`,
        { backend: key, operation: "open", identifier: name },
      );
    },
  };
}
