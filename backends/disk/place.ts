/** From keys to paths, and the walls around the root. */
import { type BigIntStats, constants, realpathSync } from "node:fs";
import { lstat, mkdir, open, realpath, rmdir, stat } from "node:fs/promises";
import { type PlatformPath, posix, win32 } from "node:path";
import { StorageError } from "../../src/core/errors.ts";
import { encodeKey, normalizeKey, parentKey } from "../../src/core/key.ts";
import { errnoOf, unlessErrno } from "./errno.ts";
import { checkPortable, checkSpelling, type NamePolicy, type PathRules } from "./key-names.ts";
import { SystemCalls } from "./system-calls.ts";
import { isTempName, TEMP_PREFIX } from "./temp-name.ts";

/** Where a key is, once the links above it are followed. */
export interface Location {
  /** Real path of the directory that holds it. */
  readonly directory: string;
  /** Path of the entry itself; if it is a link, of the link. */
  readonly path: string;
}

/** What a write goes over. */
export interface WriteTarget extends Location {
  /** The value that is there now; `undefined` if none is, or a link that leads nowhere. */
  readonly stat: BigIntStats | undefined;
}

/** Options of a {@link Place}. */
export interface PlaceOptions {
  /** Which names are written. Default `"system"`. */
  readonly names?: NamePolicy | undefined;
  /** Whose rules paths follow. Default: those of this system. */
  readonly rules?: PathRules | undefined;
  /** Whether short calls are made in place. Default `"auto"`. */
  readonly inPlace?: "auto" | "never" | undefined;
}

/** The folder that a store lives in. */
export class Place {
  /** Absolute path of the root; `/` where none was configured. */
  readonly root: string;
  /** False: the whole file system (on Windows: a whole drive) is the root. */
  readonly isWalled: boolean;
  /** How it asks the system. */
  readonly calls: SystemCalls;
  readonly #names: NamePolicy;
  readonly #isWindows: boolean;
  readonly #paths: PlatformPath;
  #realRoot: string | undefined;
  /** Each resolves when some directories are made and durable, or when that has failed. */
  readonly #making = new Set<Promise<void>>();

  constructor(root: string | undefined, options: PlaceOptions = {}) {
    this.#names = options.names ?? "system";
    this.calls = new SystemCalls(options.inPlace ?? "auto");
    this.#isWindows = (options.rules ?? process.platform) === "win32";
    this.#paths = this.#isWindows ? win32 : posix;
    this.root = this.#paths.resolve(root ?? this.#paths.sep);
    this.isWalled = this.root !== this.#paths.resolve(this.#paths.sep);
  }

  /** The key of a path from outside. See `ByteStore.resolve`. */
  resolve(address: string): string {
    if (typeof address !== "string") return normalizeKey(address);
    if (this.#isWindows) return this.#resolveOnWindows(address);
    const { isAbsolute, join } = posix;
    if (!this.isWalled) return normalizeKey(isAbsolute(address) ? address : join(process.cwd(), address));
    if (!isAbsolute(address)) return normalizeKey(address);
    // Normalised first: NUL and half surrogates are refused, and `/root/../x` is seen for what it is.
    const inside = posix.relative(this.root, `/${normalizeKey(address)}`);
    if (!isBelow(inside, posix)) throw outside(address, this.root);
    return normalizeKey(inside);
  }

  /** Checks a key and normalises it. Names of temporary files are no keys, nor is what leads elsewhere on Windows. */
  key(key: string): string {
    const normal = normalizeKey(key);
    if (normal.includes(TEMP_PREFIX) && normal.split("/").some(isTempName)) {
      throw new StorageError("INVALID_KEY", `Names that begin with "${TEMP_PREFIX}" are kept for temporary files`);
    }
    if (this.#isWindows) checkPortable(normal, "choose a name without it");
    return normal;
  }

  /** The path of a normalised key, links not followed. */
  path(key: string): string {
    return this.#paths.join(this.root, key);
  }

  /** The key of a real path inside the root. */
  keyOf(realPath: string, realRoot: string): string {
    return this.#paths.relative(realRoot, realPath).split(this.#paths.sep).join("/");
  }

  /** The `file:` URI of a normalised key. */
  uri(key: string): string {
    const path = this.path(key);
    if (!this.#isWindows) return `file://localhost${encodeKey(path)}`;
    const [first = "", ...rest] = path.split(win32.sep).filter((name) => name !== "");
    // `\\server\share` has its own host; the colon of a drive stays as it is.
    if (path.startsWith(win32.sep)) return `file://${[first, encodeKey(rest.join("/"))].join("/")}`;
    return `file://localhost/${[first, ...rest.map(encodeURIComponent)].join("/")}`;
  }

  /**
   * Checks a key that is about to be written.
   *
   * @throws A {@link StorageError} `INVALID_KEY` if names must be portable, and one of them is not.
   */
  async checkNew(key: string): Promise<void> {
    if (this.#names !== "portable" || key === "") return;
    checkPortable(key, 'choose another, or let this store write any name: names: "system"');
    await checkSpelling(this.root, key);
  }

  /** The real root. Rejects with `ENOENT` if it is not there yet. */
  async realRoot(): Promise<string> {
    if (!this.isWalled) return this.root;
    if (this.#realRoot !== undefined) return this.#realRoot;
    // Asked anew while it is missing; kept once it is known. A root that is moved under an open store is not followed.
    const found = await realpath(this.root);
    await this.calls.learnRoot(found);
    this.#realRoot = found;
    return found;
  }

  /**
   * Where a key is. Directories above it must exist; it itself need not.
   *
   * @throws A {@link StorageError} `INVALID_KEY` if a link above it leads out of the root; system errors as they come.
   */
  async locate(key: string): Promise<Location> {
    const path = this.path(key);
    const above = this.#paths.dirname(path);
    if (!this.isWalled || key === "") return { directory: above, path };
    const directory =
      above === this.root ? await this.realRoot() : await this.#inside(await this.calls.realpath(above), key);
    return { directory, path: this.#paths.join(directory, this.#paths.basename(path)) };
  }

  /**
   * The real path of what a key leads to, every link followed.
   *
   * @throws A {@link StorageError} `INVALID_KEY` if a link leads out of the root; system errors as they come.
   */
  async realPath(key: string): Promise<string> {
    const path = this.path(key);
    const real = await this.calls.realpath(path);
    return this.isWalled ? this.#inside(real, key) : real;
  }

  /** As {@link Place.realPath}, without a promise; only where `calls.areInPlace`, by when the root is known. */
  realPathNow(key: string): string {
    const real = realpathSync.native(this.path(key));
    if (this.#realRoot !== undefined && this.#isInside(real, this.#realRoot)) return real;
    throw outside(key, this.root);
  }

  /** As {@link Place.locate}, and by the key alone where directories above it are missing: what a link may lead to. */
  async locateLoosely(key: string): Promise<Location> {
    const location = await unlessErrno(this.locate(key), "ENOENT", "ENOTDIR");
    if (location !== undefined) return location;
    const path = this.#paths.join(await this.realRoot(), key);
    return { directory: this.#paths.dirname(path), path };
  }

  /** As {@link Place.locate}; makes the directories above that are missing. */
  async locateNew(key: string, isDurable: boolean): Promise<Location> {
    await this.checkNew(key);
    const location = await unlessErrno(this.locate(key), "ENOENT");
    if (location !== undefined && (await unlessErrno(lstat(location.directory), "ENOENT"))) return location;
    await this.makeDirectories(parentKey(key), isDurable);
    return this.locate(key);
  }

  /** What a link leads to; `undefined` if that is nothing, or outside the walls. */
  async followed(key: string): Promise<BigIntStats | undefined> {
    const real = await unlessErrno(this.calls.realpath(this.path(key)), "ENOENT", "ELOOP", "ENOTDIR");
    if (real === undefined) return undefined;
    if (this.isWalled && !this.#isInside(real, await this.realRoot())) return undefined;
    return unlessErrno(stat(real, { bigint: true }), "ENOENT");
  }

  /** The path to open for reading. Without walls the system follows links itself, which saves a step. */
  async readPath(key: string): Promise<string> {
    return this.isWalled ? this.realPath(key) : this.path(key);
  }

  /**
   * Where a write to a key goes: through links to what they lead to. A link that leads nowhere is replaced itself.
   * Rejects with `ENOENT` if the directory above is missing.
   */
  async writeTarget(key: string): Promise<WriteTarget> {
    await this.checkNew(key);
    // Asked at the same time as where the key is: nearly always no link leads elsewhere, and the answer is the right one.
    const guess = this.#realRoot === undefined ? this.path(key) : this.#paths.join(this.#realRoot, key);
    const [location, early] = await Promise.all([
      this.locate(key),
      this.calls.lstat(guess).catch(() => "unknown" as const),
    ]);
    const isRight = location.path === guess && early !== "unknown";
    const found = isRight ? early : await this.calls.lstat(location.path);
    if (!found?.isSymbolicLink()) return { ...location, stat: found };
    const real = await unlessErrno(realpath(location.path), "ENOENT", "ELOOP");
    if (real === undefined) return { ...location, stat: undefined };
    if (this.isWalled) await this.#inside(real, key);
    return { directory: this.#paths.dirname(real), path: real, stat: await stat(real, { bigint: true }) };
  }

  /**
   * Makes the directory of a key and those above it, inside the walls.
   *
   * @returns Paths of those that were not there before, the topmost first.
   */
  makeDirectories(key: string, isDurable: boolean): Promise<string[]> {
    const making = this.#make(key, isDurable);
    if (!isDurable) return making;
    // Whether it fails is for the caller alone.
    const settled: Promise<void> = making.then(
      () => {},
      () => {},
    );
    this.#making.add(settled);
    return making.finally(() => this.#making.delete(settled));
  }

  /**
   * Waits until directories that are being made are durable: whoever finds one there already may have written into it,
   * and be done before it is.
   */
  async directoriesMade(): Promise<void> {
    await Promise.all(this.#making);
  }

  async #make(key: string, isDurable: boolean): Promise<string[]> {
    const { dirname, join, relative, sep } = this.#paths;
    const path = this.path(key);
    await this.checkNew(key);
    if (this.isWalled) await this.#checkNearest(path, key);
    const first = await makeTree(path, dirname);
    if (first === undefined) return [];
    const made = [first];
    for (const name of relative(first, path).split(sep)) if (name !== "") made.push(join(made.at(-1) as string, name));
    if (isDurable) for (const directory of made) await syncDirectory(dirname(directory));
    return made;
  }

  /** Checks the nearest directory that exists: what is made below it is real, and so inside if that is. */
  async #checkNearest(path: string, key: string): Promise<void> {
    for (let nearest = path; nearest !== this.root; nearest = this.#paths.dirname(nearest)) {
      const real = await unlessErrno(realpath(nearest), "ENOENT");
      if (real !== undefined) {
        await this.#inside(real, key);
        return;
      }
    }
  }

  async #inside(realPath: string, key: string): Promise<string> {
    const realRoot = await this.realRoot();
    if (this.#isInside(realPath, realRoot)) return realPath;
    throw outside(key, this.root);
  }

  #isInside(realPath: string, realRoot: string): boolean {
    return realPath === realRoot || isBelow(this.#paths.relative(realRoot, realPath), this.#paths);
  }

  /** Addresses are paths there: both slashes separate. What is on another drive or server is outside. */
  #resolveOnWindows(address: string): string {
    // `C:x` is a path below the working directory of that drive, which only Windows knows.
    if (/^[a-z]:(?![\\/])/i.test(address)) throw outside(address, this.root);
    const path = win32.isAbsolute(address) || this.isWalled ? address : win32.join(process.cwd(), address);
    const inside = win32.relative(this.root, win32.resolve(this.root, path));
    if (!isBelow(inside, win32)) throw outside(address, this.root);
    return this.key(inside.split(win32.sep).join("/"));
  }
}

/** Attempts to make one directory, where others take back the one above it meanwhile. */
const ATTEMPTS = 100;

/**
 * Makes a directory and those above it. In place of `mkdir` with `recursive`, which calls what is read-only missing, and
 * never ends where a directory takes no others (`/proc`).
 *
 * @returns The topmost that was made; `undefined` if all were there.
 */
async function makeTree(path: string, dirname: (path: string) => string): Promise<string | undefined> {
  let first: string | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(path);
      return first ?? path;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") {
        // Whatever is said of a root: it is enough that it is there.
        if ((await unlessErrno(stat(path), "ENOENT"))?.isDirectory()) return first;
        throw error;
      }
      if (attempt === ATTEMPTS || dirname(path) === path) throw error;
      first = (await makeTree(dirname(path), dirname)) ?? first;
    }
  }
}

/** Removes directories that a failed write has made, as far as they are empty. */
export async function removeMade(directories: readonly string[]): Promise<void> {
  for (const directory of [...directories].reverse()) {
    // Somebody else may have put something there, removed it, or put a link in its place; then it is theirs.
    await unlessErrno(rmdir(directory), "ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR");
  }
}

/** Makes the entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems (network, FUSE) have no such operation; what they promise, they promise without it.
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

/** True if a relative path stays where it begins. */
function isBelow(path: string, { sep, isAbsolute }: PlatformPath): boolean {
  return path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

function outside(address: string, root: string): StorageError {
  return new StorageError("INVALID_KEY", `"${address}" leads out of the root ${root}`, { identifier: address });
}
