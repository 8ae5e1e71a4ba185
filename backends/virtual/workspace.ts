/** One tree of paths over the values of several backends. */
import type { BackendBase, DirectoryEntry } from "../../src/core/backend.ts";
import { type BatchOptions, mapBatch } from "../../src/core/batch.ts";
import { ByteBudget } from "../../src/core/byte-budget.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import type { Capabilities } from "../../src/core/capabilities.ts";
import { checkInteger, checkSameLength } from "../../src/core/checks.ts";
import type { SaveOptions, SaveResult } from "../../src/core/data-sink.ts";
import { DataSource, type EntryStat, type ListFilesOptions, type LoadOptions } from "../../src/core/data-source.ts";
import { type ErrorContext, StorageError, toStorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import type { AxisSelection, NdArray } from "../../src/core/nd-array.ts";
import { type BackendStat, fileFilter } from "../../src/core/readable-backend.ts";
import {
  type ArrayLevel,
  type ReadRegionOptions,
  type RegionRequest,
  type RegionSource,
  type SampledSource,
  type SampleOptions,
  sampleRegion,
} from "../../src/core/region.ts";
import { VirtualBackend } from "../../src/core/special-backends.ts";
import { Batch } from "./batch.ts";
import { workspaceCapabilities } from "./capabilities.ts";
import { Latest } from "./latest.ts";
import type { WorkspaceEntry, WorkspaceMapping } from "./mapping.ts";
import type { MappingSource, MappingState } from "./mapping-source.ts";
import { levelsOfPart, readRegionOfPart, shapeOfPart } from "./part-view.ts";
import type { PathTree } from "./path-tree.ts";
import { entryError, loadShared, type SharedSource } from "./shared-source.ts";
import { loadPart, partOf } from "./source-value.ts";
import type { BackendLookup, BrokenEntry, WorkspaceParts, WorkspaceSample } from "./workspace-parts.ts";
import { WriteThrough } from "./write-through.ts";

const DEFAULT_MEMORY_BYTES = 256 * 2 ** 20;

const ROOT: BackendStat = { kind: "directory", exists: true };
const MISSING: BackendStat = { kind: "missing", exists: false };

/**
 * Virtual paths over the values of any backends: each path stands for a value somewhere, or for a part of an array.
 *
 * - Loads go to the backend that an entry names, and errors name the virtual path, the backend and the address.
 * - A batch loads each value once, however many of its paths want a part of it, and holds no more than
 *   `memoryBytes` beside its results (a single larger value is loaded alone).
 * - A part is read without the rest where the source reads parts (`RegionSource`).
 * - A changed mapping file is noticed at the next operation. One that is gone or wrong makes every operation fail until
 *   it is mended: a workspace never answers from a mapping that is no more.
 * - Directories are implied by the paths. Predicates and listings speak of the mapping; {@link findBroken} asks the
 *   backends.
 * - Saves go to the backend of `writeTo`, then into the mapping. Without it they are `READ_ONLY`. No value that an entry
 *   leads to elsewhere is ever written over.
 *
 * @see OpenHCS `io/virtual_workspace.py`
 */
export class VirtualWorkspace extends VirtualBackend implements RegionSource, SampledSource {
  readonly key: string = "virtual_workspace";
  readonly capabilities: Capabilities;
  protected override readonly loadsParts = true;
  readonly #source: MappingSource;
  readonly #backends: BackendLookup;
  readonly #writer: WriteThrough | undefined;
  readonly #budget: ByteBudget;
  readonly #isWatched: boolean;
  readonly #check = new Latest(() => this.#checkMapping());
  /** Workspaces that entries of this one lead to; never in a circle. */
  readonly #nested = new Set<VirtualWorkspace>();
  #state: MappingState | undefined;

  constructor(parts: WorkspaceParts) {
    super(parts);
    this.#source = parts.mapping;
    this.#backends = parts.backends;
    this.#isWatched = parts.refresh !== "manual" && parts.mapping.mayChange;
    const { memoryBytes = DEFAULT_MEMORY_BYTES, writeTo } = parts;
    checkInteger(memoryBytes, "memoryBytes", 0);
    this.#budget = new ByteBudget(memoryBytes);
    this.capabilities = { ...workspaceCapabilities, write: writeTo !== undefined };
    this.#writer = writeTo && new WriteThrough(writeTo, (name) => this.#backend(name), this.#source);
  }

  /** Files of the plate's folder that are no images of it, where the mapping was made of a folder. */
  get unparsed(): readonly string[] {
    return this.#state?.unparsed ?? [];
  }

  /** Reads the mapping again, whether it has changed or not. A workspace of a folder looks at the folder again. */
  refresh(options: OperationOptions = {}): Promise<void> {
    // Not through the check that precedes each operation: that may look at nothing.
    return super.perform("refresh", "", options, async () => {
      this.#state = await this.#source.load();
    });
  }

  /** The whole mapping as it is now; a copy. */
  toMapping(options: OperationOptions = {}): Promise<WorkspaceMapping> {
    return this.perform("toMapping", "", options, async () => structuredClone(this.#tree.toMapping()));
  }

  /**
   * What a virtual path stands for.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`, `IS_A_DIRECTORY`, `INVALID_KEY`.
   */
  entry(path: string, options: OperationOptions = {}): Promise<WorkspaceEntry> {
    return this.perform("entry", path, options, async (key, context) => structuredClone(this.#need(key, context)));
  }

  /** Loads several values; each value of a backend once. See {@link DataSource.loadBatch}. */
  override async loadBatch(paths: readonly string[], options: LoadOptions & BatchOptions = {}): Promise<unknown[]> {
    const tree = await this.#treeNow("loadBatch", options);
    const batch = new Batch(paths.length, options.onError === "collect");
    // Loads of sources get the caller's options but for those of the batch, which are about its paths.
    const { concurrency: _, onError: __, ...load } = options;
    const opened = new Map<string, Promise<DataSource>>();
    const open = (name: string) => {
      const source = opened.get(name) ?? this.#backend(name);
      opened.set(name, source);
      return source;
    };
    await mapBatch(
      this.#share(tree, paths, batch),
      (shared) => loadShared(shared, open, this.name, load, this.#budget, batch),
      options,
      (error, { wanted }) => {
        for (const { index } of wanted) batch.fail(index, error);
      },
    );
    return batch.finish();
  }

  override listFiles(directory: string, options: ListFilesOptions = {}): Promise<string[]> {
    // In one step, so that a listing is of one mapping.
    return this.perform("listFiles", directory, options, async (key, context) => {
      const kind = this.#tree.kind(key);
      if (kind !== "directory") {
        const code = kind === "missing" ? "NOT_FOUND" : "NOT_A_DIRECTORY";
        const what = kind === "missing" ? `No directory "${directory}" in` : `"${directory}" is a file in`;
        throw new StorageError(code, `${what} "${this.name}"`, context);
      }
      const keep = fileFilter(options);
      const found: string[] = [];
      for (const path of this.#tree.walk(key, options.recursive === true)) {
        if (keep(path)) found.push(joinKey(directory, path));
      }
      return found;
    });
  }

  /** Describes a path; of a file also what its backend knows of the value, where it is there. */
  override stat(path: string, options: OperationOptions = {}): Promise<EntryStat> {
    return this.perform("stat", path, options, async (key, context) => {
      const stat = this.#kind(key);
      const entry = this.#tree.file(key);
      if (entry === undefined) return { path, ...stat };
      return this.#about(entry, context, async (source) => {
        const { byteLength, modifiedMs, etag, dtype, shape } = await source.stat(entry.address, options);
        const part = partOf(entry);
        const time = modifiedMs === undefined ? {} : { modifiedMs };
        const tag = etag === undefined ? {} : { etag };
        const array = dtype === undefined || shape === undefined ? {} : { dtype, shape: shapeOfPart(shape, part) };
        // The stored size is that of all parts together.
        const size = byteLength === undefined || part.length > 0 ? {} : { byteLength };
        return { path, ...stat, ...size, ...time, ...tag, ...array };
      });
    });
  }

  /**
   * Reads a box of the array at a path, at one of its resolutions.
   *
   * @throws A {@link StorageError}: as `sampleRegion`; `NOT_FOUND`, `IS_A_DIRECTORY`.
   * @see OpenHCS `io/base.py`, `DataSource.sample`
   */
  sample(path: string, request: RegionRequest, options: SampleOptions = {}): Promise<WorkspaceSample> {
    return this.perform("sample", path, options, async (key, context) => {
      const entry = this.#need(key, context);
      const { backend, address } = entry;
      return this.#about(entry, context, async (source) => {
        const within = [partOf(entry), ...(options.within ?? [])];
        const sample = await sampleRegion(source, address, request, { ...options, within });
        // A workspace behind this one has said already where the value is.
        return { backend, address, ...sample };
      });
    });
  }

  levels(path: string, options: OperationOptions = {}): Promise<readonly ArrayLevel[]> {
    return this.perform("levels", path, options, async (key, context) => {
      const entry = this.#need(key, context);
      return this.#about(entry, context, (source) => levelsOfPart(source, entry.address, partOf(entry), options));
    });
  }

  readRegion(path: string, selection: readonly AxisSelection[], options: ReadRegionOptions = {}): Promise<NdArray> {
    return this.perform("readRegion", path, options, async (key, context) => {
      const entry = this.#need(key, context);
      return this.#about(entry, context, (source) =>
        readRegionOfPart(source, entry.address, partOf(entry), selection, options),
      );
    });
  }

  /**
   * Asks the backends for every value of the mapping.
   *
   * @returns Paths whose value is not there, in the order of the mapping, each with what its backend says.
   */
  async findBroken(options: BatchOptions = {}): Promise<BrokenEntry[]> {
    const files = [...(await this.#treeNow("findBroken", options)).files()];
    const found = await mapBatch<(typeof files)[number], BrokenEntry | undefined>(
      files,
      async ([path, entry]) => {
        const context = { backend: this.name, operation: "findBroken", identifier: path };
        if (await this.#about(entry, context, (source) => source.isFile(entry.address, options))) return undefined;
        const message = `"${path}" leads to "${entry.address}" in "${entry.backend}", which is not there`;
        return { path, error: new StorageError("NOT_FOUND", message, context) };
      },
      { ...options, onError: "collect" },
      (error, [path]) => ({ path, error }),
    );
    return found.filter((broken) => broken !== undefined);
  }

  override async saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: SaveOptions & BatchOptions = {},
  ): Promise<SaveResult[]> {
    const context = { backend: this.name, operation: "saveBatch" };
    checkSameLength(dataList, identifiers, context);
    const tree = await this.#treeNow("saveBatch", options);
    const writer = this.#needWriter(context);
    const seen = new Set<string>();
    for (const identifier of identifiers) {
      const key = this.#keyOf(identifier, context);
      if (seen.has(key)) throw new StorageError("INVALID_DATA", `"${identifier}" occurs twice in the batch`, context);
      seen.add(key);
      writer.check(tree, key, options.ifExists ?? this.ifExists, { ...context, identifier });
    }
    return super.saveBatch(dataList, identifiers, options);
  }

  /** Looks at the mapping before each operation. */
  protected override perform<T>(
    operation: string,
    identifier: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    // Nothing to look at: not a step more than any other backend takes.
    if (!this.#isWatched && this.#state !== undefined) return super.perform(operation, identifier, options, run);
    return super.perform(operation, identifier, options, async (key, context) => {
      await this.#check.run();
      return run(key, context);
    });
  }

  protected override async doLoad(key: string, options: LoadOptions): Promise<unknown> {
    const context = { backend: this.name, operation: "load", identifier: key };
    const entry = this.#need(key, context);
    return this.#about(entry, context, (source) => loadPart(source, entry.address, partOf(entry), options));
  }

  protected override async doStat(key: string): Promise<BackendStat> {
    return this.#kind(key);
  }

  protected override async *doList(key: string): AsyncIterable<DirectoryEntry> {
    for (const [name, kind] of [...this.#tree.names(key)]) yield { name, kind };
  }

  protected override async doSave(data: unknown, key: string, options: SaveOptions): Promise<SaveResult> {
    const context = { backend: this.name, operation: "save", identifier: key };
    const decided = { ...options, ifExists: options.ifExists ?? this.ifExists };
    const result = await this.#needWriter(context).save(data, key, decided, () => this.#tree, context);
    if (result.state !== undefined) this.#state = result.state;
    return result.saved;
  }

  /** The mapping for a batch, whose failures are several and are not to be translated into one. */
  #treeNow(operation: string, options: OperationOptions): Promise<PathTree> {
    return this.perform(operation, "", options, async () => this.#tree);
  }

  get #tree(): PathTree {
    return (this.#state as MappingState).tree;
  }

  async #checkMapping(): Promise<void> {
    if (this.#state !== undefined && (await this.#source.isCurrent(this.#state.version))) return;
    this.#state = await this.#source.load();
  }

  /** The paths of a batch by the value that they want. */
  #share(tree: PathTree, paths: readonly string[], batch: Batch): SharedSource[] {
    const sources: SharedSource[] = [];
    const known = new Map<string, Map<string, SharedSource>>();
    for (const [index, path] of paths.entries()) {
      // A path that is in the tree as it stands needs no second look.
      const entry = tree.file(path) ?? this.#entryOf(tree, path, index, batch);
      if (entry === undefined) continue;
      const wanted = { path, part: partOf(entry), index };
      const ofBackend = known.get(entry.backend) ?? new Map<string, SharedSource>();
      known.set(entry.backend, ofBackend);
      const shared = ofBackend.get(entry.address);
      if (shared !== undefined) {
        shared.wanted.push(wanted);
        continue;
      }
      const source = { entry, wanted: [wanted] };
      ofBackend.set(entry.address, source);
      sources.push(source);
    }
    return sources;
  }

  #entryOf(tree: PathTree, path: string, index: number, batch: Batch): WorkspaceEntry | undefined {
    const context = { backend: this.name, operation: "load", identifier: String(path) };
    try {
      return this.#need(this.#keyOf(path, context), context, tree);
    } catch (error) {
      batch.fail(index, toStorageError(error, context));
      return undefined;
    }
  }

  async #about<T>(
    entry: WorkspaceEntry,
    context: ErrorContext,
    run: (source: BackendBase & DataSource) => Promise<T>,
  ): Promise<T> {
    try {
      return await run(await this.#backend(entry.backend));
    } catch (error) {
      throw entryError(error, entry, context);
    }
  }

  async #backend(name: string): Promise<BackendBase & DataSource> {
    const backend = await this.#backends.get(name);
    if (backend === undefined) throw new StorageError("UNKNOWN_BACKEND", `There is no backend "${name}"`);
    if (backend instanceof VirtualWorkspace) {
      if (backend.#leadsTo(this)) {
        throw new StorageError("CONFIG_INVALID", `Workspace "${name}" leads back to "${this.name}"`, { backend: name });
      }
      this.#nested.add(backend);
    }
    if (backend instanceof DataSource) return backend as BackendBase & DataSource;
    throw new StorageError("UNSUPPORTED", `Nothing can be loaded from "${name}"`, { backend: name });
  }

  /** True if loads of this workspace have gone to the other one. */
  #leadsTo(other: VirtualWorkspace): boolean {
    return this === other || [...this.#nested].some((nested) => nested.#leadsTo(other));
  }

  #kind(key: string): BackendStat {
    if (key === "") return ROOT;
    const kind = this.#tree.kind(key);
    return kind === "missing" ? MISSING : { kind, exists: true };
  }

  #need(key: string, context: ErrorContext, tree = this.#tree): WorkspaceEntry {
    const entry = tree.file(key);
    if (entry !== undefined) return entry;
    if (tree.kind(key) === "directory") {
      throw new StorageError("IS_A_DIRECTORY", `"${context.identifier}" in "${this.name}" is a directory`, context);
    }
    throw new StorageError("NOT_FOUND", `No "${context.identifier}" in "${this.name}"`, context);
  }

  #keyOf(path: string, context: ErrorContext): string {
    try {
      return this.resolveKey(path);
    } catch (error) {
      throw this.translate(error, { ...context, identifier: String(path) });
    }
  }

  #needWriter(context: ErrorContext): WriteThrough {
    if (this.#writer !== undefined) return this.#writer;
    const advice = "writeTo names a backend for its saves";
    throw new StorageError("READ_ONLY", `Workspace "${this.name}" takes no writes; ${advice}`, context);
  }
}
