/** From the documents of runs, and what their writers say, to live scans. */
import { type Clock, systemClock } from "../core/clock.ts";
import type { Document, RunStart } from "../core/documents.ts";
import { StorageError, toStorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import type { DataStore } from "./data-store.ts";
import type { JsonObject } from "./json.ts";
import { Pulse } from "./recording/pulse.ts";
import { RecordedScan } from "./recording/recorded-scan.ts";
import type { RecordedPoints } from "./recording/recorded-stream.ts";
import type { ScanPlace } from "./recording/scan-info.ts";
import type { DeviceClasses } from "./recording/scan-layout.ts";
import { WaitingBytes } from "./recording/waiting-bytes.ts";
import { endReasons } from "./scan-state.ts";

/** What is known of a run beside its documents. */
export interface RunFacts {
  /** Part of the identity, and key of the layout. Default: the session, or `run`, and the uid. */
  readonly place?: ScanPlace | undefined;
  /** Takes the place of what the start document says, member by member: `name`, `number`, `session`, … */
  readonly identity?: JsonObject | undefined;
  /** Folder of the run. */
  readonly folder?: string | undefined;
  /** URI of the file that the documents go to: points of events are read from it when they have left the engine. */
  readonly documentsUri?: string | undefined;
  /** NeXus classes of devices. Default: by the shape of what they have. */
  readonly classes?: DeviceClasses | undefined;
}

/** Options of a {@link ScanRecorder}. */
export interface ScanRecorderOptions {
  /** Writers of the runs: their frames are announced as soon as others can read them. Default: none, only documents. */
  readonly writers?: (() => Iterable<FrameWriter>) | undefined;
  /** What is known of a run when it starts. */
  readonly factsOf?: ((start: RunStart) => RunFacts) | undefined;
  /** How long the process is believed to live without a sign of it. Default: as `createScan`. */
  readonly leaseMs?: number | undefined;
  /** Bytes of points that may wait for the engine, of all runs. Default 64 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** Time from a failure that may pass to the next try. Default 500 ms. */
  readonly retryMs?: number | undefined;
  /**
   * Points that come faster are sent together, so often: one after a silence goes at once. Default 5 ms.
   */
  readonly gatherMs?: number | undefined;
  /** Told of every failure, also of those that pass. */
  readonly onError?: ((error: StorageError) => void) | undefined;
  readonly clock?: Clock | undefined;
}

/** What of a run is live. */
export interface ScanReport {
  /** Key of the scan; `undefined` if none came to be. */
  readonly key: string | undefined;
  /** By stream. */
  readonly streams: Readonly<Record<string, RecordedPoints>>;
  /** Points that readers do not have, of all streams. */
  readonly missing: number;
  /** Why not all of it is there. Frames and documents are not concerned. */
  readonly error?: StorageError;
}

/**
 * Takes the documents of runs, one run after another, and makes a live scan of each: CREATED with the start document,
 * PREPARED with the first descriptor, STARTED with the first data, STOPPED and CLOSED with the stop document. Each data key
 * becomes a stream: values of events inside, frames by reference. Later descriptors add their streams.
 *
 * Frames are announced as soon as their writer says that its store's readers find them; without writers, when a
 * `stream_datum` comes. Points below the durable index are those that the writer says a power cut does not take.
 *
 * Nobody waits for the engine: {@link ScanRecorder.record} only takes notes. What it refuses for a while is sent again.
 * Frames that cannot be announced take no memory; values wait up to a limit, and a stream for which that is not enough
 * ends there, so that no point gets the index of another. What readers lack is counted in the report.
 *
 * @example
 * ```ts
 * import { RunDocuments } from "sluice/acquire";
 * import { DataStore, MemoryEngine, ScanRecorder } from "sluice/live";
 * await using store = new DataStore(new MemoryEngine());
 * const recorder = new ScanRecorder(store);
 * const run = new RunDocuments((document) => recorder.record(document));
 * await run.start({ plan_name: "count" });
 * await run.stop("success");
 * const { key } = await recorder.endRun();
 * ```
 * @see event-model 1.24
 */
export class ScanRecorder {
  readonly #store: DataStore;
  readonly #options: ScanRecorderOptions;
  readonly #waiting: WaitingBytes;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  readonly #unfinished = new Set<RecordedScan>();
  #current: RecordedScan | undefined;

  /** @param store - Stays its owner's. */
  constructor(store: DataStore, options: ScanRecorderOptions = {}) {
    this.#store = store;
    this.#options = options;
    this.#waiting = new WaitingBytes(options.maxWaitingBytes ?? 64 * 2 ** 20);
    this.#clock = options.clock ?? systemClock;
  }

  /** Takes a document; its points are there soon. Never throws. Documents of a run that has no start are left out. */
  record([name, document]: Document): void {
    try {
      if (name === "start") this.#start(document);
      else if (name === "descriptor") this.#current?.describe(document);
      else if (name === "event") this.#current?.event(document);
      else if (name === "stop") this.#current?.stop(document);
      else this.#current?.asset(name === "stream_datum" ? [name, document] : [name, document]);
    } catch (error) {
      this.#tell(toStorageError(error, { operation: "record" }));
    }
  }

  /**
   * Ends the run, if no stop document has, and says what of it is live.
   *
   * @param options - `endReason`: for a run without a stop document; default SUCCESS. `documentsAreDurable`: its documents
   * are safely in their file, and retention may let the points of events go. `timeoutMs`: how long to wait for the engine;
   * default 5000. What is not done by then is still tried.
   */
  async endRun(
    options: {
      readonly endReason?: string | undefined;
      readonly documentsAreDurable?: boolean | undefined;
      readonly timeoutMs?: number | undefined;
    } = {},
  ): Promise<ScanReport> {
    const scan = this.#current;
    if (scan === undefined) return { key: undefined, streams: {}, missing: 0 };
    const { endReason = endReasons.SUCCESS, documentsAreDurable = false, timeoutMs = 5000 } = options;
    if (documentsAreDurable) scan.documentsAreDurable();
    this.#end(scan, endReason);
    await this.#inTime(scan.settled(), timeoutMs);
    return reportOf(scan);
  }

  /**
   * Gives the runs that have not ended a last chance, and gives up what is not done then.
   *
   * @param options - `timeoutMs`: how long to wait; default 5000.
   */
  async close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    if (this.#current !== undefined) this.#end(this.#current, endReasons.USER_ABORT);
    const scans = [...this.#unfinished];
    await this.#inTime(Promise.all(scans.map((scan) => scan.settled())), options.timeoutMs ?? 5000);
    this.#abort.abort();
    for (const scan of scans) if (!scan.isOver) scan.giveUp(givenUp(scan));
  }

  #start(start: RunStart): void {
    // A run that was left without its end is over.
    if (this.#current !== undefined) this.#end(this.#current, endReasons.FAILURE);
    const { writers = () => [], factsOf = (): RunFacts => ({}), leaseMs, retryMs = 500, gatherMs = 5 } = this.#options;
    const { place = defaultPlace(start), identity, folder, documentsUri, classes = {} } = factsOf(start);
    const scan = new RecordedScan(this.#store, {
      run: { start, place, folder, classes, identity: { ...identityOf(start), path: place.path, ...identity } },
      ...{ leaseMs, retryMs, writers, documentsUri },
      ...{ waiting: this.#waiting, clock: this.#clock, signal: this.#abort.signal },
      pulse: new Pulse(this.#clock, gatherMs),
      onError: (error) => this.#tell(error),
    });
    this.#current = scan;
    this.#unfinished.add(scan);
  }

  /** Ends a scan; it is looked after until that is done, or cannot be. */
  #end(scan: RecordedScan, reason: string): void {
    this.#current = undefined;
    scan.end({ reason, time: Date.now() / 1000 });
    void scan.settled().then(() => this.#unfinished.delete(scan));
  }

  #tell(error: StorageError): void {
    this.#options.onError?.(error);
  }

  async #inTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
    let cancel = () => {};
    const over = new Promise<void>((resolve) => {
      cancel = this.#clock.after(timeoutMs, resolve);
    });
    await Promise.race([work, over]);
    cancel();
  }
}

function givenUp(scan: RecordedScan): StorageError {
  const missing = missingOf(scan.points);
  const message = `Run ${scan.start.uid} was given up, ${missing} of its points are not live: the engine did not take them in time`;
  return new StorageError("ABORTED", message, { operation: "record", identifier: scan.key });
}

function missingOf(streams: ScanReport["streams"]): number {
  return Object.values(streams).reduce((sum, points) => sum + points.missing, 0);
}

function reportOf(scan: RecordedScan): ScanReport {
  const { key, points: streams, failure, isOver } = scan;
  const missing = missingOf(streams);
  const late = new StorageError("TIMED_OUT", `The live engine did not take all of run ${scan.start.uid} in time`, {
    operation: "record",
    identifier: key,
    retryable: true,
  });
  const error = failure ?? (isOver ? undefined : late);
  return { key, streams, missing, ...(error === undefined ? {} : { error }) };
}

function identityOf(start: RunStart): JsonObject {
  const { plan_name: name = "scan", scan_id: number = 0, uid } = start;
  const more: Record<string, string> = {};
  for (const key of ["session", "proposal", "collection", "dataset", "sample", "data_policy"]) {
    const value = start[key];
    if (typeof value === "string") more[key] = value;
  }
  return { name, number, uid, ...more };
}

function defaultPlace({ uid, session }: RunStart): ScanPlace {
  return { path: typeof session === "string" ? session : "run", entry: uid };
}
