/** Questions to the file system that are short where it is local: in place, or on a thread of the pool. */
import * as fs from "node:fs";
import { lstat, realpath, statfs } from "node:fs/promises";
import { setImmediate } from "node:timers";
import { promisify } from "node:util";
import { unlessErrno } from "./errno.ts";

/** Types that Linux gives to file systems without a server or another program behind them: ext, XFS, Btrfs, tmpfs, ZFS, F2FS, overlay. */
const LOCAL_FILE_SYSTEMS = [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x2fc12fc1, 0xf2f52010, 0x794c7630];

/** What is read in place at a time, at most: from the cache of the system that takes 0.2 ms. */
const IN_PLACE_BYTES = 4 << 20;

/**
 * After the first call in place, the next ones are made in place for so long, until the event loop has its turn again. What
 * the caller does between two calls counts: nobody else runs meanwhile either.
 */
const TURN_MS = 2;

/** A call in place that took longer has waited for a device, or for the processor. */
const SLOW_MS = 5;

/** Calls that are made elsewhere after a slow one, if those before it were slow as well. */
const MAX_ELSEWHERE = 64;

/** Without O_NONBLOCK, opening a named pipe would wait for its writer, and hold a thread for ever. */
export const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;

const openFile = promisify(fs.open);
const statFile = promisify(fs.fstat) as unknown as (fd: number, options: { bigint: true }) => Promise<fs.BigIntStats>;
const readFile = promisify(fs.read);
const closeFile = promisify(fs.close);

/**
 * Asks in place where the file system is known to be local, and so mostly answers from memory: that takes a few
 * microseconds, and the way to a thread of the pool and back fifty or more. Never for long: a turn of the event loop has
 * a limit, and once an answer had to wait for the device, the next ones are waited for elsewhere.
 */
export class SystemCalls {
  readonly #mayStay: boolean;
  /** Devices that were looked at. */
  readonly #local = new Map<bigint, boolean>();
  #isLocal = false;
  /** When the first call of this turn was made, in milliseconds; `undefined` if none was yet. */
  #turnBegan: number | undefined;
  /** Calls that are to be made elsewhere. */
  #elsewhere = 0;
  /** As many were after the last slow call; each slow one doubles it, a quick read forgets it. */
  #penalty = 0;

  /** @param mode - `"never"`: every call that may wait is one of the pool. */
  constructor(mode: "auto" | "never") {
    this.#mayStay = mode === "auto";
  }

  /**
   * True if the root is known to be on a file system of this machine that answers from memory what an open file is.
   * Something slower may be mounted below; then such an answer takes longer, and is right.
   */
  get isLocal(): boolean {
    return this.#isLocal;
  }

  /** True if the next call is asked in place. */
  get areInPlace(): boolean {
    if (!this.#mayStay || !this.#isLocal || this.#elsewhere > 0) return false;
    return this.#turnBegan === undefined || performance.now() - this.#turnBegan < TURN_MS;
  }

  /** Looks at the file system that everything is on. */
  async learnRoot(path: string): Promise<void> {
    const [{ type }, { dev }] = await Promise.all([statfs(path), fs.promises.stat(path, { bigint: true })]);
    this.#isLocal = LOCAL_FILE_SYSTEMS.includes(type);
    this.#local.set(dev, this.#isLocal);
  }

  /** Whether the file system of a file is known; see {@link SystemCalls.learn}. */
  knows(stat: fs.BigIntStats): boolean {
    return this.#local.has(stat.dev);
  }

  /** Looks at the file system of a file, if it is another one: a share mounted below the root ends all calls in place. */
  async learn(stat: fs.BigIntStats, path: string): Promise<void> {
    if (!this.#isLocal || this.#local.has(stat.dev)) return;
    const isLocal = LOCAL_FILE_SYSTEMS.includes((await statfs(path)).type);
    this.#local.set(stat.dev, isLocal);
    if (!isLocal) this.#isLocal = false;
  }

  async realpath(path: string): Promise<string> {
    return this.#goes() ? this.now(() => fs.realpathSync.native(path)) : realpath(path);
  }

  /** What is at a path, links not followed; `undefined` if nothing is. */
  async lstat(path: string): Promise<fs.BigIntStats | undefined> {
    if (this.#goes()) return this.now(() => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }));
    return unlessErrno(lstat(path, { bigint: true }), "ENOENT");
  }

  /** Opens a file for reading; whoever does closes it. */
  async open(path: string): Promise<number> {
    return this.#goes() ? this.now(() => fs.openSync(path, OPEN_FLAGS)) : openFile(path, OPEN_FLAGS);
  }

  async fstat(fd: number): Promise<fs.BigIntStats> {
    return this.#isLocal ? fs.fstatSync(fd, { bigint: true }) : statFile(fd, { bigint: true });
  }

  /** @returns How many bytes were there. */
  async read(fd: number, into: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    if (length <= IN_PLACE_BYTES && this.#goes()) return this.readNow(fd, into, offset, length, position);
    return (await readFile(fd, into, offset, length, position)).bytesRead;
  }

  /** Closes what was open for reading. */
  async close(fd: number): Promise<void> {
    return this.#goes() ? this.now(() => fs.closeSync(fd)) : closeFile(fd);
  }

  /** True if so many bytes may be read in place now. */
  mayRead(byteLength: number): boolean {
    return byteLength <= IN_PLACE_BYTES && this.areInPlace;
  }

  /** Decides about one call. */
  #goes(): boolean {
    if (this.areInPlace) return true;
    if (this.#elsewhere > 0) this.#elsewhere--;
    return false;
  }

  /** Does something in place, and takes the time. */
  now<T>(call: () => T): T {
    const start = performance.now();
    this.#countTurn(start);
    try {
      return call();
    } finally {
      this.#note(performance.now() - start);
    }
  }

  /** As {@link SystemCalls.now}, for a read: what tells whether the files are in the cache. */
  readNow(fd: number, into: Uint8Array, offset: number, length: number, position: number): number {
    const count = this.now(() => fs.readSync(fd, into, offset, length, position));
    if (this.#elsewhere === 0) this.#penalty = 0;
    return count;
  }

  #note(tookMs: number): void {
    if (tookMs <= SLOW_MS) return;
    this.#penalty = Math.min(MAX_ELSEWHERE, Math.max(1, this.#penalty * 2));
    this.#elsewhere = this.#penalty;
  }

  #countTurn(now: number): void {
    if (this.#turnBegan !== undefined) return;
    this.#turnBegan = now;
    setImmediate(() => {
      this.#turnBegan = undefined;
    });
  }
}
