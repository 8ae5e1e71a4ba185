/** Writes runs into a beamtime file. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { StreamDatum, StreamResource } from "../core/documents.ts";
import { runAll, StorageError, type StorageErrorCode, throwFailures } from "../core/errors.ts";
import type { NdArray } from "../core/nd-array.ts";
import { BeamtimeConnection } from "./beamtime-connection.ts";
import { refusal } from "./broken-rule.ts";
import { checkNumber, checkOptions } from "./column-values.ts";
import { ImageSource } from "./image-source.ts";
import { ImageStacks } from "./image-stacks.ts";
import { toJsonText } from "./json-text.ts";
import { publicLocation } from "./location.ts";
import { insertRun, insertStream, newRun, newStream } from "./new-rows.ts";
import { OpenRun } from "./open-run.ts";
import type {
  CloseRunOptions,
  DataKeys,
  ExitStatus,
  OpenRunOptions,
  OpenStreamOptions,
  RunWriterOptions,
  WriteEventOptions,
} from "./run-writer-types.ts";
import type { SampleMetadata } from "./sample.ts";

const exitStatuses: readonly ExitStatus[] = ["success", "aborted", "failed"];

/**
 * Writes runs of one sample into a beamtime file, which is made if it is not there: `open`, then for each run `openRun`,
 * `openStream`, events and images, `closeRun`, and at last `close`.
 *
 * - Events are committed in groups, by time and by number. A killed process loses at most the last group; other processes
 *   see events within {@link RunWriterOptions.commitMs} and the time of a commit, and may write to the same file.
 * - {@link RunWriter.writeEvent} resolves when the event is accepted; {@link RunWriter.flush} when it is committed. A
 *   group that cannot be committed is kept: the next call throws why, takes nothing, and has tried again before.
 * - A run that a writer left open because its process ended is marked `lost` by the next writer that opens the file. Runs
 *   of writers that live are left alone.
 *
 * @example
 * ```ts
 * import { ndArray } from "sluice";
 * import { RunWriter } from "sluice/catalog";
 * await new RunWriter("2026-03-05.db", { name: "PS", formula: "C8H8" }).use(async (writer) => {
 *   await writer.openRun("en_scan", { metadata: { tags: ["calibration"] } });
 *   await writer.openStream("primary", { energy: { source: "mono", dtype: "number", shape: [] } });
 *   const event = await writer.writeEvent({ energy: 285.1 });
 *   await writer.writeImage(event, "detector_image", ndArray(new Uint16Array(12), [3, 4]));
 * });
 * ```
 * @see resonance `api/data/writer.py`, `RunWriter`
 */
export class RunWriter implements AsyncDisposable {
  /** The beamtime file, as it was given; or the URL of the database, without its password. */
  readonly dbPath: string;
  readonly #location: string;
  readonly #sample: SampleMetadata;
  readonly #options: RunWriterOptions;
  readonly #listeners = new Set<(uid: string) => Promise<void>>();
  #connection: BeamtimeConnection | undefined;
  #isOpening = false;
  #closing: Promise<void> | undefined;
  readonly #images: ImageSource;
  #lost: readonly string[] = [];

  /**
   * Opens nothing.
   *
   * @param dbPath - The beamtime file, or the URL of a database.
   * @param sample - What runs are made on.
   */
  constructor(dbPath: string, sample: SampleMetadata, options: RunWriterOptions = {}) {
    this.dbPath = publicLocation(dbPath);
    this.#location = dbPath;
    this.#sample = sample;
    this.#options = options;
    this.#images = new ImageSource(dbPath, options.images, options.backends);
  }

  /** True between `open` and `close`. */
  get isOpen(): boolean {
    return this.#connection !== undefined;
  }

  /** Uid of the open run; `undefined` if none is open. */
  get runUid(): string | undefined {
    return this.#connection?.run?.uid;
  }

  /** Number of the sample in the file; `undefined` unless open. */
  get sampleId(): number | undefined {
    return this.#connection?.sampleId;
  }

  /** Rows that were accepted and are not committed yet. */
  get pendingRows(): number {
    return this.#connection?.group.pending ?? 0;
  }

  /**
   * Rows that were accepted and left out, because the file has a rule against them: an event with a uid or a number that
   * is taken, stream data of a resource that never came. Each was reported.
   */
  get refusedRows(): number {
    return this.#connection?.group.refused ?? 0;
  }

  /** Runs that `open` found unfinished, with their writers gone, and marked `lost`. */
  get lostRuns(): readonly string[] {
    return this.#lost;
  }

  /**
   * Opens the file, makes it or brings it up to date, finds or makes the sample, and marks lost runs.
   *
   * @throws A {@link StorageError}: `ALREADY_OPEN`; `CORRUPT`; `UNSUPPORTED` if the file is of a newer version;
   * `INVALID_DATA` if it is something else; `NOT_FOUND` for a sample by a number that is nobody's; `READ_ONLY`,
   * `PERMISSION_DENIED`, `NO_SPACE`, `CONFLICT` (retryable), `MISSING_DEPENDENCY`.
   */
  async open(): Promise<void> {
    if (this.isOpen || this.#isOpening) throw this.#error("ALREADY_OPEN", "RunWriter is already open", "open");
    this.#isOpening = true;
    try {
      const connection = await BeamtimeConnection.open(this.#location, this.#sample, () => this.#now(), this.#options);
      this.#connection = connection;
      this.#lost = connection.lost;
    } finally {
      this.#isOpening = false;
    }
    const tell = () =>
      runAll(
        this.#lost.map((uid) => () => this.#tell(uid)),
        "Telling of lost runs failed",
      );
    await tell().catch((error: unknown) => runAll([() => this.close(), () => Promise.reject(error)], "Opening failed"));
  }

  /**
   * Begins a run. It is committed when this resolves.
   *
   * @returns Its uid: 32 hexadecimal digits, unless another was given.
   * @throws A {@link StorageError}: `NOT_OPEN`; `ALREADY_OPEN` while another run is open; `ALREADY_EXISTS` for a uid that
   * is taken; `INVALID_DATA` for metadata that is no JSON, and for options of other names; `NOT_FOUND` if somebody has removed the sample meanwhile.
   */
  async openRun(planName: string, options: OpenRunOptions = {}): Promise<string> {
    const connection = this.#need("openRun");
    const { database, sampleId, lease, group } = connection;
    if (connection.run !== undefined) {
      throw this.#error("ALREADY_OPEN", `Run ${connection.run.uid} is open: close it first`, "openRun");
    }
    const defaults = { sampleId, writer: lease.id, time: this.#now(), operator: this.#options.operator };
    const row = newRun(planName, options, defaults);
    const { uid } = row;
    // Before anything is waited for: of two calls at the same time one is refused.
    connection.run = new OpenRun(uid, {
      database,
      group,
      images: new ImageStacks(`runs/${uid}`, () => this.#images.get()),
      isBesideFile: this.#images.isBesideFile,
      time: () => this.#now(),
    });
    try {
      await group.flush();
      await database.transaction(async (transaction) => {
        await lease.renew(transaction, this.#now());
        await insertRun(transaction, row);
      });
    } catch (error) {
      connection.run = undefined;
      throw refusal(error, `Run ${uid}`, this.dbPath, "openRun");
    }
    return uid;
  }

  /**
   * Begins a stream of the open run. It is committed when this resolves. Several may be open at the same time.
   *
   * @param dataKeys - What its fields are.
   * @returns Its uid, for {@link WriteEventOptions.stream}.
   * @throws A {@link StorageError}: `NOT_OPEN`; `ALREADY_EXISTS` for a name that the run has, or a uid that is taken;
   * `INVALID_DATA`; `NOT_FOUND` if somebody has removed the run meanwhile.
   */
  async openStream(name: string, dataKeys: DataKeys, options: OpenStreamOptions = {}): Promise<string> {
    const { run, database, group } = this.#needRun("openStream");
    const row = newStream(run.uid, name, dataKeys, { ...options, time: options.time ?? this.#now() });
    try {
      await group.flush();
      await database.transaction((transaction) => insertStream(transaction, row));
    } catch (error) {
      throw refusal(error, `Stream "${name}"`, this.dbPath, "openStream");
    }
    run.addStream(row.uid, name);
    return row.uid;
  }

  /**
   * Writes one event. Resolves when it is accepted, at once unless a whole group waits to be committed: so no more than
   * one group, and what is not awaited, is ever in memory.
   *
   * @param data - Values by field: numbers (NaN and the infinities too), texts, booleans, lists; a typed array is a list.
   * Read before this returns.
   * @param timestamps - Seconds since 1970 by field.
   * @returns Uid of the event, for {@link RunWriter.writeImage}.
   * @throws A {@link StorageError}: `NOT_OPEN`; `NOT_FOUND` for a stream that is none of the run; `INVALID_DATA`; or why the
   * group before could not be committed, `NO_SPACE` for example. The event was not taken then.
   */
  async writeEvent(
    data: Readonly<Record<string, unknown>>,
    timestamps: Readonly<Record<string, number>> = {},
    options: WriteEventOptions = {},
  ): Promise<string> {
    return this.#needRun("writeEvent").run.writeEvent(data, timestamps, options);
  }

  /**
   * Stores an image of an event behind the others of its field, at `runs/{run}/{field}` of the store. It is stored when
   * this resolves; its row comes with the group of its event, or the next, and no reader sees the one without the other.
   *
   * @param eventUid - What {@link RunWriter.writeEvent} answered, in the open run.
   * @param image - Shape `[y, x]` in pixels; shape and type as those before. Borrowed until the promise settles.
   * @param options - `signal` cancels before the image is stored.
   * @returns Index of the image in its field, from 0.
   * @throws A {@link StorageError}: `NOT_OPEN`; `NOT_FOUND` for an event that is none of the run; `SHAPE_MISMATCH` or
   * `DTYPE_MISMATCH`, with the images before unchanged; `INVALID_KEY` for a field with a slash; or what the store throws.
   */
  async writeImage(eventUid: string, field: string, image: NdArray, options: OperationOptions = {}): Promise<number> {
    return this.#needRun("writeImage").run.writeImage(eventUid, field, image, options);
  }

  /**
   * Refers to frames that a writer stores somewhere: a `stream_resource` of the event model. Its row comes with the next
   * group.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`, `INVALID_DATA`, or why the group before could not be committed.
   */
  async writeStreamResource(resource: Omit<StreamResource, "run_start">): Promise<void> {
    await this.#needRun("writeStreamResource").run.writeStreamResource(resource);
  }

  /**
   * Says which frames of a resource belong to which events: a `stream_datum` of the event model, with the uid of a stream
   * in `descriptor`. Its row comes with the next group.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`; `NOT_FOUND` for a stream that is none of the run; or why the group before
   * could not be committed.
   */
  async writeStreamDatum(datum: StreamDatum): Promise<void> {
    await this.#needRun("writeStreamDatum").run.writeStreamDatum(datum);
  }

  /**
   * Commits what was accepted so far.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`; or why it cannot be committed: it is kept, and tried again by the next call.
   */
  async flush(): Promise<void> {
    const { run, group } = this.#need("flush");
    await run?.images.settled();
    await group.flush();
  }

  /**
   * Ends the run, with everything that was accepted committed.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`; `INVALID_DATA` for another status or option; or why it cannot be committed: the run
   * stays open.
   */
  async closeRun(options: CloseRunOptions = {}): Promise<void> {
    const connection = this.#need("closeRun");
    const { run } = this.#needRun("closeRun");
    checkOptions(options, ["exitStatus", "time", "extra"], "closeRun");
    const { exitStatus = "success", time = this.#now(), extra } = options;
    if (!exitStatuses.includes(exitStatus)) {
      const message = `A run ends with one of ${exitStatuses.join(", ")}; got "${String(exitStatus)}"`;
      throw this.#error("INVALID_DATA", message, "closeRun");
    }
    const rest = extra === undefined ? null : toJsonText(extra, "extra of the run");
    await run.end(exitStatus, checkNumber(time, "time"), rest);
    connection.run = undefined;
    await this.#tell(run.uid);
  }

  /**
   * Ends the run that is open, as `aborted`, and closes the file.
   *
   * @throws A {@link StorageError}: `NOT_OPEN`; `NO_SPACE` and others, with the number of rows that could not be committed
   * and are lost. The file is closed in any case.
   */
  async close(): Promise<void> {
    const connection = this.#need("close");
    this.#closing ??= this.#close(connection).finally(() => {
      this.#closing = undefined;
    });
    await this.#closing;
  }

  async #close(connection: BeamtimeConnection): Promise<void> {
    const endRun = async () => {
      // Somebody may be closing it: it ends as they said, or, if that fails, as aborted.
      await connection.run?.ended();
      if (connection.run?.isClosing === false) await this.closeRun({ exitStatus: "aborted" });
    };
    const closeImages = () => this.#images.close();
    const end = () => {
      this.#connection = undefined;
      return connection.close();
    };
    await runAll([endRun, end, closeImages], `Closing "${this.dbPath}" failed`);
  }

  /**
   * Opens, calls a function, and closes: the run that is open then is a `success`. If the function throws, it has
   * `failed`, and the error is thrown again.
   *
   * @throws What the function threw, alone or, if closing failed too, in an `AggregateError`.
   */
  async use<T>(run: (writer: this) => Promise<T>): Promise<T> {
    await this.open();
    const failures: unknown[] = [];
    let result: T | undefined;
    try {
      result = await run(this);
    } catch (error) {
      failures.push(error);
    }
    const exitStatus = failures.length === 0 ? "success" : "failed";
    const endRun = async () => {
      if (this.runUid !== undefined) await this.closeRun({ exitStatus });
    };
    const close = async () => {
      if (this.isOpen) await this.close();
    };
    for (const step of [endRun, close]) await step().catch((error: unknown) => failures.push(error));
    throwFailures(failures, `A run of "${this.dbPath}" failed, and so did its end`);
    return result as T;
  }

  /**
   * Calls, and waits, for each run that is closed or, by `open`, found lost. What a listener throws, `closeRun` throws: the
   * run is closed all the same.
   *
   * @returns Ends that.
   */
  onRunEnd(listener: (uid: string) => Promise<void>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Closes what is open, the run as `aborted`: close a run that is complete before. Harmless when nothing is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOpen) await this.close();
  }

  #need(operation: string): BeamtimeConnection {
    if (this.#connection !== undefined) return this.#connection;
    throw this.#error("NOT_OPEN", "RunWriter is not open", operation);
  }

  #needRun(operation: string): Pick<BeamtimeConnection, "database" | "group"> & { readonly run: OpenRun } {
    const { database, group, run } = this.#need(operation);
    if (run !== undefined && !run.isClosing) return { database, group, run };
    throw this.#error("NOT_OPEN", "No open run", operation);
  }

  #now(): number {
    return this.#options.time?.() ?? Date.now() / 1000;
  }

  async #tell(uid: string): Promise<void> {
    const calls = [...this.#listeners].map((listener) => () => listener(uid));
    await runAll(calls, `Run ${uid} has ended, and telling so failed`);
  }

  #error(code: StorageErrorCode, message: string, operation: string): StorageError {
    return new StorageError(code, message, { operation, identifier: this.dbPath });
  }
}
