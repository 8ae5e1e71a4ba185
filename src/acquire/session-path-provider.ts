/** A path provider that numbers the runs of a session, on disk. */
import { mkdir, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkAborted, checkInteger } from "../core/checks.ts";
import { StorageError, type StorageErrorCode } from "../core/errors.ts";
import type { PathInfo, PathProviderOptions } from "../core/frame-writer.ts";
import { CallablePathProvider } from "./callable.ts";
import { paddedNumber } from "./filename-providers.ts";

/** Options of {@link SessionPathProvider}. */
export interface SessionPathOptions {
  /** Folder of all sessions; relative to the working directory. Default `~/sluice-storage`. */
  readonly baseDir?: string | undefined;
  /** Name of the session. Default `default`. */
  readonly session?: string | undefined;
  /** Digits of the number. Default 5. */
  readonly maxDigits?: number | undefined;
  /** Goes into the answers. Default `application/x-zarr`. */
  readonly mimetypeHint?: string | undefined;
  /** Goes into the answers; 0 is unlimited. Default 0. */
  readonly capacity?: number | undefined;
  /** Clock. Asked once, at construction: a session that passes midnight stays in one folder. */
  readonly now?: (() => Date) | undefined;
}

/**
 * `file://localhost/<baseDir>/<session>/<YYYY_MM_DD>/<key>[_<group>]_<00000>`, percent-encoded: a folder that exists
 * and belongs to the caller alone. Each pair of key (the plan) and group has its own numbers.
 *
 * A number is taken by making its folder, which only one of several processes can. Neither a restart nor another
 * process gets it again. Numbers continue after the highest that is there, whatever follows it: `scan_00007`,
 * `scan_00007.ome.zarr`, `scan_00007_cam.h5`; files without a suffix and names without a number do not count.
 *
 * The names of key `a` with group `b` and of key `a_b` without one are the same, so these two share the numbers of one
 * day: one skips what the other has taken. They never share a folder.
 *
 * @see redsun, `SessionPathProvider`
 */
export class SessionPathProvider extends CallablePathProvider {
  readonly #maxDigits: number;
  readonly #mimetypeHint: string;
  readonly #capacity: number;
  readonly #date: string;
  readonly #next = new Map<string, number>();
  #baseDir: string;
  #session: string;

  constructor(options: SessionPathOptions = {}) {
    super();
    const { baseDir = join(homedir(), "sluice-storage"), session = "default", maxDigits = 5, capacity = 0 } = options;
    checkInteger(maxDigits, "maxDigits", 1);
    checkInteger(capacity, "capacity", 0);
    this.#baseDir = resolve(baseDir);
    this.#session = checkName(session, "session");
    this.#maxDigits = maxDigits;
    this.#mimetypeHint = options.mimetypeHint ?? "application/x-zarr";
    this.#capacity = capacity;
    this.#date = dateFolder(options.now?.() ?? new Date());
  }

  /** Folder of all sessions. Setting it reads the numbers there anew. */
  get baseDir(): string {
    return this.#baseDir;
  }

  set baseDir(baseDir: string) {
    this.#baseDir = resolve(baseDir);
    this.#next.clear();
  }

  /** Name of the session. Setting it reads the numbers there anew. */
  get session(): string {
    return this.#session;
  }

  set session(session: string) {
    this.#session = checkName(session, "session");
    this.#next.clear();
  }

  /**
   * What a call answers.
   *
   * @param key - Name of the plan. Default `default`.
   * @throws A {@link StorageError}: `INVALID_KEY` for a key or group that is no file name, `CAPACITY_EXCEEDED` when the
   * digits are used up, `NOT_A_DIRECTORY`, `PERMISSION_DENIED` or `NO_SPACE` from the disk, `ABORTED`.
   */
  protected async provide(key = "default", options: PathProviderOptions = {}): Promise<PathInfo> {
    const { group, signal } = options;
    checkName(key, "key");
    const stem = group === undefined ? key : `${key}_${checkName(group, "group")}`;
    const folder = await this.#reserve(join(this.#baseDir, this.#session, this.#date), stem, signal);
    return {
      storeUri: `file://localhost${pathToFileURL(folder).pathname}`,
      arrayKey: key,
      capacity: this.#capacity,
      mimetypeHint: this.#mimetypeHint,
      extra: {},
    };
  }

  async #reserve(day: string, stem: string, signal: AbortSignal | undefined): Promise<string> {
    await makeFolder(day, true);
    let next = this.#next.get(stem) ?? (await nextNumber(day, stem));
    for (;;) {
      checkAborted(signal, { operation: "reserve", identifier: stem });
      const folder = join(day, `${stem}_${paddedNumber(next, this.#maxDigits)}`);
      const isMine = await makeFolder(folder, false);
      // Somebody else was quicker. They may be far ahead: look again rather than try every number between.
      next = isMine ? next + 1 : Math.max(next + 1, await nextNumber(day, stem));
      this.#next.set(stem, Math.max(next, this.#next.get(stem) ?? 0));
      if (isMine) return folder;
    }
  }
}

const codes: Record<string, StorageErrorCode> = {
  EACCES: "PERMISSION_DENIED",
  EPERM: "PERMISSION_DENIED",
  EROFS: "PERMISSION_DENIED",
  ENOSPC: "NO_SPACE",
  EDQUOT: "NO_SPACE",
  ENOTDIR: "NOT_A_DIRECTORY",
};

/** Makes a folder; `false` if it is there already. */
async function makeFolder(path: string, recursive: boolean): Promise<boolean> {
  try {
    await mkdir(path, { recursive });
    return true;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && !recursive) return false;
    // With `recursive`, EEXIST means that a file is where the folder should be.
    const known = code === "EEXIST" ? "NOT_A_DIRECTORY" : (codes[code] ?? "UNEXPECTED");
    throw new StorageError(known, `Cannot make the folder ${path}: ${message}`, {
      operation: "reserve",
      identifier: path,
      cause: error,
    });
  }
}

/** One more than the highest number that follows the stem in a folder; 0 without any. */
async function nextNumber(folder: string, stem: string): Promise<number> {
  let next = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.name.startsWith(`${stem}_`)) continue;
    const match = /^(\d+)(?:$|([._-]))/.exec(entry.name.slice(stem.length + 1));
    if (match === null || (!entry.isDirectory() && match[2] === undefined)) continue;
    const number = Number(match[1]);
    if (Number.isSafeInteger(number)) next = Math.max(next, number + 1);
  }
  return next;
}

function dateFolder(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0"));
  return `${date.getFullYear()}_${month}_${day}`;
}

function checkName(name: string, what: string): string {
  if (typeof name === "string" && name !== "" && name !== "." && name !== ".." && !/[/\\\0]/.test(name)) return name;
  throw new StorageError("INVALID_KEY", `A ${what} is one folder name without slashes, got ${JSON.stringify(name)}`);
}
