/** Reading a catalogue of runs. */
import { pathToFileURL } from "node:url";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { publicUri } from "../acquire/location.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import { checkInteger } from "../core/checks.ts";
import { systemClock } from "../core/clock.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { isStorageError, runAll, type StorageError } from "../core/errors.ts";
import { StoredFrames } from "../io/stored-frames.ts";
import { type CatalogDatabase, type OpenDatabaseOptions, openDatabase } from "./database.ts";
import { type WatchRunsOptions, watchRuns } from "./follow.ts";
import { storeBeside } from "./image-source.ts";
import { migrate, readAsLatest } from "./migrations.ts";
import { CatalogRun, loadRun, type RunContext } from "./run.ts";
import { decodeCursor, encodeCursor } from "./run-cursor.ts";
import { type RunFilter, runQuery } from "./run-query.ts";
import { countedRows, type RunRow } from "./run-row.ts";
import { beamtimeSchema } from "./schema.ts";
import { livingWriters } from "./writer-lease.ts";

/** Options of {@link Catalog.open}. */
export interface CatalogOptions extends Pick<OpenDatabaseOptions, "busyTimeoutMs" | "clock" | "driver" | "password"> {
  /**
   * True: nothing is written. False: a file of an older version is brought to the newest one, in one transaction.
   * Default `true`.
   */
  readonly readOnly?: boolean | undefined;
  /** Where stores of images are opened; stays open. Default: a set of its own, with the backends of Sluice. */
  readonly backends?: BackendSet | undefined;
  /**
   * The backend with the images that name no store, as it was for their writer: a configuration, or an instance of
   * `backends`. Default: the Zarr store `{stem}.zarr` beside the file.
   */
  readonly images?: InstanceConfig | string | undefined;
  /** The time, in seconds since 1970-01-01 UTC. Default: the machine's. */
  readonly time?: (() => number) | undefined;
}

/** What to search for, and how much of it. */
export interface SearchOptions extends RunFilter, OperationOptions {
  /** Most runs of one page. Default 100. */
  readonly limit?: number | undefined;
  /** Where the page before this one ended: its `cursor`. */
  readonly cursor?: string | undefined;
}

/** A page of runs. */
export interface RunPage {
  /** Newest first. */
  readonly runs: readonly CatalogRun[];
  /** For the next page; `undefined` if this is the last. */
  readonly cursor: string | undefined;
}

/**
 * The runs of a beamtime database: those that Sluice has written, and those of resonance. Others may write meanwhile, and
 * what they have committed is seen by the next call.
 *
 * @example
 * ```ts
 * import { Catalog } from "sluice/catalog";
 * const catalog = await Catalog.open("beamtime.db");
 * for (const run of await catalog.recent(5)) console.log(run.uid, run.planName, run.status);
 * const { runs, cursor } = await catalog.search({ plan: "nexafs", tags: { all: ["calibrated"] } });
 * await catalog.close();
 * ```
 * @see resonance `catalog.py`, `Catalog`
 */
export class Catalog implements AsyncDisposable {
  readonly #database: CatalogDatabase;
  readonly #context: RunContext;
  readonly #ownBackends: BackendSet | undefined;

  private constructor(database: CatalogDatabase, context: RunContext, ownBackends: BackendSet | undefined) {
    this.#database = database;
    this.#context = context;
    this.#ownBackends = ownBackends;
  }

  /**
   * Opens a catalogue that is there.
   *
   * @param location - Path of a database file, or a URL `postgres://…`.
   * @throws A {@link StorageError}: `NOT_FOUND`, `CORRUPT`, `INVALID_DATA` (a database of something else), `UNSUPPORTED` (a
   * newer version), `PERMISSION_DENIED`, `READ_ONLY`, `MISSING_DEPENDENCY`.
   */
  static async open(location: string, options: CatalogOptions = {}): Promise<Catalog> {
    const { clock = systemClock, time = () => Date.now() / 1000 } = options;
    const database = await openReadable(location, options);
    const { backends = new BackendSet(createRegistry()) } = options;
    const beside = database.dialect === "sqlite" ? await storeBeside(location) : undefined;
    const { images = beside && { use: "zarr", root: beside } } = options;
    const besideUri = options.images === undefined && beside !== undefined ? pathToFileURL(beside).href : undefined;
    const context: RunContext = {
      database,
      clock,
      now: time,
      frames: new StoredFrames(backends, images),
      besideUri: besideUri && publicUri(besideUri),
    };
    return new Catalog(database, context, options.backends === undefined ? backends : undefined);
  }

  /** Path of the file, or the URL without its password. */
  get location(): string {
    return this.#database.location;
  }

  /** The runs that started last, newest first. */
  async recent(n = 10, options: OperationOptions = {}): Promise<CatalogRun[]> {
    checkInteger(n, "n", 0, { operation: "recent" });
    return this.#runs({}, n, undefined, options);
  }

  /** The runs of a sample, by its exact name, newest first. */
  async bySample(name: string, options: OperationOptions = {}): Promise<CatalogRun[]> {
    return this.#runs({ sample: name }, Number.MAX_SAFE_INTEGER, undefined, options);
  }

  /**
   * One run.
   *
   * @throws A {@link StorageError} `NOT_FOUND`.
   */
  get(uid: string, options: OperationOptions = {}): Promise<CatalogRun> {
    return loadRun(this.#context, uid, options);
  }

  /**
   * Uids that begin with a text, in their order: what somebody may have meant who did not type all of one.
   *
   * @param options - `limit`: most uids, default 10.
   */
  async complete(
    beginning: string,
    { limit = 10, signal }: OperationOptions & { readonly limit?: number | undefined } = {},
  ): Promise<string[]> {
    checkInteger(limit, "limit", 1, { operation: "complete" });
    const sql = `SELECT uid FROM runs WHERE substr(uid, 1, ${[...beginning].length}) = ? ORDER BY uid LIMIT ${limit}`;
    const rows = await this.#database.all<{ uid: string }>(sql, [beginning], { signal });
    return rows.map(({ uid }) => uid);
  }

  /**
   * A page of the runs that a filter finds, newest first. Going from page to page, no run comes twice, and none is left
   * out that was there when the first page was made; what is added later and started later comes with a new search.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for a filter that makes no sense, and for a cursor that is none, or is of
   * another search.
   */
  async search(options: SearchOptions = {}): Promise<RunPage> {
    const { limit = 100, cursor, signal, ...filter } = options;
    checkInteger(limit, "limit", 1, { operation: "search" });
    const after = cursor === undefined ? undefined : decodeCursor(cursor, filter);
    // One more than asked for says whether there is another page.
    const found = await this.#runs(filter, limit + 1, after, { signal });
    const runs = found.slice(0, limit);
    const last = runs.at(-1);
    const isLast = found.length <= limit || last === undefined;
    return { runs, cursor: isLast ? undefined : encodeCursor({ time: last.timeStart, uid: last.uid }, filter) };
  }

  /**
   * Yields each run that is added from now on, by whatever process, until the signal fires; with `changes`, each run again
   * that ends or goes on. A run that was removed before it could be looked at does not come.
   *
   * @throws A {@link StorageError} `ABORTED` when the signal fires.
   */
  async *watch(options: WatchRunsOptions = {}): AsyncGenerator<CatalogRun> {
    for await (const uid of watchRuns(this.#context, options)) {
      const run = await this.get(uid, options).catch((error: unknown) => {
        if (isStorageError(error, "NOT_FOUND")) return undefined;
        throw error;
      });
      if (run !== undefined) yield run;
    }
  }

  /** Closes the connection, and the stores that were opened for images. Harmless when repeated. */
  async close(): Promise<void> {
    await runAll(
      [() => this.#ownBackends?.close(), () => this.#database.close()],
      `Closing the catalogue "${this.location}" failed`,
    );
  }

  /** As {@link Catalog.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #runs(
    filter: RunFilter,
    limit: number,
    after: ReturnType<typeof decodeCursor> | undefined,
    { signal }: OperationOptions,
  ): Promise<CatalogRun[]> {
    const { database, now } = this.#context;
    const living = await livingWriters(database, now());
    const { sql, params } = runQuery(database.dialect, { filter, after, limit, living });
    const rows = await countedRows(database, await database.all<RunRow>(sql, params, { signal }));
    return rows.map((row) => new CatalogRun(row, this.#context));
  }
}

/** Opens a database that is there, and that is a catalogue. */
async function openReadable(location: string, options: CatalogOptions): Promise<CatalogDatabase> {
  const { readOnly = true } = options;
  const database = await openWith(location, { ...options, readOnly: true }, readAsLatest);
  if (readOnly) return database;
  // Now that it is known to be one, the other connection may change it.
  await database.close();
  return openWith(location, { ...options, readOnly }, migrate);
}

async function openWith(
  location: string,
  options: OpenDatabaseOptions,
  prepare: (database: CatalogDatabase, schema: typeof beamtimeSchema) => Promise<unknown>,
): Promise<CatalogDatabase> {
  const database = await openDatabase(location, options);
  try {
    await prepare(database, beamtimeSchema);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
