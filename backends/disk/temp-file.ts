/** A temporary file on its way to become a value: the one way in which this store writes. */
import { type BigIntStats, constants, fstatSync } from "node:fs";
import { copyFile, type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSource, OperationOptions, WriteOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, runAll, StorageError } from "../../src/core/errors.ts";
import { parentKey } from "../../src/core/key.ts";
import { DirectFile } from "./direct-file.ts";
import { errnoOf, unlessErrno } from "./errno.ts";
import { MAX_CALL } from "./max-call.ts";
import { withPathLock } from "./path-locks.ts";
import { type Place, removeMade, syncDirectory, type WriteTarget } from "./place.ts";
import { type LockWaiting, withProcessLock } from "./process-lock.ts";
import { alreadyExists, isDirectoryError, notAFile, preconditionFailed } from "./store-errors.ts";
import { tempName } from "./temp-name.ts";

/**
 * How far a write is safe when it is done. `full`: it survives a power cut under its name. `data`: the bytes are on the
 * device, the name may still be lost. `none`: it survives the end of the process, not that of the machine. A reader
 * never sees half a value in any case.
 */
export type Durability = "full" | "data" | "none";

/** What every write of a store needs. */
export interface WriteSettings {
  readonly place: Place;
  readonly durability: Durability;
  /** Whether writers that ask for it write past the cache of the system. */
  readonly goesDirect: boolean;
  /** How conditional writes wait for those of other processes. */
  readonly waiting: LockWaiting;
}

/** Mode of new files, before the user's umask. */
const NEW_FILE_MODE = 0o666;

/** Parts that one system call takes at most (IOV_MAX). */
const MAX_PARTS = 1024;

/** How much later than the value it replaces a value of a conditional write is, at least: more than a double rounds. */
const LATER_NS = 3_000n;

/** How often a directory that somebody removes under our hands is made again. */
const DIRECTORY_TRIES = 3;

/** Version of a value: changes with every write, since each one makes a new file. */
export function etagOf(stat: BigIntStats): string {
  return `${stat.mtimeNs.toString(36)}-${stat.size.toString(36)}-${stat.ino.toString(36)}`;
}

/**
 * Describes an open file. In place where nobody else has to be asked: that takes a microsecond; another thread, fifty.
 *
 * @param isLocal - See `SystemCalls.isLocal`.
 */
export async function statHandle(handle: FileHandle, isLocal: boolean): Promise<BigIntStats> {
  return isLocal ? fstatSync(handle.fd, { bigint: true }) : handle.stat({ bigint: true });
}

/** One temporary file beside its target. Ends by {@link TempFile.publish} or {@link TempFile.discard}. */
export class TempFile {
  readonly target: WriteTarget;
  readonly handle: FileHandle;
  #path: string;
  readonly #settings: WriteSettings;
  readonly #made: readonly string[];
  #direct: DirectFile | undefined;
  #isDone = false;

  private constructor(
    settings: WriteSettings,
    target: WriteTarget,
    made: readonly string[],
    { path, handle }: OpenTemp,
  ) {
    this.#settings = settings;
    this.target = target;
    this.#made = made;
    this.#path = path;
    this.handle = handle;
  }

  /** Where it is now. */
  get path(): string {
    return this.#path;
  }

  /**
   * Opens a temporary file for a key, and makes the directories above that are missing.
   *
   * @param begin - What the file begins as. Rejects with `ENOENT` if the directory is gone.
   */
  static async open(
    settings: WriteSettings,
    key: string,
    options: WriteOptions,
    context: ErrorContext,
    begin: (target: WriteTarget) => Promise<OpenTemp> = beginEmpty,
  ): Promise<TempFile> {
    checkConditions(options, context);
    const made: string[] = [];
    try {
      for (let attempt = 1; ; attempt++) {
        const target = await unlessErrno(settings.place.writeTarget(key), "ENOENT");
        checkAborted(options.signal, context);
        if (target !== undefined) {
          checkTarget(target, options, context);
          const opened = await unlessErrno(begin(target), ...(attempt < DIRECTORY_TRIES ? ["ENOENT"] : []));
          if (opened !== undefined) return new TempFile(settings, target, made, opened);
        } else if (options.ifMatch !== undefined) {
          // Nothing is where there is no directory; one that is made for nothing would be in the way of others.
          throw preconditionFailed(context);
        } else if (attempt > DIRECTORY_TRIES) {
          throw new StorageError("CONFLICT", `The directory of "${key}" is removed as often as it is made`, context);
        }
        const making = settings.place.makeDirectories(parentKey(key), settings.durability === "full");
        // A write that failed beside this one may remove what it had made, also while more is made below it.
        made.push(...((await unlessErrno(making, "ENOENT")) ?? []));
      }
    } catch (error) {
      await removeMade(made);
      throw error;
    }
  }

  /** Writes what follows past the cache of the system, as far as the file system can. */
  async goDirect(): Promise<void> {
    this.#direct = await DirectFile.open(this.path, (...call) => this.#writeCached(...call));
  }

  /**
   * Writes parts one after another from a byte offset, without joining them.
   *
   * @param signal - Checked between system calls.
   */
  write(bytes: ByteSource, position: number, signal: AbortSignal | undefined, context: ErrorContext): Promise<void> {
    const way = this.#direct;
    if (way !== undefined) return way.write(bytes, position, signal, context);
    return this.#writeCached(bytes, position, signal, context);
  }

  async #writeCached(
    bytes: ByteSource,
    position: number,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<void> {
    if (bytes instanceof Uint8Array && bytes.byteLength <= MAX_CALL) {
      const { bytesWritten } = await this.handle.write(bytes, 0, bytes.byteLength, position);
      if (bytesWritten === bytes.byteLength) return;
      // The device took a part: the next call says why, or takes the rest.
      return this.#writeCached([bytes.subarray(bytesWritten)], position + bytesWritten, signal, context);
    }
    const rest = (bytes instanceof Uint8Array ? [bytes] : bytes).filter((part) => part.byteLength > 0);
    let at = position;
    while (rest.length > 0) {
      checkAborted(signal, context);
      const { bytesWritten } = await this.handle.writev(nextCall(rest), at);
      if (bytesWritten === 0)
        throw new StorageError("NO_SPACE", `The device takes no more of "${context.identifier}"`, context);
      at += bytesWritten;
      dropBytes(rest, bytesWritten);
    }
  }

  /**
   * Makes the file the value of its key, if the conditions hold, in one step.
   *
   * @param stamp - Gives the file a modification time that no earlier file of this store has.
   * @returns What it is now. On failure the temporary file is still there: {@link TempFile.discard} it.
   */
  async publish(
    options: WriteOptions,
    stamp: (handle: FileHandle, stat: BigIntStats) => Promise<BigIntStats>,
    context: ErrorContext,
  ): Promise<BigIntStats> {
    const { durability } = this.#settings;
    const { handle, target } = this;
    const stat = await stamp(handle, await statHandle(handle, this.#settings.place.calls.isLocal));
    if (target.stat !== undefined) await keepOwnerAndMode(handle, stat, target.stat);
    if (durability !== "none") await handle.sync();
    checkAborted(options.signal, context);
    const replacing = withPathLock(target.path, () => this.#replace(stat, options, context));
    // At the same time, unless the step still needs the file: both wait for the system only.
    const closing = options.ifMatch === undefined ? this.#close() : undefined;
    await Promise.allSettled([replacing, closing]);
    const published = await replacing;
    this.#isDone = true;
    await (closing ?? this.#close());
    if (durability === "full") {
      await syncDirectory(target.directory);
      await this.#settings.place.directoriesMade();
    }
    return published;
  }

  /** Resolves when the directories that were made for files of this store are durable. */
  directoriesMade(): Promise<void> {
    return this.#settings.place.directoriesMade();
  }

  /** Gives the file another temporary name. */
  async renameTo(name: string): Promise<void> {
    const path = join(this.target.directory, name);
    await rename(this.#path, path);
    this.#path = path;
  }

  /** Closes the file and leaves it where it is. Harmless after the other ends and when repeated. */
  async leave(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    await this.#close();
  }

  /** Removes the file and the directories that were made for it. Harmless after `publish` and when repeated. */
  async discard(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    await runAll(
      [() => this.#close(), () => unlessErrno(unlink(this.path), "ENOENT"), () => removeMade(this.#made)],
      "A temporary file could not be removed",
    );
  }

  #close(): Promise<void> {
    return runAll([() => this.#direct?.close(), () => this.handle.close()], "A temporary file could not be closed");
  }

  /** The step that readers see. Nothing else changes this path in this process meanwhile. */
  async #replace(stat: BigIntStats, options: WriteOptions, context: ErrorContext): Promise<BigIntStats> {
    const { path } = this.target;
    if (options.ifMatch !== undefined) {
      const { waiting } = this.#settings;
      return withProcessLock(path, waiting, options.signal, context, () => this.#compareAndSet(stat, options, context));
    }
    if (options.ifAbsent && (await moveExclusively(this.path, path, context))) return stat;
    await rename(this.path, path);
    return stat;
  }

  /** Replaces the version asked for. No other conditional write, of whatever process, comes in between. */
  async #compareAndSet(stat: BigIntStats, options: WriteOptions, context: ErrorContext): Promise<BigIntStats> {
    const { path } = this.target;
    const now = await unlessErrno(lstat(path, { bigint: true }), "ENOENT");
    if (now === undefined || etagOf(now) !== options.ifMatch) throw preconditionFailed(context);
    let published = stat;
    if (stat.mtimeNs <= now.mtimeNs) {
      // The clock of the file system may tick every few milliseconds only, and numbers of files come again. Times that
      // rise from value to value keep another process, which holds an older etag, from finding it once more.
      const seconds = Number(now.mtimeNs + LATER_NS) / 1e9;
      await this.handle.utimes(seconds, seconds);
      published = await this.handle.stat({ bigint: true });
    }
    await rename(this.path, path);
    return published;
  }
}

/**
 * Gives an entry a second, only name: fails if something has it. A hard link is the one step for which the system
 * guarantees that.
 *
 * @returns False where the file system has no hard links (FAT, some network shares) and nothing is there: the caller
 * renames, which another process could race.
 */
export async function moveExclusively(from: string, to: string, context: ErrorContext): Promise<boolean> {
  try {
    await link(from, to);
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (errno === "EEXIST") throw alreadyExists(context, error);
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errno)) throw error;
    if ((await unlessErrno(lstat(to), "ENOENT")) !== undefined) throw alreadyExists(context, error);
    return false;
  }
  await unlink(from);
  return true;
}

/** Rejects conditions that contradict each other. */
export function checkConditions(options: WriteOptions, context: ErrorContext): void {
  if (!options.ifAbsent || options.ifMatch === undefined) return;
  throw new StorageError("INVALID_DATA", "A write takes ifAbsent or ifMatch, not both", context);
}

/** Fails early where the write could not succeed; the step that counts checks again. */
function checkTarget(target: WriteTarget, options: WriteOptions, context: ErrorContext): void {
  if (target.stat?.isDirectory()) throw isDirectoryError(context);
  if (target.stat !== undefined && !target.stat.isFile()) throw notAFile(context);
  if (options.ifAbsent && target.stat !== undefined) throw alreadyExists(context);
  if (options.ifMatch === undefined) return;
  if (target.stat === undefined || etagOf(target.stat) !== options.ifMatch) throw preconditionFailed(context);
}

/** A temporary file that was just opened. */
export interface OpenTemp {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Begins with an empty file. */
export async function beginEmpty(target: WriteTarget, name = tempName()): Promise<OpenTemp> {
  // Never more open than what it replaces, not even for a moment.
  const mode = target.stat === undefined ? NEW_FILE_MODE : Number(target.stat.mode) & 0o777;
  const path = join(target.directory, name);
  return { path, handle: await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode) };
}

/** Begins with a copy of a file, shared by the file system where it can. */
export async function beginWithCopy(target: WriteTarget, source: string): Promise<OpenTemp> {
  const path = join(target.directory, tempName());
  try {
    await copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    return { path, handle: await open(path, constants.O_RDONLY) };
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") await unlessErrno(unlink(path), "ENOENT");
    throw error;
  }
}

/** Gives a new file the mode, and where this user may, the owner of the old one. */
async function keepOwnerAndMode(handle: FileHandle, stat: BigIntStats, old: BigIntStats): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  // First the owner: changing it clears the set-user-ID bit of the mode.
  if (isRoot && (stat.uid !== old.uid || stat.gid !== old.gid)) await handle.chown(Number(old.uid), Number(old.gid));
  if ((stat.mode & 0o7777n) !== (old.mode & 0o7777n)) await handle.chmod(Number(old.mode & 0o7777n));
}

/** Writes all of some bytes at a position, however many the device takes at a time. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.byteLength - at, position + at);
    if (bytesWritten === 0) throw new StorageError("NO_SPACE", "The device takes no more bytes");
    at += bytesWritten;
  }
}

/** The parts for one system call. */
function nextCall(parts: readonly Uint8Array[]): Uint8Array[] {
  const call: Uint8Array[] = [];
  let room = MAX_CALL;
  for (const part of parts) {
    if (room === 0 || call.length === MAX_PARTS) break;
    const taken = part.byteLength > room ? part.subarray(0, room) : part;
    call.push(taken);
    room -= taken.byteLength;
  }
  return call;
}

/** Takes bytes from the front of a list of parts. */
function dropBytes(parts: Uint8Array[], count: number): void {
  let left = count;
  let whole = 0;
  while (whole < parts.length && left >= (parts[whole] as Uint8Array).byteLength) {
    left -= (parts[whole++] as Uint8Array).byteLength;
  }
  parts.splice(0, whole);
  if (left > 0) parts[0] = (parts[0] as Uint8Array).subarray(left);
}

/** Options of a transfer as conditions of a write. */
export function transferConditions(
  options: OperationOptions & { readonly ifExists?: "error" | "replace" | undefined },
): WriteOptions {
  return { ifAbsent: options.ifExists !== "replace", signal: options.signal };
}
