/** One run of a catalogue. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { Document } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import type { FrameReader } from "../io/frame-runs.ts";
import type { CatalogEvent } from "./event-reader.ts";
import type { ExportFormat, ExportOptions } from "./export/export-run.ts";
import { type FollowOptions, followRun, type Watched } from "./follow.ts";
import { readFrames, readImageFields } from "./image-refs.ts";
import { LazyImageSequence } from "./lazy-image-sequence.ts";
import { oneRunQuery, type RunStatus } from "./run-query.ts";
import {
  type CatalogSample,
  countedRows,
  extraOf,
  metadataOf,
  type RunRow,
  type RunSummary,
  sampleOf,
} from "./run-row.ts";
import { emptyTable, type PageOptions, readPages, readTable, type TableOptions } from "./run-table.ts";
import { type CatalogStream, readStreams } from "./stream-row.ts";
import type { RunTable } from "./table.ts";
import { livingWriters } from "./writer-lease.ts";

/** What a run needs of its catalogue. */
export interface RunContext extends Watched {
  /** Reads images. */
  readonly frames: FrameReader;
  /** URI of the store of images that name none; `undefined` if it has none. */
  readonly besideUri: string | undefined;
}

/** The stream that a run has nearly always. */
const PRIMARY = "primary";

/** What a camera is called where nobody says otherwise. */
const DETECTOR_IMAGE = "detector_image";

/**
 * One run: what is known of it, as it was when it was looked up, and its events and images, which are read when they are
 * asked for. Good as long as its catalogue is open.
 *
 * @example
 * ```ts
 * const run = await catalog.get(uid);
 * console.log(run.planName, run.sample?.name, run.status);
 * const { data } = (await run.table()).column("energy");
 * const image = await (await run.images()).at(-1);
 * ```
 * @see resonance `catalog.py`, `Run`
 */
export class CatalogRun implements RunSummary {
  readonly uid: string;
  readonly planName: string;
  readonly timeStart: number;
  readonly timeStop: number | undefined;
  readonly exitStatus: string | undefined;
  readonly status: RunStatus;
  readonly numEvents: number;
  readonly operator: string | undefined;
  readonly #row: RunRow;
  readonly #context: RunContext;
  #metadata: Readonly<Record<string, unknown>> | undefined;

  /** @internal */
  constructor(row: RunRow, context: RunContext) {
    this.uid = row.uid;
    this.planName = row.plan_name;
    this.timeStart = Number(row.time_start);
    this.timeStop = row.time_stop === null ? undefined : Number(row.time_stop);
    this.exitStatus = row.exit_status ?? undefined;
    this.status = row.status as RunStatus;
    this.numEvents = Number(row.num_events ?? 0);
    this.operator = row.operator ?? undefined;
    this.#row = row;
    this.#context = context;
  }

  /** The sample, as it is described now; `undefined` if the run has none. */
  get sample(): CatalogSample | undefined {
    return sampleOf(this.#row);
  }

  get metadata(): Readonly<Record<string, unknown>> {
    this.#metadata ??= metadataOf(this.#row);
    return this.#metadata;
  }

  get extra(): Readonly<Record<string, unknown>> {
    return extraOf(this.#row);
  }

  /** Name of the sample, if the run has one. */
  get sampleName(): string | undefined {
    return this.#row.sample_name ?? undefined;
  }

  /**
   * The run as it is now.
   *
   * @throws A {@link StorageError} `NOT_FOUND` if it was removed.
   */
  refresh(options: OperationOptions = {}): Promise<CatalogRun> {
    return loadRun(this.#context, this.uid, options);
  }

  /** The streams, in the order in which they were opened. */
  streams(options: OperationOptions = {}): Promise<CatalogStream[]> {
    return readStreams(this.#context.database, this.uid, options);
  }

  /**
   * All events of a stream that are there now, as columns and as rows. For long runs, see {@link CatalogRun.pages}.
   *
   * @param stream - Name of the stream. One that the run does not have gives `seq_num` and `time` and no rows.
   * @throws A {@link StorageError}: `NOT_FOUND` for a field that the stream does not have, `CORRUPT`, `ABORTED`.
   */
  async table(stream = PRIMARY, options: TableOptions = {}): Promise<RunTable> {
    const found = await this.#stream(stream, options);
    return found === undefined ? emptyTable(stream) : readTable(this.#context.database, found, "data", options);
  }

  /** When each value of a stream was taken, as a table with the columns of its fields; seconds since 1970-01-01 UTC. */
  async timestamps(stream = PRIMARY, options: TableOptions = {}): Promise<RunTable> {
    const found = await this.#stream(stream, options);
    return found === undefined ? emptyTable(stream) : readTable(this.#context.database, found, "timestamps", options);
  }

  /**
   * The events of a stream that are there now, as tables of a few rows one after the other: as much memory as one of them
   * takes, however long the run. All have the same columns of the same types; at least one comes.
   *
   * @throws A {@link StorageError}: as {@link CatalogRun.table}.
   */
  async *pages(stream = PRIMARY, options: PageOptions = {}): AsyncGenerator<RunTable> {
    const found = await this.#stream(stream, options);
    if (found === undefined) yield emptyTable(stream);
    else yield* readPages(this.#context.database, found, options);
  }

  /** Names of the fields that have images. */
  imageFields(options: OperationOptions = {}): Promise<string[]> {
    return readImageFields(this.#context.database, this.uid, options);
  }

  /**
   * The images of a field that are there now. Reads none of them.
   *
   * @param field - A field without images gives a sequence without images.
   */
  async images(field = DETECTOR_IMAGE, options: OperationOptions = {}): Promise<LazyImageSequence> {
    const { database, frames } = this.#context;
    const found = await readFrames(database, this.uid, field, await this.streams(options), options);
    return new LazyImageSequence(field, found, frames);
  }

  /**
   * Yields the events that are there, then those that come, until the run has ended, or its writer has given no sign of
   * life for longer than it promised. `refresh` says which.
   *
   * @throws A {@link StorageError}: `ABORTED` when the signal fires.
   */
  follow(options: FollowOptions = {}): AsyncGenerator<CatalogEvent> {
    return followRun(this.#context, this.uid, options);
  }

  /** The run as bluesky documents; one that goes on has no stop. */
  async *documents(options: OperationOptions = {}): AsyncGenerator<Document> {
    const { documentsOf } = await import("./export/documents.ts");
    const { database, besideUri } = this.#context;
    const [run, streams, fields] = await Promise.all([
      this.refresh(options),
      this.streams(options),
      this.imageFields(options),
    ]);
    const sequences = await Promise.all(fields.map((field) => this.images(field, options)));
    const images = new Map(sequences.map(({ field, shape, dtype }) => [field, { shape: shape.slice(1), dtype }]));
    yield* documentsOf({ database, run, streams, images, besideUri }, options);
  }

  /**
   * The run, or a stream of it, as bytes of a file: `await writeFile("run.csv", run.export("csv"))`. Takes as much memory
   * as a page of events.
   *
   * - `documents`: bluesky documents, one a line: `{"name": …, "doc": …}`.
   * - `json`: one object, with all streams.
   * - `csv`, `ndjson`, `arrow` (an IPC file, also called Feather): the table of one stream.
   *
   * @throws A {@link StorageError}: `MISSING_DEPENDENCY` for `arrow` without the package apache-arrow; `UNSUPPORTED` for
   * any other format.
   */
  async *export(format: ExportFormat, options: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const { exportRun } = await import("./export/export-run.ts");
    yield* exportRun(this, format, options);
  }

  async #stream(name: string, options: OperationOptions): Promise<CatalogStream | undefined> {
    return (await this.streams(options)).find((stream) => stream.name === name);
  }
}

/**
 * Looks a run up.
 *
 * @throws A {@link StorageError} `NOT_FOUND`.
 */
export async function loadRun(context: RunContext, uid: string, { signal }: OperationOptions): Promise<CatalogRun> {
  const { sql, params } = oneRunQuery(uid, await livingWriters(context.database, context.now()));
  const [row] = await countedRows(context.database, await context.database.all<RunRow>(sql, params, { signal }));
  if (row !== undefined) return new CatalogRun(row, context);
  const message = `No run "${uid}" in "${context.database.location}"`;
  throw new StorageError("NOT_FOUND", message, { operation: "get", identifier: uid });
}
