/** Copies between two backends: as bytes where both sides have bytes, as values otherwise. */
import type { BackendBase } from "../core/backend.ts";
import { type BatchOptions, mapBatch } from "../core/batch.ts";
import type { ByteStore } from "../core/byte-store.ts";
import type { IfExists, SaveResult } from "../core/data-sink.ts";
import type { EntryStat } from "../core/data-source.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { joinKey } from "../core/key.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { collectTree } from "./collect-tree.ts";
import { copyBytes } from "./copy-bytes.ts";
import { needOperation } from "./need-operation.ts";
import { keyIn } from "./store-of.ts";

/** One end of a transfer. */
export interface TransferEnd {
  /** Backend key, case-insensitive. */
  readonly backend: string;
  /** Path within the backend. */
  readonly path: string;
}

/** Options of `FileManager.transfer`. */
export interface BetweenOptions extends BatchOptions {
  /** Default: the policy of the manager, then `"error"`. */
  readonly ifExists?: IfExists | undefined;
  /** `"values"` loads and saves even where bytes could be copied, to change the format. Default `"auto"`. */
  readonly as?: "auto" | "values" | undefined;
}

/** The backends and paths of a transfer, resolved. */
export interface Ends {
  readonly source: BackendBase;
  readonly from: string;
  readonly target: BackendBase;
  readonly to: string;
}

/**
 * Copies a file or a directory tree from one backend to another.
 *
 * @returns One result a file, in natural order of their paths; identifiers are those of the target.
 * @throws See `FileManager.transfer`.
 */
export async function transferBetween(ends: Ends, options: BetweenOptions): Promise<SaveResult[]> {
  const { source, from, target, to } = ends;
  const readable = needOperation(source, "load");
  const writable = needOperation(target, "save");
  const stat: EntryStat = await readable.stat(from, { signal: options.signal });
  if (!stat.exists) {
    throw new StorageError("NOT_FOUND", `No "${from}" in "${source.name}"`, {
      backend: source.name,
      operation: "transfer",
      identifier: from,
    });
  }
  const copy = await copierOf(source, target, options);
  const isFile = await readable.isFile(from, { signal: options.signal });
  // With flat keys a file may lie above others: then it is copied with them.
  if (isFile && !(await readable.isDir(from, { signal: options.signal }))) return [await copy(from, to)];
  const { directories, files } = await collectTree(readable, from, { signal: options.signal });
  if (writable.capabilities.directories && typeof writable.ensureDirectory === "function") {
    await writable.ensureDirectory(to, { signal: options.signal });
    for (const path of directories) await writable.ensureDirectory(joinKey(to, path), { signal: options.signal });
  }
  const below = files.map((path) => [joinKey(from, path), joinKey(to, path)] as const);
  return mapBatch<readonly [string, string], SaveResult>(
    isFile ? [[from, to], ...below] : below,
    ([source, target]) => copy(source, target),
    options,
    (error, [, identifier]) => ({ status: "failed", identifier, error }),
  );
}

type Copier = (from: string, to: string) => Promise<SaveResult>;

async function copierOf(source: BackendBase, target: BackendBase, options: BetweenOptions): Promise<Copier> {
  // Imported here: whoever only routes values needs no codecs.
  const { FileBackend } = await import("../codecs/file-backend.ts");
  if (options.as !== "values" && source instanceof FileBackend && target instanceof FileBackend) {
    return (from, to) => copyFile(source.store, from, target.store, to, options);
  }
  const { ifExists, signal } = options;
  return async (from, to) => {
    const value = await (source as StorageBackend).load(from, { signal });
    // The loaded value is ours alone, so its memory may be handed on.
    return (target as StorageBackend).save(value, to, { ifExists, signal, createParents: true, transfer: true });
  };
}

/** Copies bytes in bounded memory; the target appears whole. */
async function copyFile(
  source: ByteStore,
  from: string,
  target: ByteStore,
  to: string,
  options: BetweenOptions,
): Promise<SaveResult> {
  const { ifExists = "error", signal } = options;
  const [sourceKey, key] = [keyIn(source, from), keyIn(target, to)];
  const existed = await hasFile(target, key, options);
  if (existed && ifExists === "skip") return { status: "skipped", identifier: to };
  if (existed && ifExists === "error") {
    const context = { backend: target.name, operation: "transfer", identifier: to };
    throw new StorageError("ALREADY_EXISTS", `"${to}" is already in "${target.name}"; choose ifExists`, context);
  }
  const { byteLength, modifiedMs, etag } = await source.stat(sourceKey, { signal });
  try {
    const copied = await copyBytes(source, target, {
      from: sourceKey,
      to: key,
      stat: { path: from, kind: "file", exists: true, byteLength, modifiedMs, etag },
      replaces: ifExists === "replace",
      onBytes: () => {},
      resumeFrom: Number.POSITIVE_INFINITY,
      signal,
    });
    const status = existed ? "replaced" : "created";
    return { status, identifier: to, byteLength: copied.byteLength, etag: copied.etag };
  } catch (error) {
    if (ifExists === "skip" && isStorageError(error, "ALREADY_EXISTS")) return { status: "skipped", identifier: to };
    throw error;
  }
}

async function hasFile(store: ByteStore, key: string, options: BetweenOptions): Promise<boolean> {
  try {
    return (await store.stat(key, { signal: options.signal })).kind === "file";
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return false;
    throw error;
  }
}
