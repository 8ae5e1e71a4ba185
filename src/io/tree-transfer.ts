/** Copies, moves and synchronises trees between any two backends. */
import { type BatchOptions, mapBatch } from "../core/batch.ts";
import type { IfExists } from "../core/data-sink.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError } from "../core/errors.ts";
import { isInside, joinKey, normalizeKey } from "../core/key.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { collectEntries } from "./collect-tree.ts";
import { copierBetween, type ItemCopier } from "./item-copier.ts";
import { needOperation } from "./need-operation.ts";
import { bytesOf, keyIn } from "./store-of.ts";
import type { Ends } from "./transfer.ts";

/** How far a tree transfer has come. */
export interface TreeProgress {
  /** Files done: copied, found equal, kept or failed. */
  readonly files: number;
  readonly filesTotal: number;
  /** Bytes of files done, and of those under way as far as they are. */
  readonly byteLength: number;
  /** Bytes of all files, where the source knows them. */
  readonly byteLengthTotal: number;
  /** The file that something just happened to, relative to the tree. */
  readonly path: string;
}

/** Options of `copyTree` and `moveTree`. */
export interface CopyTreeOptions extends BatchOptions {
  /** What happens to a file that is there already and differs. Default `"error"`. Equal files are never written again. */
  readonly ifExists?: IfExists | undefined;
  /**
   * How files that are there already are compared. `"content"` reads both sides; `"size"` compares lengths, which is
   * fast and takes a changed file of the same length for equal. Default `"content"`.
   */
  readonly compare?: "content" | "size" | undefined;
  /**
   * How a copy is checked. `"written"`: by length and checksum of what was handed to the target. `"read"`: also by
   * reading it back. Default `"written"`; a move always reads.
   */
  readonly verify?: "written" | "read" | undefined;
  /** `"values"` loads and saves even where bytes could be copied, to change the format. Default `"auto"`. */
  readonly as?: "auto" | "values" | undefined;
  /** Only tells what would happen. */
  readonly dryRun?: boolean | undefined;
  /** Called after each file, and within large ones. */
  readonly onProgress?: ((progress: TreeProgress) => void) | undefined;
}

/** Options of `sync`. */
export interface SyncOptions extends Omit<CopyTreeOptions, "ifExists"> {
  /** Removes from the target what the source does not have, once everything else has worked. Default `false`. */
  readonly delete?: boolean | undefined;
}

/** What became of one file. */
export interface TreeItem {
  /** Path relative to the tree; `""` if the source is a single file. */
  readonly path: string;
  /**
   * `copied` (nothing was there), `replaced`, `equal` (was there already), `kept` (differs, and `ifExists` is `"skip"`),
   * `deleted` (only in the target), `failed`.
   */
  readonly status: "copied" | "replaced" | "equal" | "kept" | "deleted" | "failed";
  /** Length of the source, where it is known. */
  readonly byteLength?: number | undefined;
  /** Why it failed. */
  readonly error?: StorageError | undefined;
}

/**
 * Copies a file or a tree. What is there already and equal is not written again, so that a copy that was interrupted
 * or killed continues where it was; each file appears whole or not at all.
 *
 * Links are followed to files; a link to a directory, or to nothing, is left out.
 *
 * @returns One item a file, in natural order.
 * @throws A {@link StorageError}: `NOT_FOUND`, `ALREADY_EXISTS`, `INVALID_KEY` (one tree lies inside the other),
 * `CORRUPT` (a copy was not what was read), `ABORTED`, or what a backend threw; several failures as an
 * `AggregateError` once every file was tried, or with `onError: "collect"` as items.
 */
export async function copyTree(ends: Ends, options: CopyTreeOptions = {}): Promise<TreeItem[]> {
  const { items } = await copyAll(ends, options, "copyTree");
  return items;
}

/**
 * Makes the target hold what the source holds: copies what is missing, replaces what differs, and with `delete` removes
 * what the source does not have. Nothing is removed if anything failed.
 *
 * @returns As {@link copyTree}, then one item for each file that was removed.
 * @throws As {@link copyTree}.
 */
export async function syncTree(ends: Ends, options: SyncOptions = {}): Promise<TreeItem[]> {
  const { items, isSingle } = await copyAll(ends, { ...options, ifExists: "replace" }, "sync");
  if (!options.delete || isSingle || items.some((item) => item.status === "failed")) return items;
  const target = needOperation(ends.target, "delete");
  const { signal } = options;
  if (!(await target.isDir(ends.to, { signal }))) return items;
  const source = await collectEntries(ends.source as StorageBackend, ends.from, { signal });
  const wanted = new Set([...source.files, ...source.directories, ...source.links]);
  const there = await collectEntries(target, ends.to, { signal });
  const extra = [...new Set([...there.files, ...there.links])].filter((path) => !wanted.has(path));
  const deleted = await mapBatch<string, TreeItem>(
    extra,
    async (path) => {
      if (!options.dryRun) await target.delete(joinKey(ends.to, path), { signal });
      return { path, status: "deleted" };
    },
    options,
    (error, path) => ({ path, status: "failed", error }),
  );
  if (!options.dryRun && target.capabilities.directories) {
    const linked = new Set(there.links);
    // The deepest first; one that still holds something (a deletion failed) stays.
    const empty = there.directories.filter((path) => !wanted.has(path) && !linked.has(path));
    const failed = deleted.filter((item) => item.status === "failed").map((item) => item.path);
    for (const path of empty.sort((a, b) => b.length - a.length)) {
      if (failed.some((left) => isInside(left, path))) continue;
      await target.delete(joinKey(ends.to, path), { signal });
    }
  }
  return [...items, ...deleted];
}

/**
 * Moves a file or a tree. Every copy is read back and compared, and nothing is removed from the source before all of
 * them are right; a file that changed meanwhile stays. With `onError: "collect"`, files that failed stay, the others go.
 *
 * @returns As {@link copyTree}.
 * @throws As {@link copyTree}; `UNSUPPORTED` if the tree has links, which would be lost; `CONFLICT` if a file changed
 * after it was copied.
 */
export async function moveTree(ends: Ends, options: CopyTreeOptions = {}): Promise<TreeItem[]> {
  const source = needOperation(ends.source, "delete");
  const { signal } = options;
  const { items, stats, directories, isSingle } = await copyAll(
    ends,
    // Lengths alone are not enough to remove the other copy.
    { ...options, verify: "read", compare: "content" },
    "moveTree",
  );
  if (options.dryRun) return items;
  const results = await mapBatch<TreeItem, TreeItem>(
    items,
    async (item) => {
      if (item.status === "failed" || item.status === "kept") return item;
      const path = item.path === "" ? ends.from : joinKey(ends.from, item.path);
      const now = await source.stat(path, { signal });
      const before = stats.get(item.path) as EntryStat;
      if (now.etag !== before.etag || now.modifiedMs !== before.modifiedMs || now.byteLength !== before.byteLength) {
        throw new StorageError("CONFLICT", `"${path}" changed while it was moved; it stays, beside its older copy`, {
          backend: source.name,
          operation: "moveTree",
          identifier: path,
          retryable: true,
        });
      }
      await source.delete(path, { signal });
      return item;
    },
    options,
    (error, item) => ({ ...item, status: "failed", error }),
  );
  const isWhole = results.every((item) => item.status !== "failed" && item.status !== "kept");
  if (isWhole && !isSingle && source.capabilities.directories) {
    for (const path of [...directories].sort((a, b) => b.length - a.length)) {
      await source.delete(joinKey(ends.from, path), { signal });
    }
    if (normalizeKey(ends.from) !== "") await source.delete(ends.from, { signal });
  }
  return results;
}

interface Copied {
  readonly items: TreeItem[];
  /** What each source file was when it was copied, by path. */
  readonly stats: Map<string, EntryStat>;
  readonly directories: readonly string[];
  readonly isSingle: boolean;
}

async function copyAll(ends: Ends, options: CopyTreeOptions, operation: string): Promise<Copied> {
  const { from, to, signal, source, target } = { ...ends, signal: options.signal };
  const readable = needOperation(source, "load");
  const writable = needOperation(target, "save");
  const root = await readable.stat(from, { signal });
  const context = { backend: source.name, operation, identifier: from };
  if (!root.exists) throw new StorageError("NOT_FOUND", `No "${from}" in "${source.name}"`, context);
  await refuseOverlap(ends, operation);
  const isSingle = await readable.isFile(from, { signal });
  const tree = isSingle
    ? { files: [""], directories: [], links: [] }
    : await collectEntries(readable, from, { signal });
  if (operation === "moveTree" && (tree.links.length > 0 || root.kind === "symlink")) {
    const message = `"${joinKey(from, tree.links[0] ?? "")}" is a link, which a move between backends would lose`;
    throw new StorageError("UNSUPPORTED", `${message}; copy the tree, then remove it`, context);
  }
  const linked = new Set(tree.links);
  const directories = tree.directories.filter((path) => !linked.has(path));
  if (!options.dryRun && !isSingle && writable.capabilities.directories) {
    await writable.ensureDirectory(to, { signal });
    for (const path of directories) await writable.ensureDirectory(joinKey(to, path), { signal });
  }
  const stats = new Map<string, EntryStat>();
  const known = await mapBatch(
    tree.files,
    async (path) => {
      const stat = await statFile(readable, path === "" ? from : joinKey(from, path), options);
      stats.set(path, stat);
      return stat.byteLength ?? 0;
    },
    { concurrency: options.concurrency, signal },
    (error) => {
      throw error;
    },
  );
  const progress = new Progress(
    tree.files.length,
    known.reduce((sum, each) => sum + each, 0),
    options.onProgress,
  );
  const copier = await copierBetween(source, target, options.as ?? "auto");
  const items = await mapBatch<string, TreeItem>(
    tree.files,
    async (path) => {
      const stat = stats.get(path) as EntryStat;
      const one: OneFile = {
        path,
        stat,
        from: path === "" ? from : joinKey(from, path),
        to: path === "" ? to : joinKey(to, path),
      };
      let status: TreeItem["status"] = "failed";
      let counted = 0;
      try {
        status = await copyOne(one, copier, writable, options, (byteLength) => {
          counted += byteLength;
          progress.add(path, byteLength, 0);
        });
      } finally {
        progress.add(path, (stat.byteLength ?? 0) - counted, 1);
      }
      return { path, status, ...(stat.byteLength === undefined ? {} : { byteLength: stat.byteLength }) };
    },
    options,
    (error, path) => ({ path, status: "failed", error }),
  );
  return { items, stats, directories, isSingle };
}

interface OneFile {
  readonly path: string;
  readonly stat: EntryStat;
  readonly from: string;
  readonly to: string;
}

async function copyOne(
  { from, to, stat }: OneFile,
  copier: ItemCopier,
  target: StorageBackend,
  options: CopyTreeOptions,
  onBytes: (byteLength: number) => void,
): Promise<TreeItem["status"]> {
  const { ifExists = "error", compare = "content", verify = "written", signal } = options;
  const there = await target.stat(to, { signal });
  const isThere = there.exists && there.kind !== "directory";
  if (isThere && (await copier.isEqual(from, to, compare, { signal }))) return "equal";
  if (isThere && ifExists === "skip") return "kept";
  if (isThere && ifExists === "error") {
    throw new StorageError(
      "ALREADY_EXISTS",
      `"${to}" exists in "${target.name}" and differs; pass ifExists: "replace" or "skip"`,
      { backend: target.name, operation: "copyTree", identifier: to },
    );
  }
  if (!options.dryRun) {
    await copier.copy({ from, to, stat, replaces: isThere, readsBack: verify === "read", onBytes, signal });
  }
  return isThere ? "replaced" : "copied";
}

/** What a path leads to: of a link, the file. */
async function statFile(source: StorageBackend, path: string, { signal }: CopyTreeOptions): Promise<EntryStat> {
  const stat = await source.stat(path, { signal });
  if (stat.kind !== "symlink") return stat;
  const store = await bytesOf(source);
  if (store === undefined) return { path, kind: "file", exists: true };
  const { byteLength, etag, modifiedMs } = await store.stat(keyIn(store, path), { signal });
  return { path, kind: "file", exists: true, byteLength, etag, modifiedMs };
}

/** Refuses trees of which one lies in the other: a copy would feed on itself, and a deletion would take its source. */
async function refuseOverlap({ source, from, target, to }: Ends, operation: string): Promise<void> {
  const [one, other] = [await bytesOf(source), await bytesOf(target)];
  let [a, b] = [normalizeKey(from), normalizeKey(to)];
  if (one && other) {
    // Two stores may be the same folder, which their file URIs tell; those of other schemes say too little.
    [a, b] = [trimSlash(one.uri(keyIn(one, from))), trimSlash(other.uri(keyIn(other, to)))];
    if (one !== other && !(a.startsWith("file:") && b.startsWith("file:"))) return;
  } else if (source !== target) return;
  if (!isInside(a, b) && !isInside(b, a)) return;
  throw new StorageError("INVALID_KEY", `"${from}" and "${to}" are the same, or one lies in the other`, {
    backend: target.name,
    operation,
    identifier: to,
  });
}

function trimSlash(uri: string): string {
  return uri.replace(/\/+$/, "");
}

class Progress {
  readonly #report: CopyTreeOptions["onProgress"];
  readonly #filesTotal: number;
  readonly #byteLengthTotal: number;
  #files = 0;
  #byteLength = 0;

  constructor(filesTotal: number, byteLengthTotal: number, report: CopyTreeOptions["onProgress"]) {
    this.#filesTotal = filesTotal;
    this.#byteLengthTotal = byteLengthTotal;
    this.#report = report;
  }

  add(path: string, byteLength: number, files: number): void {
    this.#byteLength += byteLength;
    this.#files += files;
    this.#report?.({
      files: this.#files,
      filesTotal: this.#filesTotal,
      byteLength: this.#byteLength,
      byteLengthTotal: this.#byteLengthTotal,
      path,
    });
  }
}
