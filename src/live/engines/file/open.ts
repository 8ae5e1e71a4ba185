/** Opens the index of a folder, and makes an engine of the parts. Loaded by `import()` only. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Clock, pause, systemClock } from "../../../core/clock.ts";
import { isStorageError, StorageError } from "../../../core/errors.ts";
import type { SqliteDriver } from "../../../sqlite/driver.ts";
import { isBusy } from "../../../sqlite/errors.ts";
import { openSqlite } from "../../../sqlite/open.ts";
import { fileError } from "../../segments/segment-errors.ts";
import { Waiters } from "../waiters.ts";
import { ChangeWatch } from "./change-watch.ts";
import { FileEngine } from "./file-engine.ts";
import { FileStore } from "./file-store.ts";
import type { FileEngineOptions } from "./index.ts";
import { createTables, hasTables, INDEX_FILE } from "./index-schema.ts";
import { machineTime } from "./machine-time.ts";
import { SegmentFiles } from "./segment-files.ts";

/** The largest info of a scan. */
const MAX_INFO_BYTES = 1_000_000;

/** Segment files of a store without a limit. One with a limit has sixteen or more, so that a part of it can go. */
const SEGMENT_BYTES = 64 << 20;

/** What the log beside the index keeps of the disk once it was emptied. */
const LOG_BYTES = 8 << 20;

/** Opens a store. */
export async function open(options: FileEngineOptions): Promise<FileEngine> {
  const { readOnly = false, durability = "process", limitBytes, pollMs = 2, clock = systemClock } = options;
  const root = resolve(options.root);
  if (!readOnly) {
    await mkdir(root, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw fileError(error, root, "open");
      const message = `"${root}" is a file; live scans are kept in a folder`;
      throw new StorageError("NOT_A_DIRECTORY", message, { operation: "open", identifier: root, cause: error });
    });
  }
  const time = options.time ?? (await machineTime());
  const driver = await openIndex(join(root, INDEX_FILE), readOnly, options, clock);
  let engine: FileEngine | undefined;
  const store = new FileStore({
    root,
    driver,
    time,
    clock,
    segments: new SegmentFiles(
      root,
      options.segmentBytes ?? Math.min(SEGMENT_BYTES, (limitBytes ?? Number.POSITIVE_INFINITY) / 16),
    ),
    readOnly,
    isSynced: durability === "power",
    limitBytes,
    reserveBytes: options.reserveBytes ?? 4 << 20,
    inlineBytes: options.inlineBytes ?? 8192,
    busyTimeoutMs: options.busyTimeoutMs ?? 10_000,
    busyPollMs: options.busyPollMs ?? 1,
    onChange: (topics) => engine?.wake(topics),
  });
  try {
    if (!readOnly) {
      driver.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
      driver.exec(`PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
      await store.sweep().catch((error: unknown) => {
        // What is left over can wait until there is room, or nobody else writes; what is there can be read.
        if (!isStorageError(error, "NO_SPACE", "CONFLICT")) throw error;
      });
    }
  } catch (error) {
    await store.close();
    throw error;
  }
  const watch = new ChangeWatch(
    () => store.version(),
    () => engine?.wake(),
    { pollMs, clock },
  );
  engine = new FileEngine({
    store,
    waiters: new Waiters(clock),
    watch,
    capabilities: {
      processes: "machine",
      isPersistent: true,
      limitsMemory: limitBytes !== undefined,
      trimsExactly: true,
      maxInfoBytes: MAX_INFO_BYTES,
    },
  });
  return engine;
}

async function openIndex(
  path: string,
  readOnly: boolean,
  options: FileEngineOptions,
  clock: Clock,
): Promise<SqliteDriver> {
  const driver = await whenFree(
    options,
    clock,
    async () => await openSqlite(path, { readOnly, busyTimeoutMs: 0, canShrink: true, driver: options.driver }),
  );
  try {
    if (hasTables(driver, path)) return driver;
    if (readOnly) throw new StorageError("NOT_FOUND", `"${path}" holds no live streams`, { identifier: path });
    await whenFree(options, clock, async () => {
      driver.exec("BEGIN IMMEDIATE");
      try {
        // Again, now that nobody else can change it: another process may have been faster.
        if (!hasTables(driver, path)) createTables(driver);
        driver.exec("COMMIT");
      } catch (error) {
        driver.exec("ROLLBACK");
        throw error;
      }
    });
    return driver;
  } catch (error) {
    driver.close();
    throw error;
  }
}

/** Tries until no other connection is in the way. */
async function whenFree<T>(options: FileEngineOptions, clock: Clock, run: () => Promise<T>): Promise<T> {
  const { busyTimeoutMs = 10_000, busyPollMs = 1 } = options;
  const started = clock.now();
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!isBusy(error) || clock.now() - started >= busyTimeoutMs) throw error;
    }
    await pause(clock, busyPollMs, undefined, {});
  }
}
