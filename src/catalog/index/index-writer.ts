/** The master index: all runs of all beamtimes, in one database. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import type { OpenDatabaseOptions } from "../database.ts";
import { publicLocation } from "../location.ts";
import type { CatalogRun } from "../run.ts";
import { type SyncCounts, syncBeamtime } from "./beamtime-sync.ts";
import { IndexConnection } from "./index-connection.ts";
import { IndexPaths } from "./index-path.ts";
import { type IndexPage, type IndexSearchOptions, searchIndex } from "./index-search.ts";
import {
  allResearchers,
  type BeamtimeDetails,
  beamtimesWhere,
  checkName,
  checkTime,
  type IndexedBeamtime,
  type IndexedResearcher,
  needBeamtime,
  putBeamtime,
  putResearcher,
  type ResearcherDetails,
} from "./registry-table.ts";
import { type RepairOptions, type RepairReport, repairIndex } from "./repair.ts";
import { type IndexRunDetails, indexGivenRun, indexOwnRun } from "./run-indexing.ts";
import { type IndexProblem, verifyIndex } from "./verify.ts";

/** Options of an {@link IndexWriter}. */
export interface IndexWriterOptions extends OpenDatabaseOptions {
  /** The time of what is given none: seconds since 1970-01-01 UTC. Default: that of the machine. */
  readonly time?: (() => number) | undefined;
}

/** What tells of runs that have ended: a `RunWriter`. */
export interface RunEnds {
  /** The beamtime file that it writes. */
  readonly dbPath: string;
  /** Calls, and waits, for each run that is closed or found lost. Answers what ends that. */
  onRunEnd(listener: (uid: string) => Promise<void>): () => void;
}

/** Options of {@link IndexWriter.attach}. */
export interface AttachOptions {
  /**
   * Told of each run that could not be indexed. The run is safe in its file, and {@link IndexWriter.reindex} or
   * {@link IndexWriter.repair} finds it. Default: a warning of the process.
   */
  readonly onError?: ((error: unknown, uid: string) => void) | undefined;
}

/**
 * The master index: researchers, their beamtimes, and every run of each, found by any mix of plan, sample, tags, time,
 * status and words.
 *
 * The beamtime files have the data; the index can be made again from them. It keeps their paths from its own folder, so
 * that both can be moved or mounted elsewhere together. Any number of processes may write it at once. Index and beamtimes
 * may lie in PostgreSQL as well, each or all: URLs are kept without passwords, which come from the option `password`, from
 * the URLs that this object is given, for the same server and user, or from the variable `PGPASSWORD`.
 *
 * Opens with the first call that needs it. Errors are {@link StorageError}s; beside those that are named: `CORRUPT`,
 * `UNSUPPORTED` for an index of a newer version, `CONFLICT` (retryable) if another process writes for longer than
 * `busyTimeoutMs`, `NO_SPACE`, `READ_ONLY`, `PERMISSION_DENIED`, and `NOT_OPEN` after {@link IndexWriter.close}.
 *
 * @example
 * ```ts
 * import { IndexWriter } from "sluice/catalog";
 * await using index = new IndexWriter("index.db");
 * const researcher = await index.registerResearcher("Josiah Carberry", "data", { orcid: "0000-0002-1825-0097" });
 * await index.registerBeamtime(researcher, "2026-03-05", "data/2026-03-05.db");
 * const { runs, cursor } = await index.search({ plan: "en_scan", tags: { all: ["good"] }, text: "polymer" });
 * ```
 * @see resonance `api/data/writer.py`, `IndexWriter`
 */
export class IndexWriter implements AsyncDisposable {
  /** Path of the index file, or URL of its database, without its password. */
  readonly location: string;
  readonly #connection: IndexConnection;
  readonly #paths: IndexPaths;
  readonly #now: () => number;

  /** @param location - Path of the index file, which is made if it is not there; or the URL of a database. */
  constructor(location: string, options: IndexWriterOptions = {}) {
    this.location = publicLocation(location);
    const { time = () => Date.now() / 1000, ...databaseOptions } = options;
    this.#now = time;
    this.#connection = new IndexConnection(location, databaseOptions);
    this.#paths = new IndexPaths(location);
  }

  /**
   * Makes the tables, or brings them to the newest version; harmless when repeated. All other calls do it by themselves.
   * A file of a newer version, or of something else, stays as it is.
   *
   * @throws A {@link StorageError}: `UNSUPPORTED` for a newer version, `CORRUPT`, `INVALID_DATA` for something else.
   */
  async ensureSchema(): Promise<void> {
    await this.#connection.open();
  }

  /**
   * Gets or makes a researcher by name. Details that are given replace those that are there.
   *
   * @param rootPath - Folder under which the data lies.
   * @returns The number of the researcher.
   * @throws A {@link StorageError} `INVALID_DATA` for an ORCID whose check digit is wrong; the message says the right one.
   */
  async registerResearcher(name: string, rootPath: string, details: ResearcherDetails = {}): Promise<number> {
    const kept = checkName("researcher's name", name);
    const root = await this.#paths.toStored(rootPath);
    return this.#connection.write((transaction) => putResearcher(transaction, kept, root, details));
  }

  /**
   * Gets or makes a beamtime by the path of its file, which need not exist yet. Details that are given replace those that
   * are there.
   *
   * @returns The number of the beamtime.
   * @throws A {@link StorageError}: `NOT_FOUND` for an unknown researcher; `CONFLICT` if the file is a beamtime of another
   * one.
   */
  async registerBeamtime(
    researcherId: number,
    label: string,
    dbPath: string,
    details: BeamtimeDetails = {},
  ): Promise<number> {
    const kept = checkName("label", label);
    const timeStart = checkTime("timeStart", details.timeStart);
    const stored = await this.#locate(dbPath);
    return this.#connection.write((transaction) =>
      putBeamtime(transaction, researcherId, kept, stored, { ...details, timeStart }),
    );
  }

  /**
   * Says that a beamtime is over. Repeated without a time it changes nothing.
   *
   * @param details - `timeStop`, in seconds since 1970. Default: now.
   * @throws A {@link StorageError} `NOT_FOUND` for an unknown beamtime.
   */
  async closeBeamtime(
    beamtimeId: number,
    details: { readonly timeStop?: number | null | undefined } = {},
  ): Promise<void> {
    const given = checkTime("timeStop", details.timeStop);
    await this.#connection.write(async (transaction) => {
      const { timeStop } = await needBeamtime(transaction, this.#paths, beamtimeId);
      const time = given ?? timeStop ?? this.#now();
      await transaction.run("UPDATE beamtimes SET time_stop = ? WHERE id = ?", [time, beamtimeId]);
    });
  }

  /**
   * Says where the file of a beamtime is now, if it has moved without the index. Nothing is copied.
   *
   * @throws A {@link StorageError}: `NOT_FOUND` for an unknown beamtime; `CONFLICT` if another has this file.
   */
  async moveBeamtime(beamtimeId: number, dbPath: string): Promise<void> {
    const stored = await this.#locate(dbPath);
    await this.#connection.write(async (transaction) => {
      await needBeamtime(transaction, this.#paths, beamtimeId);
      const [other] = await beamtimesWhere(transaction, this.#paths, { path: stored });
      if (other !== undefined && other.id !== beamtimeId) {
        const message = `"${stored}" is the file of beamtime ${other.id} already; removeBeamtime takes one of them out`;
        throw new StorageError("CONFLICT", message, { operation: "moveBeamtime", identifier: stored });
      }
      await transaction.run("UPDATE beamtimes SET db_path = ? WHERE id = ?", [stored, beamtimeId]);
    });
  }

  /**
   * Takes a beamtime out of the index, with all its runs. Its file stays as it is, and can be registered again.
   *
   * @returns How many runs the index had of it.
   * @throws A {@link StorageError} `NOT_FOUND` for an unknown beamtime.
   */
  async removeBeamtime(beamtimeId: number): Promise<number> {
    return this.#connection.write(async (transaction) => {
      await needBeamtime(transaction, this.#paths, beamtimeId);
      // Their words go with them.
      const runs = await transaction.run("DELETE FROM runs_index WHERE beamtime_id = ?", [beamtimeId]);
      await transaction.run("DELETE FROM beamtimes WHERE id = ?", [beamtimeId]);
      return runs;
    });
  }

  /** All researchers, by name. */
  async researchers(): Promise<IndexedResearcher[]> {
    return allResearchers(await this.#connection.open(), this.#paths);
  }

  /**
   * Beamtimes, in the order in which they were registered.
   *
   * @param name - Only those with this label, or with this file. Default: all.
   */
  async beamtimes(name?: string): Promise<IndexedBeamtime[]> {
    const database = await this.#connection.open();
    if (name === undefined) return beamtimesWhere(database, this.#paths);
    return beamtimesWhere(database, this.#paths, { name, path: await this.#paths.toStored(name) });
  }

  /**
   * Writes one run into the index, new or again. What is not given is taken from the run itself, if the file of the
   * beamtime has it; a run without a time gets the one that it had here, or now. The same once more changes nothing.
   *
   * @throws A {@link StorageError}: `NOT_FOUND` for an unknown researcher or beamtime, `INVALID_DATA` if the beamtime is
   * another one's.
   */
  async indexRun(
    uid: string,
    researcherId: number,
    beamtimeId: number,
    planName: string,
    details: IndexRunDetails = {},
  ): Promise<void> {
    const run = { ...details, uid, researcherId, beamtimeId, planName };
    await indexGivenRun(this.#connection, this.#paths, run, this.#now);
  }

  /**
   * Makes the index say of a beamtime what its file says: all runs, and none that is gone. Either all of it happens or
   * nothing; others read the old state meanwhile. Runs that the index has in another beamtime become this one's.
   *
   * @param dbPath - The file of a beamtime that is registered.
   * @throws A {@link StorageError}: `NOT_FOUND` if it is not, or the file is not there; `CORRUPT`, `UNSUPPORTED`,
   * `ABORTED`. The index is as it was.
   */
  async reindex(dbPath: string, options: OperationOptions = {}): Promise<SyncCounts> {
    const { dialect } = await this.#connection.open();
    const beamtime = await this.#beamtimeOf(dbPath, "reindex");
    return this.#connection.write(async (transaction) => {
      const owner = { beamtimeId: beamtime.id, researcherId: beamtime.researcherId };
      const runs = await this.#connection.runsOf(beamtime);
      try {
        return await syncBeamtime(transaction, dialect, runs, owner, { ...options, takeOver: true });
      } finally {
        await runs.close();
      }
    }, options);
  }

  /**
   * Indexes each run of a writer when it is closed, or found lost. A failure never reaches the writer: the run is safe in
   * its file.
   *
   * @returns What ends it.
   * @throws A {@link StorageError} `NOT_FOUND` if the writer's file is not registered as a beamtime.
   */
  async attach(writer: RunEnds, options: AttachOptions = {}): Promise<() => void> {
    const beamtime = await this.#beamtimeOf(writer.dbPath, "attach");
    const report = options.onError ?? ((error, uid) => warnOf(error, uid, this.location));
    return writer.onRunEnd(async (uid) => {
      try {
        await indexOwnRun(this.#connection, beamtime, uid);
      } catch (error) {
        report(error, uid);
      }
    });
  }

  /**
   * Finds runs, newest first, page by page.
   *
   * @throws A {@link StorageError}: `INVALID_DATA` for a filter that makes no sense or a cursor of another search,
   * `OUT_OF_RANGE` for a limit.
   */
  async search(options: IndexSearchOptions = {}): Promise<IndexPage> {
    return searchIndex(await this.#connection.open(), this.#paths, options);
  }

  /**
   * A run with its data, from the file of its beamtime. Files are opened when the first of their runs is, and closed with
   * the index.
   *
   * @throws A {@link StorageError} `NOT_FOUND` if the index has no such run, or its file is not there or has it no more.
   */
  async open(uid: string): Promise<CatalogRun> {
    const [beamtime] = await beamtimesWhere(await this.#connection.open(), this.#paths, { runUid: uid });
    if (beamtime === undefined) {
      throw new StorageError("NOT_FOUND", `The index has no run "${uid}"`, { operation: "open", identifier: uid });
    }
    const catalog = await this.#connection.catalog(beamtime.path);
    return catalog.get(uid);
  }

  /** Compares the index with all beamtime files, and tells what is not as it should be. Changes nothing. */
  async *verify(options: OperationOptions = {}): AsyncGenerator<IndexProblem> {
    const database = await this.#connection.open();
    yield* verifyIndex(database, await this.beamtimes(), (beamtime) => this.#connection.runsOf(beamtime), options);
  }

  /** Makes the index say what the files say. Beamtimes whose file cannot be read stay as they are. */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    const database = await this.#connection.open();
    return repairIndex(database, await this.beamtimes(), (beamtime) => this.#connection.runsOf(beamtime), options);
  }

  /** Closes the index and all files that were opened through it. Harmless when repeated. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** As {@link IndexWriter.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What stands for a beamtime in the index. */
  #locate(dbPath: string): Promise<string> {
    this.#connection.note(dbPath);
    return this.#paths.toStored(dbPath);
  }

  async #beamtimeOf(dbPath: string, operation: string): Promise<IndexedBeamtime> {
    const path = await this.#locate(dbPath);
    const [beamtime] = await beamtimesWhere(await this.#connection.open(), this.#paths, { path });
    if (beamtime !== undefined) return beamtime;
    const shown = publicLocation(dbPath);
    const message = `"${shown}" is no beamtime of the index "${this.location}"; registerBeamtime makes it one`;
    throw new StorageError("NOT_FOUND", message, { operation, identifier: shown });
  }
}

function warnOf(error: unknown, uid: string, location: string): void {
  const reason = error instanceof Error ? error.message : String(error);
  const advice = "It is safe in its beamtime file; reindex finds it there";
  process.emitWarning(`Run ${uid} is not in the index "${location}": ${reason}. ${advice}.`, "SluiceIndexWarning");
}
