/** What killed processes leave behind, and how it goes away. */
import { lstat, open, readdir, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { joinKey } from "../../src/core/key.ts";
import { unlessErrno } from "./errno.ts";
import { readJournalLine } from "./journal-file.ts";
import type { Place } from "./place.ts";
import { breakDeadLock, isLockName, lockOwner } from "./process-lock.ts";
import {
  isOnThisMachine,
  isOwnerDead,
  isTempName,
  parseJournalledName,
  parsePartialName,
  tempOwner,
} from "./temp-name.ts";

/** A temporary file that nobody will finish. */
export interface Leftover {
  /** Where it is, relative to the root. Not a key: reads and listings do not show it. */
  readonly path: string;
  /** Bytes that it takes. */
  readonly byteLength: number;
  /** Last change, in milliseconds since 1970-01-01 UTC. */
  readonly modifiedMs: number;
}

/** Options of looking for leftovers. */
export interface LeftoverOptions extends OperationOptions {
  /** Only in this directory and below. Default: the whole root. */
  readonly prefix?: string | undefined;
  /**
   * Counts a file as left over if it has not changed for this long, although its process cannot be asked: it ran on
   * another machine or in another container. Default: such files are left alone.
   */
  readonly olderThanMs?: number | undefined;
}

/** Finds the leftovers of dead processes below the prefix of a place. Links are not followed. */
export async function* findLeftovers(place: Place, options: LeftoverOptions): AsyncGenerator<Leftover> {
  const key = place.key(options.prefix ?? "");
  const path = await unlessErrno(place.realPath(key), "ENOENT", "ENOTDIR");
  if (path !== undefined) yield* leftoversBelow(path, key, options);
}

async function* leftoversBelow(directory: string, key: string, options: LeftoverOptions): AsyncGenerator<Leftover> {
  checkAborted(options.signal, { operation: "findLeftovers" });
  const entries = (await unlessErrno(readdir(directory, { withFileTypes: true }), "ENOENT", "ENOTDIR")) ?? [];
  const journals = new Set(
    await journalsOf(
      directory,
      entries.map(({ name }) => name),
    ),
  );
  for (const entry of entries) {
    const path = join(directory, entry.name);
    const relative = joinKey(key, entry.name);
    if (entry.isDirectory()) {
      yield* leftoversBelow(path, relative, options);
    } else if (isTempName(entry.name)) {
      // Not to be thrown away: whoever wrote the journal can finish the value.
      if (journals.has(parseJournalledName(entry.name)?.id ?? "")) continue;
      // Gone meanwhile: its process was alive after all, or somebody else cleans up too.
      const stat = await unlessErrno(lstat(path), "ENOENT");
      if (stat === undefined || !(await isLeftover(path, stat.mtimeMs, options.olderThanMs))) continue;
      yield { path: relative, byteLength: stat.size, modifiedMs: stat.mtimeMs };
    }
  }
}

/** Removes a leftover; fine if it is gone, or if it is a lock that somebody alive has taken since it was found. */
export async function removeLeftover(
  root: string,
  leftover: Leftover,
  { olderThanMs }: LeftoverOptions,
): Promise<void> {
  const path = join(root, leftover.path);
  if (isLockName(basename(path))) await breakDeadLock(path, olderThanMs !== undefined);
  else await unlessErrno(unlink(path), "ENOENT");
}

/** The ids of the journals in a folder that have begun. */
async function journalsOf(directory: string, names: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) {
    const journal = parseJournalledName(name);
    if (journal?.part !== "journal") continue;
    const handle = await unlessErrno(open(join(directory, name)), "ENOENT");
    const line = await (handle && readJournalLine(handle))?.finally(() => handle?.close());
    if (line !== undefined) ids.push(journal.id);
  }
  return ids;
}

async function isLeftover(path: string, modifiedMs: number, olderThanMs: number | undefined): Promise<boolean> {
  const name = basename(path);
  if (parsePartialName(name)?.isSetAside) return true;
  const owner = isLockName(name) ? await lockOwner(path) : tempOwner(name);
  if (owner !== undefined && isOnThisMachine(owner)) return isOwnerDead(owner);
  return olderThanMs !== undefined && Date.now() - modifiedMs > olderThanMs;
}
