/** Copies the files of a tree: what `copyTree`, `moveTree` and `sync` begin with. */
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mapBatch } from "../core/batch.ts";
import { ByteBudget } from "../core/byte-budget.ts";
import type { ByteStore } from "../core/byte-store.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError, toStorageError } from "../core/errors.ts";
import { isInside, joinKey, normalizeKey } from "../core/key.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { collectEntries } from "./collect-tree.ts";
import { copierBetween, type ItemCopier } from "./item-copier.ts";
import { needOperation } from "./need-operation.ts";
import { bytesOf, keyIn } from "./store-of.ts";
import type { Ends } from "./transfer.ts";
import type { CopyTreeOptions, TreeItem } from "./tree-transfer.ts";

/** Shorter values are copied again sooner than somebody has looked how far they were. */
const RESUME_FROM = 64 << 20;

/** Stored bytes of the values that are in memory at once, where values are copied and not bytes. */
const VALUES_BYTES = 256 << 20;

/** What a copy of a tree left. */
export interface Copied {
  readonly items: TreeItem[];
  /** What each source file was when it was copied, by path. */
  readonly stats: Map<string, EntryStat>;
  readonly directories: readonly string[];
  readonly isSingle: boolean;
}

/**
 * Copies what is missing or differs.
 *
 * @throws See `copyTree`.
 */
export async function copyAll(ends: Ends, options: CopyTreeOptions, operation: string): Promise<Copied> {
  const { from, to, signal, source, target } = { ...ends, signal: options.signal };
  const readable = needOperation(source, "load");
  const writable = needOperation(target, "save");
  const root = await readable.stat(from, { signal });
  const context = { backend: source.name, operation, identifier: from };
  if (!root.exists) throw new StorageError("NOT_FOUND", `No "${from}" in "${source.name}"`, context);
  await refuseOverlap(ends, operation);
  const isFile = await readable.isFile(from, { signal });
  // With flat keys a file may lie above others: then it is copied with them.
  const isSingle = isFile && !(await readable.isDir(from, { signal }));
  const below = isSingle ? { files: [], directories: [], links: [] } : await collectEntries(readable, from, { signal });
  const tree = isFile ? { ...below, files: ["", ...below.files] } : below;
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
  const budget = new ByteBudget(VALUES_BYTES);
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
      const { byteLength } = stat;
      let counted = 0;
      const count = (copied: number) => {
        counted += copied;
        progress.add(path, copied, 0);
      };
      const told = (item: TreeItem): TreeItem => {
        progress.add(path, (byteLength ?? 0) - counted, 1);
        options.onItem?.(item);
        return item;
      };
      const work = () => copyOne(one, copier, writable, options, count);
      // Bytes are streamed; a value is in memory as a whole.
      const copied = copier.as === "bytes" ? work() : budget.run(byteLength ?? 0, work);
      const status = await copied.catch((cause: unknown) => {
        told({ path, status: "failed", error: toStorageError(cause, { operation, identifier: path }) });
        throw cause;
      });
      return told({ path, status, ...(byteLength === undefined ? {} : { byteLength }) });
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
  const { ifExists = "error", compare = "content", verify = "written", resumeFrom = RESUME_FROM, signal } = options;
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
    await copier.copy({ from, to, stat, replaces: isThere, readsBack: verify === "read", onBytes, signal, resumeFrom });
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
    [a, b] = [await realUri(one, from), await realUri(other, to)];
    if (one !== other && !(a.startsWith("file:") && b.startsWith("file:"))) return;
  } else if (source !== target) return;
  if (!isInside(a, b) && !isInside(b, a)) return;
  throw new StorageError("INVALID_KEY", `"${from}" and "${to}" are the same, or one lies in the other`, {
    backend: target.name,
    operation,
    identifier: to,
  });
}

/** The URI of a path, links followed where it is one of a file: by two names one folder is still one. */
async function realUri(store: ByteStore, path: string): Promise<string> {
  const uri = store.uri(keyIn(store, path)).replace(/\/+$/, "");
  return uri.startsWith("file:") ? `file:${await realPathOf(fileURLToPath(uri))}` : uri;
}

/** The real path, also of what is not there yet: that of the nearest directory above that is, and the rest. */
async function realPathOf(path: string): Promise<string> {
  let rest = "";
  for (let above = path; ; above = dirname(above)) {
    try {
      return join(await realpath(above), rest);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(code ?? "") || above === dirname(above)) throw error;
      rest = join(basename(above), rest);
    }
  }
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
