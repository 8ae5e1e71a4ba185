/** Removing, moving and linking, at locations that are inside the walls already. */
import { lstat, readdir, rename, rm, rmdir, symlink, unlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { TransferOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { errnoOf, unlessErrno } from "./errno.ts";
import { withPathLock } from "./path-locks.ts";
import { type Location, syncDirectory } from "./place.ts";
import { breakDeadLock, isLockName, lockOwner } from "./process-lock.ts";
import { alreadyExists, isDirectoryError, notADirectory } from "./store-errors.ts";
import { etagOf, moveExclusively } from "./temp-file.ts";
import { isOnThisMachine, isOwnerDead, isTempName, tempName, tempOwner } from "./temp-name.ts";

/** Removes a directory: an empty one, or with all it holds. Links in it are removed, not followed. */
export async function removeDirectoryAt(
  { path }: Location,
  isRecursive: boolean,
  context: ErrorContext,
): Promise<void> {
  if (isRecursive) {
    // `rm` takes files too; `lstat` first, so that neither a file nor a link goes by this way.
    if (!(await lstat(path)).isDirectory()) throw notADirectory(context);
    await rm(path, { recursive: true });
    return;
  }
  try {
    await rmdir(path);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "") || !(await removeDeadFiles(path))) throw error;
    await rmdir(path);
  }
}

/** Moves a directory to a place where nothing is. */
export async function renameDirectoryAt(from: Location, to: Location, context: ErrorContext): Promise<void> {
  if (!(await lstat(from.path)).isDirectory()) throw notADirectory(context);
  await withPathLock(to.path, async () => {
    // The system would put a directory in the place of an empty one, or of none.
    if ((await unlessErrno(lstat(to.path), "ENOENT")) !== undefined) throw alreadyExists(context);
    await rename(from.path, to.path);
  });
}

/** Removes a value or a link. False if nothing was there. */
export async function removeEntry({ path }: Location, context: ErrorContext): Promise<boolean> {
  const removal = withPathLock(path, async () => {
    try {
      await unlink(path);
      return true;
    } catch (error) {
      // Linux says EISDIR, others EPERM, which may also be what it seems.
      const isRefused = ["EISDIR", "EPERM"].includes(errnoOf(error) ?? "");
      if (isRefused && (await lstat(path)).isDirectory()) throw isDirectoryError(context);
      throw error;
    }
  });
  return (await unlessErrno(removal, "ENOENT", "ENOTDIR")) ?? false;
}

/** Moves a value or a link. Nothing else changes the target's path in this process meanwhile. */
export async function moveEntry(
  from: Location,
  to: Location,
  options: TransferOptions,
  context: ErrorContext,
): Promise<void> {
  const moved = await lstat(from.path);
  const there = await unlessErrno(lstat(to.path), "ENOENT");
  if (there?.isDirectory()) throw isDirectoryError(context);
  if (options.ifExists !== "replace") {
    if (there !== undefined) throw alreadyExists(context);
    // A hard link to a link would, on some systems, be one to what it leads to.
    if (!moved.isSymbolicLink() && (await moveExclusively(from.path, to.path, context))) return;
  } else if (from.path === to.path) {
    return;
  } else if (there?.ino === moved.ino && there.dev === moved.dev && moved.nlink > 1) {
    // Two names of one file: the system would keep both. With one name, it is another spelling where case is ignored.
    await unlink(from.path);
    return;
  }
  await rename(from.path, to.path);
}

/**
 * Moves a value to another device, to which no single step leads: copies it first and removes it last.
 *
 * @param copy - Copies it by its keys.
 * @throws A {@link StorageError} `CONFLICT` if it was replaced meanwhile; the newer one stays, beside the older copy.
 */
export async function moveAcross(from: Location, copy: () => Promise<unknown>, context: ErrorContext): Promise<void> {
  const before = await lstat(from.path, { bigint: true });
  await copy();
  await withPathLock(from.path, async () => {
    const now = await lstat(from.path, { bigint: true });
    if (etagOf(now) === etagOf(before)) return unlink(from.path);
    const message = `"${context.identifier}" in "${context.backend}" was replaced while it was moved; it stays, beside its older copy`;
    throw new StorageError("CONFLICT", message, { ...context, retryable: true });
  });
}

/**
 * Makes a link.
 *
 * @param text - What is written in the link.
 */
export async function symlinkAt(
  text: string,
  at: Location,
  options: TransferOptions,
  context: ErrorContext,
): Promise<void> {
  await withPathLock(at.path, async () => {
    const there = await unlessErrno(lstat(at.path), "ENOENT");
    if (there === undefined) return symlink(text, at.path);
    if (options.ifExists !== "replace" || !there.isSymbolicLink()) throw alreadyExists(context);
    const temporary = join(at.directory, tempName());
    await symlink(text, temporary);
    try {
      await rename(temporary, at.path);
    } catch (error) {
      await unlessErrno(unlink(temporary), "ENOENT");
      throw error;
    }
  });
}

/** What a relative link at one place says to lead to another. Both directories are real: links would bend the way. */
export function linkText(target: Location, from: Location): string {
  return relative(from.directory, target.path) || ".";
}

/** Makes the names in the directories of some locations durable, each once. */
export async function syncDirectories(...locations: readonly Location[]): Promise<void> {
  for (const directory of new Set(locations.map((location) => dirname(location.path)))) await syncDirectory(directory);
}

/** A directory that shows no entries may hold what a killed process left. True if that was all, and is gone. */
async function removeDeadFiles(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  for (const name of names) if (!(await isDead(directory, name))) return false;
  for (const name of names) {
    const path = join(directory, name);
    if (!isLockName(name)) await unlessErrno(unlink(path), "ENOENT");
    else if (!(await breakDeadLock(path))) return false;
  }
  return true;
}

async function isDead(directory: string, name: string): Promise<boolean> {
  if (!isTempName(name)) return false;
  const owner = isLockName(name) ? await lockOwner(join(directory, name)) : tempOwner(name);
  return owner !== undefined && isOnThisMachine(owner) && isOwnerDead(owner);
}
