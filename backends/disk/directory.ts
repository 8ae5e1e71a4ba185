/** The entries of directories on the disk. */
import type { BigIntStats, Dirent } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import type { ListEntry, ListOptions, ObjectStat } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import { type TreeEntry, type WalkedEntry, walkTree } from "../../src/core/listing.ts";
import { directoryStat } from "../../src/core/store-answers.ts";
import { unlessErrno } from "./errno.ts";
import type { Place } from "./place.ts";
import { etagOf } from "./temp-file.ts";
import { isTempName } from "./temp-name.ts";

/** Entries that are described at a time: enough to keep the disk busy, few enough that a listing stays lazy. */
const PAGE = 64;

/** Lists keys in order, page by page. Temporary files are not there; what vanishes meanwhile is left out. */
export async function* listDisk(place: Place, options: ListOptions, context: ErrorContext): AsyncGenerator<ListEntry> {
  const walk = walkTree(options, (directory, isStart) => readEntries(place, directory, isStart));
  let page: WalkedEntry<TreeEntry>[] = [];
  for await (const entry of walk) {
    page.push(entry);
    if (page.length < PAGE) continue;
    yield* await describePage(place, page);
    checkAborted(options.signal, context);
    page = [];
  }
  yield* await describePage(place, page);
}

/**
 * Describes a key. A link that leads nowhere, or out of the root, is described as a link also when links are followed.
 * The root is a directory, also before anything was written. `undefined` where nothing is.
 */
export async function describeKey(place: Place, key: string, isFollowing: boolean): Promise<ObjectStat | undefined> {
  const { path } = await place.locate(key);
  const found = await place.calls.lstat(path);
  if (found === undefined) return key === "" ? directoryStat(key) : undefined;
  const target = found.isSymbolicLink() && isFollowing ? await place.followed(key) : undefined;
  return describeStat(key, path, target ?? found);
}

/** Describes what `lstat` found at a path. */
async function describeStat(key: string, path: string, stat: BigIntStats): Promise<ObjectStat> {
  const modifiedMs = Number(stat.mtimeNs / 1000n) / 1000;
  if (stat.isDirectory()) return { key, kind: "directory", byteLength: 0, modifiedMs, etag: undefined };
  if (!stat.isSymbolicLink()) {
    return { key, kind: "file", byteLength: Number(stat.size), modifiedMs, etag: etagOf(stat) };
  }
  return { key, kind: "symlink", byteLength: 0, modifiedMs, etag: undefined, target: await readlink(path) };
}

/** What is in a directory, in any order; nothing where none is. */
export async function readEntries(place: Place, directory: string, isStart = true): Promise<TreeEntry[]> {
  // Only the directory that the caller named may be, or be below, a link; the walk itself follows none.
  const path = isStart
    ? await unlessErrno(place.readPath(directory), "ENOENT", "ENOTDIR", "ELOOP")
    : place.path(directory);
  if (path === undefined) return [];
  const entries = await unlessErrno(readdir(path, { withFileTypes: true }), "ENOENT", "ENOTDIR", "ELOOP");
  return (entries ?? [])
    .filter((entry) => !isTempName(entry.name))
    .map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
}

async function describePage(place: Place, page: readonly WalkedEntry<TreeEntry>[]): Promise<ListEntry[]> {
  const described = await Promise.all(page.map(({ key }) => describeEntry(key, place.path(key))));
  return described.filter((entry) => entry !== undefined);
}

async function describeEntry(key: string, path: string): Promise<ListEntry | undefined> {
  const stat = await unlessErrno(lstat(path, { bigint: true }), "ENOENT", "ENOTDIR");
  return stat && unlessErrno(describeStat(key, path, stat), "ENOENT", "EINVAL");
}

function kindOf(entry: Dirent): TreeEntry["kind"] {
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "file";
}
