/** The live engine `file`. SQLite is loaded when {@link openFileEngine} is called. */
import type { Clock } from "../../../core/clock.ts";
import type { SqliteLibrary } from "../../../sqlite/driver.ts";
import type { LiveEngine } from "../../engine.ts";
import type { MachineTime } from "./machine-time.ts";

export type { MachineTime } from "./machine-time.ts";

/** Options of {@link openFileEngine}. */
export interface FileEngineOptions {
  /** Folder of the store, on a disk of this machine. Made if it is not there, unless `readOnly`. */
  readonly root: string;
  /** True: nothing is written, and a store that is not there is an error. Default `false`. */
  readonly readOnly?: boolean | undefined;
  /**
   * What an append that has resolved survives. `"process"`: the end of every process, `kill -9` too; a power cut may take
   * the newest with it, and leaves the store whole. `"power"`: also that, at the price of a wait for the disk each time.
   * Default `"process"`.
   */
  readonly durability?: "process" | "power" | undefined;
  /** Bytes that the store may take; an append beyond rejects with `NO_SPACE`. Default: what the disk has. */
  readonly limitBytes?: number | undefined;
  /**
   * Bytes of the disk that appends leave free, so that scans can still be closed and old data removed. Default 4 MiB.
   */
  readonly reserveBytes?: number | undefined;
  /** Payloads above this many bytes go to segment files, others into the index. Default 8 KiB. */
  readonly inlineBytes?: number | undefined;
  /**
   * A segment file that is larger gets nothing more: the piece in which space is given back. Default 64 MiB, and
   * at most a sixteenth of `limitBytes`.
   */
  readonly segmentBytes?: number | undefined;
  /** How often a process in which somebody waits looks for what others have written. Default 2 milliseconds. */
  readonly pollMs?: number | undefined;
  /** How long a change waits for other processes that write. Default 10,000 milliseconds. */
  readonly busyTimeoutMs?: number | undefined;
  /** How often it asks meanwhile. Default 1 millisecond. */
  readonly busyPollMs?: number | undefined;
  /** Measures waits. */
  readonly clock?: Clock | undefined;
  /** Measures leases and times to live. Default: that of the machine, which nobody can set. */
  readonly time?: MachineTime | undefined;
  /** Which library does the work. Default: that of Node, where it has one, else better-sqlite3. */
  readonly driver?: SqliteLibrary | undefined;
}

/**
 * Opens live streams in a folder, for all processes of one machine: nothing to install, nothing to start. The folder has
 * an SQLite index and, for large payloads, segment files.
 *
 * Not for network file systems: the index needs memory that its processes share.
 *
 * @throws A `StorageError`: `CORRUPT` for a damaged index, which stays as it is; `UNSUPPORTED` for one of a newer version;
 * `INVALID_DATA` for a database of something else; `NOT_FOUND`, `PERMISSION_DENIED`, `READ_ONLY`, `NO_SPACE`,
 * `MISSING_DEPENDENCY`.
 */
export async function openFileEngine(options: FileEngineOptions): Promise<LiveEngine> {
  const { open } = await import("./open.ts");
  return await open(options);
}
