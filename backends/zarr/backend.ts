/** A Zarr hierarchy as a value backend. */
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ArrayTree, ArrayTreeSource } from "../../src/core/array-tree.ts";
import type { DirectoryEntry } from "../../src/core/backend.ts";
import type { BatchOptions } from "../../src/core/batch.ts";
import type { ByteStore, OperationOptions, TransferOptions } from "../../src/core/byte-store.ts";
import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";
import { checkNdArray } from "../../src/core/checks.ts";
import type { SaveResult } from "../../src/core/data-sink.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import type { FrameStack, FrameStackOptions, FrameStackSource } from "../../src/core/frame-stack.ts";
import { parentKey } from "../../src/core/key.ts";
import type { LiveFrameSource, LiveFrames } from "../../src/core/live-frames.ts";
import { type AxisSelection, isNdArray, type NdArray } from "../../src/core/nd-array.ts";
import type { BackendStat, DoStatOptions } from "../../src/core/readable-backend.ts";
import type { ArrayLevel, ReadRegionOptions, RegionSource } from "../../src/core/region.ts";
import { type DoSaveOptions, StorageBackend } from "../../src/core/storage-backend.ts";
import { ZarrTree } from "./array-tree.ts";
import type { ZarrBackendOptions, ZarrBatchOptions, ZarrLoadOptions, ZarrSaveOptions } from "./backend-options.ts";
import { castArray } from "./cast.ts";
import { formatFor, planArray, requireGroup } from "./create.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { KnownNodes } from "./known-nodes.ts";
import { type StoredLevel, storedLevels } from "./levels.ts";
import { type ArrayLayoutOptions, layoutOptionsOf } from "./new-array.ts";
import { type BatchFile, BatchFiles, partOfPlate } from "./ngff/batch-files.ts";
import { dtypeOfNode, type ZarrNode } from "./nodes.ts";
import {
  copyArray,
  copyGroup,
  isReserved,
  moveNode,
  type Placement,
  removeGroup,
  removeNode,
  replaceArray,
  reservedName,
  saveArray,
} from "./place-array.ts";

const MISSING: BackendStat = { kind: "missing", exists: false };
const DIRECTORY: BackendStat = { kind: "directory", exists: true };

/** Nodes that a listing looks at at the same time. */
const LOOKS_AT_ONCE = 16;

/**
 * Paths are nodes of a Zarr hierarchy. An array is saved as an array node at exactly its path, whatever the suffix; any
 * other value goes through the codec of its suffix and lies as a plain file beside the arrays. Groups, and folders of a
 * store that are no groups, are directories; what Zarr needs for itself is never listed.
 *
 * - A save is seen whole or not at all; see `place-array.ts` for how an array is replaced on each kind of store.
 * - Saves through one backend to one path run one after another; of savers in several processes, one wins.
 * - Reads have no side effects.
 *
 * @see OpenHCS `io/zarr.py`
 */
export class ZarrBackend
  extends StorageBackend
  implements RegionSource, FrameStackSource, LiveFrameSource, ArrayTreeSource
{
  readonly key = "zarr";
  readonly capabilities: Capabilities;
  protected override readonly loadsParts = true;
  /** Where the hierarchy is. */
  readonly store: ByteStore;
  /** The plain files beside the arrays. */
  readonly #files: FileBackend;
  readonly #layout: NonNullable<ZarrBackendOptions["layout"]>;
  readonly #release: (store: ByteStore) => Promise<void>;
  readonly #nodes: KnownNodes;
  /** Items of batches, which are parts of arrays. */
  readonly #batches: BatchFiles;
  readonly #turns = new KeyedQueue();

  constructor(store: ByteStore, options: ZarrBackendOptions = {}) {
    super(options);
    const { write, list, persistent } = store.capabilities;
    this.store = store;
    this.capabilities = {
      ...storageCapabilities,
      write,
      list,
      persistent,
      directories: write,
      requiresFilesystemValidation: write,
      frames: true,
    };
    this.#files = new FileBackend(store, { key: "zarr", instance: options.instance ?? "zarr" });
    this.#layout = options.layout ?? {};
    this.#nodes = new KnownNodes(store);
    this.#batches = new BatchFiles(store, this.#nodes);
    this.#release = options.release ?? ((opened) => opened.close());
  }

  override load(path: string, options: ZarrLoadOptions = {}): Promise<unknown> {
    return super.load(path, options);
  }

  override loadBatch(paths: readonly string[], options: ZarrLoadOptions & BatchOptions = {}): Promise<unknown[]> {
    return super.loadBatch(paths, options);
  }

  override save(data: unknown, identifier: string, options: ZarrSaveOptions = {}): Promise<SaveResult> {
    return super.save(data, identifier, options);
  }

  override saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: ZarrBatchOptions = {},
  ): Promise<SaveResult[]> {
    const { layout, ifExists = this.ifExists, compressor = this.#layout.compressor } = options;
    if (layout === undefined) return super.saveBatch(dataList, identifiers, options);
    return this.perform("saveBatch", identifiers[0] ?? "", options, async () => {
      const { writeBatch } = await import("./ngff/write-batch.ts");
      const given = { ...options, layout, ifExists, compressor, files: this.#batches };
      return writeBatch(this.store, dataList, identifiers, given, this.#layout.zarrFormat);
    });
  }

  /** Where an array is the first of a multiscale image, the resolutions that the image lists. */
  levels(path: string, options: OperationOptions = {}): Promise<readonly ArrayLevel[]> {
    return this.perform("levels", path, options, (key) => this.#levels(key, options));
  }

  readRegion(path: string, selection: readonly AxisSelection[], options: ReadRegionOptions = {}): Promise<NdArray> {
    return this.perform("readRegion", path, options, async (key) => {
      const { resolution = 0, ...load } = options;
      const level = resolution === 0 ? { path: key } : (await this.#levels(key, options))[resolution];
      if (level === undefined) throw new StorageError("OUT_OF_RANGE", `"${path}" has no resolution ${resolution}`);
      return checkNdArray(await this.doLoad(level.path, { ...load, selection }));
    });
  }

  openFrameStack(path: string, options: FrameStackOptions): Promise<FrameStack> {
    return this.perform("openFrameStack", path, options, async (key) => {
      const { openZarrStack } = await import("./frame-stack.ts");
      return openZarrStack(this.store, key, options, this.#layout);
    });
  }

  /** Groups, arrays and their attributes, one by one. */
  arrayTree(root = ""): ArrayTree {
    return new ZarrTree(this.store, root);
  }

  openLiveFrames(path: string, options: OperationOptions = {}): Promise<LiveFrames> {
    return this.perform("openLiveFrames", path, options, async (key) => {
      const { openLiveFramesOf } = await import("./live-frames.ts");
      return openLiveFramesOf(this.store, key, options);
    });
  }

  protected override async doLoad(key: string, options: ZarrLoadOptions): Promise<unknown> {
    const { selection, signal } = options;
    const node = await this.#find(key, options);
    if (node?.kind === "array") {
      const array = await this.#nodes.open(node, { signal });
      return array.read(selection, { signal });
    }
    const item = await this.#itemAt(key, node, { signal });
    if (item !== undefined) return this.#batches.load(item, selection, { signal });
    const { kind } = await this.#statOf(key, node, options);
    const context = { backend: this.name, operation: "load", identifier: key };
    if (kind === "missing") throw new StorageError("NOT_FOUND", `No "${key}" in "${this.name}"`, context);
    if (kind === "directory") throw new StorageError("IS_A_DIRECTORY", `"${key}" is a directory`, context);
    return this.#files.load(key, options);
  }

  protected override async doStat(key: string, options: DoStatOptions): Promise<BackendStat> {
    if (isHidden(key)) return MISSING;
    try {
      return await this.#statOf(key, await this.#find(key, options), options);
    } catch (error) {
      // Something is there, and loading it says what is wrong with it.
      if (isStorageError(error, "CORRUPT")) return { kind: "file", exists: true };
      throw error;
    }
  }

  protected override async *doList(key: string, options: OperationOptions): AsyncIterable<DirectoryEntry> {
    const prefix = key === "" ? "" : `${key}/`;
    let page: Promise<DirectoryEntry | undefined>[] = [];
    const seen = new Set<string>();
    for await (const entry of this.store.list({ prefix, delimiter: "/", signal: options.signal })) {
      const name = entry.key.slice(prefix.length);
      if (isReserved(name)) continue;
      seen.add(name);
      page.push(this.#describe(name, entry.key, entry.kind, options));
      if (page.length < LOOKS_AT_ONCE) continue;
      yield* (await Promise.all(page)).filter((found) => found !== undefined);
      page = [];
    }
    yield* (await Promise.all(page)).filter((found) => found !== undefined);
    for (const [name, kind] of await this.#batches.list(key, options)) if (!seen.has(name)) yield { name, kind };
  }

  protected override doSave(
    data: unknown,
    key: string,
    options: ZarrSaveOptions & DoSaveOptions,
    context: ErrorContext,
  ): Promise<SaveResult> {
    if (isHidden(key)) throw reservedName(this.store, key);
    return this.#turns.run(key, async () => {
      const { ifExists, signal } = options;
      const node = await this.#find(key, { signal });
      const { kind } = await this.#statOf(key, node, { signal });
      if (kind === "directory") {
        throw new StorageError("IS_A_DIRECTORY", `"${key}" in "${this.name}" is a directory`, context);
      }
      if (kind === "file" && ifExists === "skip") return { status: "skipped", identifier: key };
      if (kind === "file" && ifExists === "error") throw this.#exists(key, context);
      if (await this.#itemAt(key, node, { signal })) throw partOfPlate(key, context);
      const isArray = isNdArray(data) && (options.format === undefined || options.format === "zarr");
      if (isArray) {
        await this.#saveArray(data, key, options);
        return { status: kind === "file" ? "replaced" : "created", identifier: key };
      }
      return this.#saveFile(data, key, options, node?.kind === "array");
    });
  }

  protected override async doDelete(key: string, kind: BackendStat["kind"], options: OperationOptions): Promise<void> {
    if (kind === "directory") return removeGroup(this.store, key, options);
    const node = await this.#find(key, options);
    if (await this.#itemAt(key, node, options)) throw partOfPlate(key, { backend: this.name });
    await removeNode(this.store, key, node?.kind === "array", options);
  }

  protected override doDeleteAll(key: string, options: OperationOptions): Promise<void> {
    return removeGroup(this.store, key, options);
  }

  protected override async doCreateDirectory(key: string, options: OperationOptions): Promise<void> {
    if (isHidden(key)) throw reservedName(this.store, key);
    if (key !== "") await requireGroup(this.store, key, await this.#format(key, options), options);
  }

  protected override doCopy(from: string, to: string, options: TransferOptions): Promise<void> {
    return this.#transfer("copy", from, to, options);
  }

  protected override doMove(from: string, to: string, options: TransferOptions): Promise<void> {
    return this.#transfer("move", from, to, options);
  }

  protected override async doClose(): Promise<void> {
    await this.#release(this.store);
  }

  async #levels(key: string, options: OperationOptions): Promise<StoredLevel[]> {
    const levels = await storedLevels(this.store, key, options);
    if (levels !== undefined) return levels;
    const { shape, dtype } = checkNdArray(await this.doLoad(key, options));
    return [{ path: key, shape, dtype, downsampling: shape.map(() => 1) }];
  }

  async #saveArray(data: NdArray, key: string, options: ZarrSaveOptions & DoSaveOptions): Promise<void> {
    const { cast } = options;
    const array = cast === undefined ? data : castArray(data, cast);
    const format = await this.#format(key, options);
    const { shape, dtype } = array;
    // A save that names its codecs leaves none of the backend's.
    const { compressor, codecs, ...layout } = this.#layout;
    const usual = options.compressor === undefined && options.codecs === undefined ? { compressor, codecs } : {};
    const plan = planArray({ ...layout, ...layoutOptionsOf(options), ...usual, shape, dtype }, format, key);
    await saveArray(this.store, key, array, plan, this.#placement(key, options, format));
  }

  async #saveFile(data: unknown, key: string, options: DoSaveOptions, replacesArray: boolean): Promise<SaveResult> {
    if (!replacesArray) return this.#files.save(data, key, { ...options, createParents: true });
    // What cannot be encoded is told in the name of its path.
    const codec = this.#files.codecs.forValue(data, key, options.format);
    await codec.encode(data, { identifier: key, options: options.codecOptions ?? {}, signal: options.signal });
    const result = await replaceArray(this.store, key, (place) =>
      this.#files.save(data, place, { ...options, format: codec.name, ifExists: "error" }),
    );
    return { ...result, status: "replaced", identifier: key } as SaveResult;
  }

  async #transfer(verb: "copy" | "move", from: string, to: string, options: TransferOptions): Promise<void> {
    const { signal } = options;
    if (isHidden(to)) throw reservedName(this.store, to);
    const node = await this.#find(from, { signal });
    const placement = this.#placement(to, options, node === undefined || node.kind === "claim" ? 3 : node.format);
    if (node?.kind === "array") {
      if (verb === "copy") await copyArray(this.store, from, to, placement);
      else await moveNode(this.store, from, to, "array", placement);
      return;
    }
    if ((await this.#statOf(from, node, { signal })).kind === "directory") {
      if (verb === "copy") await copyGroup(this.store, from, to, { signal });
      else await moveNode(this.store, from, to, "group", placement);
      return;
    }
    const item = await this.#itemAt(from, node, { signal });
    if (item !== undefined) {
      if (verb === "move") throw partOfPlate(from, { backend: this.name });
      const { ifExists = "error" } = options;
      await this.#saveArray(await this.#batches.load(item, undefined, { signal }), to, { signal, ifExists });
      return;
    }
    if (placement.mayReplace && (await this.#find(to, { signal }))?.kind === "array") {
      await replaceArray(this.store, to, (place) => this.store.copy(from, place, { signal }));
      if (verb === "move") await this.store.delete(from);
    } else if (verb === "copy") await this.store.copy(from, to, options);
    else await this.store.rename(from, to, options);
  }

  #placement(key: string, options: TransferOptions | DoSaveOptions, format: 2 | 3): Placement {
    const { signal } = options;
    const prepare = () => requireGroup(this.store, parentKey(key), format, { signal });
    return { mayReplace: options.ifExists === "replace", prepare, signal };
  }

  /** The version of Zarr that a new node gets. */
  async #format(key: string, options: OperationOptions & Pick<ArrayLayoutOptions, "zarrFormat">): Promise<2 | 3> {
    const { signal, zarrFormat } = options;
    if (zarrFormat !== undefined) return formatFor(this.store, key, { signal, zarrFormat });
    return formatFor(this.store, key, { signal, usual: this.#layout.zarrFormat });
  }

  #find(key: string, { signal }: OperationOptions): Promise<ZarrNode | undefined> {
    return isHidden(key) ? Promise.resolve(undefined) : this.#nodes.find(key, { signal });
  }

  async #statOf(key: string, node: ZarrNode | undefined, { signal }: OperationOptions): Promise<BackendStat> {
    if (isHidden(key) || node?.kind === "claim") return MISSING;
    if (node?.kind === "group") return DIRECTORY;
    if (node?.kind === "array") return { kind: "file", exists: true, shape: node.shape, ...dtypeOfNode(node) };
    if (key === "") return DIRECTORY;
    const { path: _, ...stat } = await this.#files.stat(key, { signal });
    if (stat.kind === "missing") return this.#batches.stat(key, { signal });
    if (await this.#isInArray(parentKey(key), { signal })) return MISSING;
    if (stat.kind !== "symlink") return stat.kind === "directory" ? DIRECTORY : stat;
    // Links are followed: a hierarchy has none of its own.
    if (await this.#files.isDir(key, { signal })) return DIRECTORY;
    return (await this.#files.isFile(key, { signal })) ? { kind: "file", exists: true } : MISSING;
  }

  /** True for what is below an array: its chunks, and the folders that they are in. */
  async #isInArray(key: string, options: OperationOptions): Promise<boolean> {
    const node = await this.#find(key, options);
    if (node !== undefined) return node.kind !== "group";
    return key !== "" && this.#isInArray(parentKey(key), options);
  }

  async #describe(
    name: string,
    key: string,
    kind: "file" | "directory" | "symlink",
    options: OperationOptions,
  ): Promise<DirectoryEntry | undefined> {
    if (kind === "file") return { name, kind };
    try {
      const node = await this.#find(key, options);
      if (node?.kind === "claim") return undefined;
      if (node?.kind === "array") return { name, kind: "file" };
      if (kind === "directory") return { name, kind };
      const stat = await this.#statOf(key, node, options);
      return stat.kind === "missing" ? undefined : { name, kind: stat.kind };
    } catch (error) {
      if (isStorageError(error, "CORRUPT")) return { name, kind: "file" };
      throw error;
    }
  }

  /** The item of a batch that a path stands for, where nothing lies at the path itself. */
  async #itemAt(key: string, node: ZarrNode | undefined, options: OperationOptions): Promise<BatchFile | undefined> {
    if (node !== undefined || isHidden(key)) return undefined;
    return (await this.#files.exists(key, { signal: options.signal })) ? undefined : this.#batches.find(key, options);
  }

  #exists(key: string, context: ErrorContext): StorageError {
    const message = `"${key}" exists in "${this.name}"; pass ifExists: "replace" or "skip", or choose another key`;
    return new StorageError("ALREADY_EXISTS", message, context);
  }
}

/** True for a key that Zarr has for itself, or that is below one. */
function isHidden(key: string): boolean {
  return key.split("/").some(isReserved);
}
