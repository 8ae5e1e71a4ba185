/** Copies, moves and synchronises trees between any two backends. */
import { type BatchOptions, mapBatch } from "../core/batch.ts";
import type { IfExists } from "../core/data-sink.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError } from "../core/errors.ts";
import { isInside, joinKey, normalizeKey } from "../core/key.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { collectEntries } from "./collect-tree.ts";
import { needOperation } from "./need-operation.ts";
import { bytesOf, keyIn } from "./store-of.ts";
import type { Ends } from "./transfer.ts";
import { copyAll } from "./tree-copy.ts";

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
  /**
   * Values from this length on are not begun again after an interruption, where the target can go on with them (disk,
   * S3) and their version has not changed. Default 64 MiB.
   */
  readonly resumeFrom?: number | undefined;
  /** Only tells what would happen. */
  readonly dryRun?: boolean | undefined;
  /** Called after each file, and within large ones. */
  readonly onProgress?: ((progress: TreeProgress) => void) | undefined;
  /** Called once with each file that was copied, found, kept or failed, in the order in which that happens. */
  readonly onItem?: ((item: TreeItem) => void) | undefined;
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
  // Not by the directories of the source: with flat keys, a file of that name is another thing, and extra.
  const kept = new Set([...source.files, ...source.links]);
  const extra = [...new Set([...there.files, ...there.links])].filter((path) => !kept.has(path));
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
      if (item.status === "equal") await refuseTwin(ends, item.path, now, options);
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

/**
 * Refuses to remove what is the copy as well: two instances may lead to one bucket, whose URIs alone do not tell, since
 * two services may have buckets of one name.
 */
async function refuseTwin(
  { source, from, target, to }: Ends,
  path: string,
  now: EntryStat,
  { signal }: CopyTreeOptions,
): Promise<void> {
  const [one, other] = [await bytesOf(source), await bytesOf(target)];
  if (!one?.capabilities.persistent || other === undefined || now.etag === undefined) return;
  const [a, b] = [keyIn(one, joinKey(from, path)), keyIn(other, joinKey(to, path))];
  if (one.uri(a) !== other.uri(b)) return;
  const twin = await other.stat(b, { signal });
  if (twin.etag !== now.etag || twin.modifiedMs !== now.modifiedMs) return;
  throw new StorageError(
    "INVALID_KEY",
    `"${from}" and "${to}" are the same: what is removed from "${source.name}" would be gone from "${target.name}" too`,
    { backend: target.name, operation: "moveTree", identifier: b },
  );
}
