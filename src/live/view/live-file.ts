/**
 * A file of scans as HDF5 readers know them: before it exists, while it is written, and afterwards. It is put together
 * from the layouts of its scans; what has left the engine is read from the finished file.
 *
 * @see blissdata `h5api/redis_hdf5.py`; h5py
 */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import type { CallOptions, WaitOptions } from "../engine.ts";
import { scanStates } from "../scan-state.ts";
import type { DatasetSource } from "./dataset-source.ts";
import { FileScans } from "./file-scans.ts";
import { FinishedFile } from "./finished-file.ts";
import { followNames } from "./follow-names.ts";
import type { LayoutNode } from "./layout.ts";
import { type LayoutContext, layoutItem } from "./layout-tree.ts";
import { LiveDataset } from "./live-dataset.ts";
import { LiveGroup } from "./live-group.ts";
import { besideFile, StoredFiles } from "./stored-files.ts";
import type { TreeAttributes, TreeGroup, TreeItem } from "./tree.ts";
import type { OtherDatasets } from "./virtual-source.ts";

/** Virtual datasets and links that may lead from one to the next. */
const DEEPEST = 64;

const NX_ROOT: TreeAttributes = new Map([["NX_class", { dtype: "string", shape: [], data: ["NXroot"] }]]);

/** Options of {@link LiveFile.open}. */
export interface LiveFileOptions extends CallOptions {
  /** Where the finished file is, if not at the path: an HDF5 file or a Zarr hierarchy, as a path or URI. */
  readonly finished?: string | undefined;
  /** Reads files that datasets refer to, and finished Zarr hierarchies. Default: a set of its own. */
  readonly backends?: BackendSet | undefined;
}

/** A place in the tree. */
interface Found {
  readonly file: LiveFile;
  readonly path: string;
  readonly item: TreeItem;
}

/** A file of scans, to read. */
export class LiveFile implements AsyncDisposable {
  /** Path, as the identities of its scans have it. */
  readonly path: string;
  readonly #store: DataStore | undefined;
  readonly #scans: FileScans | undefined;
  readonly #finished: FinishedFile;
  readonly #options: LiveFileOptions;
  readonly #linked = new Map<string, LiveFile>();
  readonly #files: StoredFiles;
  #ownBackends: Promise<BackendSet> | undefined;
  #depth = 0;

  private constructor(store: DataStore | undefined, path: string, options: LiveFileOptions) {
    this.path = path;
    this.#store = store;
    this.#scans = store && new FileScans(store, path);
    this.#options = options;
    const backends = () => this.#backends();
    this.#files = new StoredFiles(backends);
    this.#finished = new FinishedFile(options.finished ?? path, backends);
  }

  /**
   * Opens a file.
   *
   * @param store - Where its scans are, stays the caller's; `undefined`: only what is finished.
   * @param path - Path of the file: what scans have as `path` in their identity, and as the key in `info.h5maps`.
   * @throws A {@link StorageError} `NOT_FOUND` if there is no store, and no file.
   * @example
   * ```ts
   * import { LiveFile, openLive } from "sluice/live";
   * await using store = await openLive("/data/live");
   * await using file = await LiveFile.open(store, "/tmp/scans/test_session/data.h5");
   * ```
   */
  static async open(store: DataStore | undefined, path: string, options: LiveFileOptions = {}): Promise<LiveFile> {
    const file = new LiveFile(store, path, options);
    if (store !== undefined) return file;
    if ((await file.#finished.current(options)) !== undefined) return file;
    await file[Symbol.asyncDispose]();
    const message = `There is no file at ${options.finished ?? path}, and no store was given that has its scans`;
    throw new StorageError("NOT_FOUND", message, { operation: "open", identifier: path });
  }

  /**
   * What is at a path. Links are followed. A path need not begin with the name of a scan: `/instrument/diode` is looked
   * for in the scans as well. A scan that is not prepared yet is waited for: the one that is named by its number, or all if
   * the path is in none of the others.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`; `NOT_A_DIRECTORY` for a path through a dataset; `CONFLICT` if two scans
   * have it; `INVALID_DATA` for links that go in a circle, and for a layout that is wrong; `TIMED_OUT`.
   */
  async get(path: string, options: WaitOptions = {}): Promise<LiveGroup | LiveDataset> {
    const { file, path: name, item } = await this.#resolve(path, options, []);
    if (item.kind === "group") return new LiveGroup(file, name, item);
    if (item.kind === "dataset") return new LiveDataset(file, name, item, await item.open(options));
    throw new StorageError("UNEXPECTED", `"${path}" is still a link`);
  }

  /** The group at a path. @throws A {@link StorageError} as {@link LiveFile.get}, and `NOT_A_DIRECTORY` for a dataset. */
  async group(path: string, options: WaitOptions = {}): Promise<LiveGroup> {
    const item = await this.get(path, options);
    if (item.kind === "group") return item;
    throw new StorageError("NOT_A_DIRECTORY", `'${item.name}' is not a Group`, { identifier: path });
  }

  /**
   * The dataset at a path. For a group, the one that it is about: what its attribute `signal` names, along `default` from
   * group to group, else `data` or `value`.
   *
   * @throws A {@link StorageError} as {@link LiveFile.get}, and `IS_A_DIRECTORY` for a group that is about none.
   * @see NeXus, "Find the plottable data"
   */
  async dataset(path: string, options: WaitOptions = {}): Promise<LiveDataset> {
    let item = await this.get(path, options);
    for (let steps = 0; item.kind === "group" && steps < DEEPEST; steps++) {
      const { signal, default: next } = item.attributes;
      const keys = await item.keys(options);
      const name = [signal, next, "data", "value"].find((key) => typeof key === "string" && keys.includes(key));
      if (name === undefined) break;
      item = await item.get(name as string, options);
    }
    if (item.kind === "dataset") return item;
    const message = `'${item.name}' is a Group, and says of no dataset that it is about it`;
    throw new StorageError("IS_A_DIRECTORY", message, { identifier: path });
  }

  /** True if there is something at a path; false for a link that leads nowhere. */
  async has(path: string, options: WaitOptions = {}): Promise<boolean> {
    try {
      await this.#resolve(path, { timeoutMs: 0, ...options }, []);
      return true;
    } catch (error) {
      if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY", "TIMED_OUT")) return false;
      throw error;
    }
  }

  /** Names of what is in it now: groups of its scans. `path`: of what is in a group. */
  async keys(options: WaitOptions & { readonly path?: string | undefined } = {}): Promise<readonly string[]> {
    const { path = "/", ...others } = options;
    const { item } = await this.#resolve(path, others, []);
    if (item.kind === "group") return await item.names(others);
    throw new StorageError("NOT_A_DIRECTORY", `'${path}' is not a Group`, { identifier: path });
  }

  /** Number of groups in it now. */
  async length(options: CallOptions = {}): Promise<number> {
    return (await this.keys(options)).length;
  }

  /**
   * Names of the groups of its scans, first of those that are there, then as they come, each once. Ends after the first
   * if it has no store, else when the signal fires.
   */
  async *names(options: CallOptions & { readonly follow?: boolean | undefined } = {}): AsyncGenerator<string> {
    const { follow = true, signal } = options;
    // Not with the signal: those that are there come all the same.
    const seen = new Set(await this.keys());
    yield* seen;
    if (!follow || this.#store === undefined || this.#scans === undefined) return;
    yield* followNames(this.#store, this.#scans, seen, signal);
  }

  /** As {@link LiveFile.names}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    yield* this.names();
  }

  /**
   * The file as a tree, links not followed. For those who write it.
   *
   * @internal
   */
  get root(): TreeGroup {
    const scans = this.#scans;
    return {
      kind: "group",
      attributes: NX_ROOT,
      names: async (options) => {
        await scans?.look(options);
        const finished = await this.#finished.current(options);
        const names = [...((await finished?.root.names(options)) ?? []), ...((await scans?.names(options)) ?? [])];
        return [...new Set(names)];
      },
      child: async (name, options) => {
        const live = await this.#liveChild(name, options);
        return live ?? (await (await this.#finished.current(options))?.root.child(name, options));
      },
    };
  }

  /** Closes what it has opened; the store stays the caller's. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#linked.values()) await file[Symbol.asyncDispose]();
    this.#linked.clear();
    await this.#finished.close();
    await (await this.#ownBackends)?.close();
    this.#ownBackends = undefined;
  }

  /** The root with what the finished file says of itself. */
  async #rootNow(options: CallOptions): Promise<TreeGroup> {
    const finished = await this.#finished.current(options);
    return { ...this.root, attributes: new Map([...NX_ROOT, ...(finished?.root.attributes ?? [])]) };
  }

  async #liveChild(name: string, options: CallOptions): Promise<TreeItem | undefined> {
    if (this.#scans === undefined) return undefined;
    await this.#scans.look(options);
    const found = await this.#scans.find(name, options);
    if (found.length > 1) {
      const keys = found.map(({ scan }) => scan.key).join(" and ");
      throw new StorageError("CONFLICT", `Found multiple scans with '/${name}' in ${this.path}: ${keys}`, {
        identifier: `/${name}`,
      });
    }
    const [hit] = found;
    if (hit === undefined) return undefined;
    const context: LayoutContext = {
      scan: hit.scan,
      file: this.path,
      files: this.#files,
      others: this.#others,
      finished: (path) => this.#finishedSource(path),
    };
    return layoutItem(hit.root.children?.[name] as LayoutNode, `/${name}`, context);
  }

  /** Follows a path and the links on it. `visited`: paths with links that led here, with their files. */
  async #resolve(path: string, options: WaitOptions, visited: readonly string[]): Promise<Found> {
    let names = namesOf(path);
    const seen = [...visited];
    for (;;) {
      const whole = `/${names.join("/")}`;
      const place = `${this.path}:${whole}`;
      if (seen.includes(place)) {
        const paths = seen.map(
          (link) => `'${link.startsWith(`${this.path}:`) ? link.slice(this.path.length + 1) : link}'`,
        );
        const message = `'${path}': path can't be resolved, found link cycle: [${paths.join(", ")}]`;
        throw new StorageError("INVALID_DATA", message, { identifier: path });
      }
      seen.push(place);
      const { item, at, rest, above } = await this.#walk(names, options);
      if (item.kind === "external link") {
        const other = this.#file(item.file);
        return await other.#resolve([item.path, ...rest].join("/"), options, seen);
      }
      if (item.kind !== "soft link") {
        if (rest.length === 0) return { file: this, path: at, item };
        const message = `'${at}' is not a Group, can't reach '${at}/${rest.join("/")}'`;
        throw new StorageError("NOT_A_DIRECTORY", message, { identifier: path });
      }
      names = [...(item.path.startsWith("/") ? [] : namesOf(above)), ...namesOf(item.path), ...rest];
    }
  }

  /** Goes down as far as there are groups. */
  async #walk(
    names: readonly string[],
    options: WaitOptions,
  ): Promise<{ item: TreeItem; at: string; rest: readonly string[]; above: string }> {
    let item: TreeItem = names.length > 0 ? this.root : await this.#rootNow(options);
    let at = "";
    let above = "/";
    for (const [i, name] of names.entries()) {
      if (item.kind !== "group") return { item, at, rest: names.slice(i), above };
      let child: TreeItem | undefined = await item.child(name, options);
      let below = `${at}/${name}`;
      if (child === undefined && i === 0) {
        const entry = await this.#inEntries(name, options);
        if (entry !== undefined) ({ item: child, at: below } = entry);
      }
      if (child === undefined) {
        throw new StorageError("NOT_FOUND", `No such path: '${at}/${name}'`, { identifier: `/${names.join("/")}` });
      }
      above = below.slice(0, below.lastIndexOf("/")) || "/";
      at = below;
      item = child;
    }
    return { item, at: at || "/", rest: [], above };
  }

  /** A name that is not at the root: that of a scan to come, or something in the entry of a scan. */
  async #inEntries(name: string, options: WaitOptions): Promise<{ item: TreeItem; at: string } | undefined> {
    const number = /^(\d+)\.\d+$/.exec(name)?.[1];
    const found = number === undefined ? await this.#nowInEntries(name, options) : undefined;
    if (found !== undefined || !(await this.#waitPrepared(number, name, options))) return found;
    const item = await this.root.child(name, options);
    return item === undefined ? await this.#nowInEntries(name, options) : { item, at: `/${name}` };
  }

  async #nowInEntries(name: string, options: WaitOptions): Promise<{ item: TreeItem; at: string } | undefined> {
    const hits: { item: TreeItem; at: string }[] = [];
    for (const entry of await this.root.names(options)) {
      const group = await this.root.child(entry, options);
      if (group?.kind !== "group" || group.attributes.get("NX_class") === undefined) continue;
      const isEntry = (group.attributes.get("NX_class") as { data?: readonly unknown[] }).data?.[0] === "NXentry";
      const item = isEntry ? await group.child(name, options) : undefined;
      if (item !== undefined) hits.push({ item, at: `/${entry}/${name}` });
    }
    if (hits.length < 2) return hits[0];
    const paths = hits.map(({ at }) => `'${at}'`).join(" and ");
    throw new StorageError("CONFLICT", `'/${name}' is in several scans of ${this.path}: ${paths}`, {
      identifier: `/${name}`,
    });
  }

  /** Waits for scans that show nothing yet: those of a number, or all of the file. True if there were any. */
  async #waitPrepared(number: string | undefined, name: string, options: WaitOptions): Promise<boolean> {
    if (this.#store === undefined || this.#scans === undefined) return false;
    const path = this.path.replace(/[\\*]/g, "\\$&");
    const identity = { path, ...(number === undefined ? {} : { number: Number(number) }) };
    const { keys } = await this.#store.search({ identity, states: [scanStates.CREATED] }, { signal: options.signal });
    for (const key of keys) {
      const scan = await this.#store.loadScan(key, { signal: options.signal });
      if (await scan.waitState(scanStates.PREPARED, options)) continue;
      const message = `Scan ${scan.identity.number ?? key} of ${this.path} was not prepared in time`;
      throw new StorageError("TIMED_OUT", message, { identifier: `/${name}`, retryable: true });
    }
    return keys.length > 0;
  }

  /** Another file; the same object each time. */
  #file(name: string): LiveFile {
    const path = name === "." ? this.path : besideFile(this.path, name);
    if (path === this.path) return this;
    const known = this.#linked.get(path);
    if (known !== undefined) return known;
    const { finished: _, ...options } = this.#options;
    const file = new LiveFile(this.#store, path, options);
    this.#linked.set(path, file);
    return file;
  }

  readonly #others: OtherDatasets = {
    read: async (file, path, part, options) => {
      if (this.#depth >= DEEPEST) {
        throw new StorageError("INVALID_DATA", `The virtual dataset '${path}' shows itself`, { identifier: path });
      }
      this.#depth++;
      try {
        const source = await this.#source(file, path, options);
        const { length } = await source.extent(0, options);
        return await source.read(part(source.maxShape.map((size) => size ?? length)), options);
      } finally {
        this.#depth--;
      }
    },
    waitFinal: async (file, path, options) =>
      (await (await this.#source(file, path, options)).extent("end", options)).isFinal,
  };

  async #source(file: string, path: string, options: WaitOptions): Promise<DatasetSource> {
    const { item } = await this.#file(file).#resolve(path, options, []);
    if (item.kind === "dataset") return await item.open(options);
    throw new StorageError("IS_A_DIRECTORY", `'${path}' is a Group`, { identifier: path });
  }

  async #finishedSource(path: string): Promise<DatasetSource | undefined> {
    let item: TreeItem | undefined = (await this.#finished.current({}))?.root;
    for (const name of namesOf(path)) item = item?.kind === "group" ? await item.child(name, {}) : undefined;
    return item?.kind === "dataset" ? await item.open({}) : undefined;
  }

  async #backends(): Promise<BackendSet> {
    if (this.#options.backends !== undefined) return this.#options.backends;
    this.#ownBackends ??= import("../../../registry/index.ts").then(
      ({ BackendSet, createRegistry }) => new BackendSet(createRegistry()),
    );
    return await this.#ownBackends;
  }
}

/** Names along a path. */
function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
