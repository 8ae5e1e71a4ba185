/** Saves of a workspace: the value goes to a real backend, then its path into the mapping. */
import type { BackendBase } from "../../src/core/backend.ts";
import { DataSink, type IfExists, type SaveOptions, type SaveResult } from "../../src/core/data-sink.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { baseName, joinKey, normalizeKey } from "../../src/core/key.ts";
import { Latest } from "./latest.ts";
import type { WorkspaceEntry } from "./mapping.ts";
import type { MappingSource, MappingState, NewEntry } from "./mapping-source.ts";
import type { PathTree } from "./path-tree.ts";
import { entryError } from "./shared-source.ts";
import type { WriteTarget } from "./workspace-parts.ts";

/** What a save did, and the mapping that it left, where it changed it. */
export interface WroteThrough {
  readonly saved: SaveResult;
  readonly state?: MappingState | undefined;
}

/** A mapping that was written for several savers; those whose entry it refused are told why. */
interface Flushed {
  readonly state: MappingState | undefined;
  readonly failures: ReadonlyMap<string, unknown>;
}

/** Writes values into one backend and their paths into the mapping. */
export class WriteThrough {
  readonly #target: WriteTarget;
  readonly #backend: (name: string) => Promise<BackendBase>;
  readonly #mapping: MappingSource;
  /** Saves of one path take turns, so that of two savers only one makes it. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Paths that wait for the mapping to be written: many savers, one writing. */
  #pending = new Map<string, NewEntry>();
  readonly #flush = new Latest(() => this.#writePending());

  constructor(target: WriteTarget, backend: (name: string) => Promise<BackendBase>, mapping: MappingSource) {
    this.#target = target;
    this.#backend = backend;
    this.#mapping = mapping;
  }

  /**
   * Refuses a path that cannot be saved.
   *
   * @throws A {@link StorageError}: `IS_A_DIRECTORY`, `NOT_A_DIRECTORY`, `ALREADY_EXISTS`.
   */
  check(tree: PathTree, key: string, ifExists: IfExists, context: ErrorContext): void {
    const name = context.identifier ?? key;
    if (tree.kind(key) === "directory") throw new StorageError("IS_A_DIRECTORY", `"${name}" is a directory`, context);
    const above = tree.fileAbove(key);
    if (above !== undefined) throw new StorageError("NOT_A_DIRECTORY", `"${above}" is a file`, context);
    if (tree.file(key) === undefined || ifExists !== "error") return;
    throw new StorageError("ALREADY_EXISTS", `"${name}" exists; pass ifExists: "replace" or choose another`, context);
  }

  /** Saves one value. */
  async save(
    data: unknown,
    key: string,
    options: SaveOptions & { readonly ifExists: IfExists },
    tree: () => PathTree,
    context: ErrorContext,
  ): Promise<WroteThrough> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(() =>
      this.#save(data, key, options, tree(), context),
    );
    const settled = turn.catch(() => undefined);
    this.#turns.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(key) === settled) this.#turns.delete(key);
    }
  }

  async #save(
    data: unknown,
    key: string,
    options: SaveOptions & { readonly ifExists: IfExists },
    tree: PathTree,
    context: ErrorContext,
  ): Promise<WroteThrough> {
    const { ifExists } = options;
    this.check(tree, key, ifExists, context);
    const there = tree.file(key);
    if (there !== undefined && ifExists === "skip") return { saved: { status: "skipped", identifier: key } };
    const { backend: name, folder = "" } = this.#target;
    // A result in the place of an image is of the same well and field.
    const coordinates = there?.coordinates === undefined ? {} : { coordinates: there.coordinates };
    const entry: WorkspaceEntry = { backend: name, address: joinKey(folder, key), ...coordinates };
    // Only "replace" writes over anything: the other policies are the target's to refuse.
    if (ifExists === "replace") this.#checkShared(tree, key, entry, context);
    const isOurs = there?.backend === name && there.address === entry.address;
    if (isOurs && there.axes === undefined && there.selection === undefined) {
      return { saved: this.#named(await this.#write(data, entry, options, context), "replaced", key) };
    }
    // A value that lies there and is in no mapping is nobody's to write over, unless the caller says so.
    const policy = ifExists === "replace" ? "replace" : "error";
    const saved = await this.#write(data, entry, { ...options, ifExists: policy }, context);
    this.#pending.set(key, { entry, mayReplace: ifExists === "replace" });
    const { state, failures } = await this.#flush.run();
    const failure = failures.get(key);
    if (failure !== undefined) throw failure;
    return { saved: this.#named(saved, there === undefined ? "created" : "replaced", key), state };
  }

  async #write(data: unknown, entry: WorkspaceEntry, options: SaveOptions, context: ErrorContext): Promise<SaveResult> {
    try {
      const backend = await this.#backend(entry.backend);
      if (!(backend instanceof DataSink)) throw new StorageError("UNSUPPORTED", "nothing can be saved there");
      return await (backend as BackendBase & DataSink).save(data, entry.address, { ...options, createParents: true });
    } catch (error) {
      throw entryError(error, entry, context);
    }
  }

  /** Refuses to write over a value that another path of the workspace shows. */
  #checkShared(tree: PathTree, key: string, { backend, address }: WorkspaceEntry, context: ErrorContext): void {
    const name = baseName(address);
    for (const [path, entry] of tree.files()) {
      // Few have the name, and only those are looked at closely: one place can be spelled in many ways.
      if (path === key || entry.backend !== backend || !entry.address.includes(name)) continue;
      if (entry.address !== address && plainAddress(entry.address) !== plainAddress(address)) continue;
      throw new StorageError("CONFLICT", `"${address}" in "${backend}" is what "${path}" shows already`, context);
    }
  }

  #named(result: SaveResult, status: "created" | "replaced", identifier: string): SaveResult {
    return result.status === "failed" || result.status === "skipped"
      ? { ...result, identifier }
      : { ...result, status, identifier };
  }

  async #writePending(): Promise<Flushed> {
    const entries = this.#pending;
    this.#pending = new Map();
    const failures = new Map<string, unknown>();
    if (entries.size > 1) {
      try {
        return { state: await this.#mapping.add(entries), failures };
      } catch (error) {
        // Only what is wrong with one of the entries can be better for the others.
        if (!isStorageError(error, "CONFLICT", "IS_A_DIRECTORY", "NOT_A_DIRECTORY")) throw error;
      }
    }
    let state: MappingState | undefined;
    for (const [key, entry] of entries) {
      try {
        state = await this.#mapping.add(new Map([[key, entry]]));
      } catch (error) {
        failures.set(key, error);
      }
    }
    return { state, failures };
  }
}

/**
 * The usual spelling of an address; one that is no key, as of a service, is left as it is. Backends differ in what a slash
 * at the beginning means: rather a save is refused than a value lost.
 */
function plainAddress(address: string): string {
  try {
    return normalizeKey(address);
  } catch (error) {
    if (isStorageError(error, "INVALID_KEY")) return address;
    throw error;
  }
}
