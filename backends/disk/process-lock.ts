/**
 * Turns in changing one path among processes.
 *
 * A lock is a symbolic link beside the path that says who holds it: making one is a single step that fails if it is
 * there, and it is never half written. A lock is removed by its holder, or, once the holder is known to be dead, under
 * a second lock that only one process can have: so nobody ever removes the lock of somebody else who is alive. A holder
 * on another machine cannot be asked and is never taken for dead: waiting for it ends in an error that names it.
 *
 * @see Emacs, "file locks", for the link that names its holder
 */
import { createHash } from "node:crypto";
import { readlink, symlink, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { errnoOf, unlessErrno } from "./errno.ts";
import { isOnThisMachine, isOwnerDead, TEMP_PREFIX, type TempOwner, tempName, tempOwner } from "./temp-name.ts";

/** How a process waits for another that holds a lock. */
export interface LockWaiting {
  /** Milliseconds between two looks at a lock that another process holds. */
  readonly pollMs: number;
  /** Milliseconds after which waiting ends with `CONFLICT`. A lock is held for one rename: this is for the stuck ones. */
  readonly timeoutMs: number;
}

/** What a store waits like unless it is told otherwise. */
export const DEFAULT_WAITING: LockWaiting = { pollMs: 2, timeoutMs: 30_000 };

/** How names of locks begin; they are names of temporary files too, and so neither listed nor keys. */
const LOCK_PREFIX = `${TEMP_PREFIX}lock-`;

/** Systems without symbolic links, or users who may not make them. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/**
 * Runs a step while no other process runs one for the same path. Within a process, calls must be in turn already.
 *
 * @param path - Real path of what is changed; its directory must exist.
 * @throws A {@link StorageError}: `CONFLICT`, retryable, if the lock is not to be had in time; `UNSUPPORTED` where the
 * file system has no symbolic links; `ABORTED`.
 */
export async function withProcessLock<T>(
  path: string,
  waiting: LockWaiting,
  signal: AbortSignal | undefined,
  context: ErrorContext,
  run: () => Promise<T>,
): Promise<T> {
  const lock = lockPath(path);
  await acquire(lock, waiting, signal, context);
  try {
    return await run();
  } finally {
    await unlessErrno(unlink(lock), "ENOENT");
  }
}

/** Where the lock of a path is. Names that differ in case only share one: some file systems take them for the same. */
export function lockPath(path: string): string {
  const name = basename(path).normalize("NFC").toLowerCase();
  return join(dirname(path), LOCK_PREFIX + createHash("sha256").update(name).digest("hex").slice(0, 32));
}

/** True for names of locks. */
export function isLockName(name: string): boolean {
  return name.startsWith(LOCK_PREFIX);
}

/** Who holds a lock; `undefined` if it is gone, or if nobody can tell. */
export async function lockOwner(lock: string): Promise<TempOwner | undefined> {
  const holder = await readHolder(lock);
  return holder === undefined ? undefined : tempOwner(holder);
}

/**
 * Removes the lock of a dead process, or of one that is said to be dead; leaves the lock of any other.
 *
 * @param isForeignToo - Takes processes of other machines, which cannot be asked, for dead.
 * @returns True if it is gone.
 */
export async function breakDeadLock(lock: string, isForeignToo = false): Promise<boolean> {
  const context = { operation: "removeLeftovers", identifier: lock };
  const holder = await readHolder(lock);
  if (holder === undefined) return true;
  const owner = tempOwner(holder);
  const isForeign = owner === undefined || !isOnThisMachine(owner);
  if (!isDead(holder) && !(isForeign && isForeignToo)) return false;
  await breakLock(lock, holder, DEFAULT_WAITING, undefined, context);
  return true;
}

async function acquire(
  lock: string,
  waiting: LockWaiting,
  signal: AbortSignal | undefined,
  context: ErrorContext,
): Promise<void> {
  const name = tempName();
  const started = performance.now();
  for (;;) {
    checkAborted(signal, context);
    if (await make(name, lock, context)) return;
    const holder = await readHolder(lock);
    if (holder === undefined) continue; // given back meanwhile
    if (isDead(holder)) {
      await breakLock(lock, holder, waiting, signal, context);
      continue;
    }
    if (performance.now() - started > waiting.timeoutMs) throw stuck(lock, holder, waiting, context);
    await pause(waiting.pollMs, signal, context);
  }
}

/**
 * Removes the lock of a dead holder. Others who saw the same holder may be here too: only one of them has the guard at
 * a time, and it looks again, so that a lock taken since then stays. The dead do not change theirs in between. A guard
 * is a lock like any other: that of a process killed in here is removed in the same way.
 */
async function breakLock(
  lock: string,
  holder: string,
  waiting: LockWaiting,
  signal: AbortSignal | undefined,
  context: ErrorContext,
): Promise<void> {
  const guard = `${lock}~`;
  await acquire(guard, waiting, signal, context);
  try {
    if ((await readHolder(lock)) === holder) await unlink(lock);
  } finally {
    await unlessErrno(unlink(guard), "ENOENT");
  }
}

/** Makes a lock. False if it is there. */
async function make(name: string, lock: string, context: ErrorContext): Promise<boolean> {
  try {
    await symlink(name, lock);
    return true;
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (errno === "EEXIST") return false;
    if (!NO_LINKS.includes(errno)) throw error;
    const message = `"${context.identifier}" in "${context.backend}" cannot be locked: no symbolic link can be made there`;
    throw new StorageError("UNSUPPORTED", message, { ...context, cause: error });
  }
}

/** What a lock says; `""` if it is no link, which only somebody else can have made. */
async function readHolder(lock: string): Promise<string | undefined> {
  try {
    return await readlink(lock);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "EINVAL") return "";
    throw error;
  }
}

function isDead(holder: string): boolean {
  const owner = tempOwner(holder);
  return owner !== undefined && isOnThisMachine(owner) && isOwnerDead(owner);
}

async function pause(ms: number, signal: AbortSignal | undefined, context: ErrorContext): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    checkAborted(signal, context);
    throw error;
  }
}

function stuck(lock: string, holder: string, { timeoutMs }: LockWaiting, context: ErrorContext): StorageError {
  const owner = tempOwner(holder);
  const who = owner === undefined ? "somebody unknown" : `process ${owner.pid} of ${owner.host || "another machine"}`;
  const message =
    `"${context.identifier}" in "${context.backend}" has been locked by ${who} for ${timeoutMs / 1000} s; ` +
    `if that process is gone, remove ${lock}`;
  return new StorageError("CONFLICT", message, { ...context, retryable: true });
}
