/** What a beamtime file says of its runs, for the index. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { isStorageError, type StorageError } from "../../core/errors.ts";
import { type CatalogDatabase, type OpenDatabaseOptions, openDatabase } from "../database.ts";
import { readAsLatest } from "../migrations.ts";
import { lenient, parseJson, parseWords } from "../row-json.ts";
import { beamtimeSchema, tagsOf } from "../schema.ts";
import { type IndexEntry, textsIn } from "./index-entry.ts";

/** Runs are read in pages of so many. */
export const RUN_PAGE = 500;

const SELECT_RUNS = `
  SELECT r.uid, r.plan_name, r.time_start, r.time_stop, r.exit_status, r.num_events, r.operator, r.metadata,
    s.name AS sample_name, s.formula, s.serial, s.tags AS sample_tags, s.extra AS sample_extra
  FROM runs r LEFT JOIN samples s ON s.id = r.sample_id`;

interface RunRow {
  uid: string;
  plan_name: string;
  time_start: number;
  time_stop: number | null;
  exit_status: string | null;
  num_events: number | string | null;
  operator: string | null;
  metadata: string | null;
  sample_name: string | null;
  formula: string | null;
  serial: string | null;
  sample_tags: string | null;
  sample_extra: string | null;
}

/** A beamtime database, open for reading. */
export class BeamtimeRuns implements AsyncDisposable {
  readonly #database: CatalogDatabase;
  /** What is said of the beamtime, and holds for each of its runs. */
  readonly #description: string | undefined;

  /** Of one that is open; see {@link BeamtimeRuns.open}. */
  constructor(database: CatalogDatabase, description: string | undefined) {
    this.#database = database;
    this.#description = description;
  }

  /**
   * Opens a beamtime file. It is read as it is, of whatever version.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`, `CORRUPT`, `UNSUPPORTED`, `INVALID_DATA`.
   */
  static async open(
    location: string,
    description: string | undefined,
    options: OpenDatabaseOptions = {},
  ): Promise<BeamtimeRuns> {
    const database = await openDatabase(location, { ...options, readOnly: true });
    try {
      await readAsLatest(database, beamtimeSchema);
    } catch (error) {
      await database.close();
      throw error;
    }
    return new BeamtimeRuns(database, description);
  }

  /** Where it is, as errors name it. */
  get location(): string {
    return this.#database.location;
  }

  /** Up to {@link RUN_PAGE} runs behind a uid, in the order of uids. */
  async page(after: string, { signal }: OperationOptions = {}): Promise<IndexEntry[]> {
    const sql = `${SELECT_RUNS} WHERE r.uid > ? ORDER BY r.uid LIMIT ${RUN_PAGE}`;
    const rows = await this.#database.all<RunRow>(sql, [after], { signal });
    return rows.map((row) => this.#entryOf(row));
  }

  /** One run; `undefined` if it is not there. */
  async get(uid: string): Promise<IndexEntry | undefined> {
    const [row] = await this.#database.all<RunRow>(`${SELECT_RUNS} WHERE r.uid = ?`, [uid]);
    return row && this.#entryOf(row);
  }

  /** Which of these runs are there. */
  async known(uids: readonly string[], { signal }: OperationOptions = {}): Promise<Set<string>> {
    const sql = `SELECT uid FROM runs WHERE uid IN (${uids.map(() => "?").join(", ")})`;
    const rows = await this.#database.all<{ uid: string }>(sql, uids, { signal });
    return new Set(rows.map(({ uid }) => uid));
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.#database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #entryOf(row: RunRow): IndexEntry {
    const place = (column: string) => `${column} of run ${row.uid} in "${this.#database.location}"`;
    // What is no JSON is found by its text.
    const metadata = lenient(() => parseJson(row.metadata, place("metadata")), row.metadata);
    const sampleTags = lenient(() => parseWords(row.sample_tags, place("tags of the sample")), []);
    const extra = lenient(() => parseJson(row.sample_extra, place("extra of the sample")), row.sample_extra);
    // What changes while a run is written would make it look changed: it counts from the end of the run.
    const hasEnded = row.exit_status !== null || row.time_stop !== null;
    return {
      uid: row.uid,
      planName: row.plan_name,
      sampleName: row.sample_name ?? undefined,
      timeStart: Number(row.time_start),
      timeStop: row.time_stop === null ? undefined : Number(row.time_stop),
      exitStatus: row.exit_status ?? undefined,
      numEvents: hasEnded ? Number(row.num_events ?? 0) : undefined,
      tags: [...new Set([...tagsOf(metadata), ...sampleTags])],
      texts: textsIn(this.#description, row.operator, row.formula, row.serial, metadata, extra),
    };
  }
}

/** True if a beamtime cannot be read for a reason that lies in its file, in its server, or in the way there. */
export function isFileProblem(error: unknown): error is StorageError {
  return isStorageError(
    error,
    "NOT_FOUND",
    "CORRUPT",
    "UNSUPPORTED",
    "INVALID_DATA",
    "IS_A_DIRECTORY",
    "NOT_A_DIRECTORY",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "CONFIG_INVALID",
    "MISSING_DEPENDENCY",
    "RATE_LIMITED",
    "TIMED_OUT",
    "UNEXPECTED",
  );
}
