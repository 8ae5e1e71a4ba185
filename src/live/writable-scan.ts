/** A scan, to write. */
import { type Clock, systemClock } from "../core/clock.ts";
import { isStorageError, runAll, StorageError } from "../core/errors.ts";
import type { CallOptions } from "./engine.ts";
import { StateConflictError } from "./errors.ts";
import type { ScanHeader, StreamHeader } from "./header.ts";
import { copyJson, type JsonObject, toJson } from "./json.ts";
import { Scan, type ScanContext } from "./scan.ts";
import { endReasons, type ScanState, scanStates } from "./scan-state.ts";
import { type StreamDefinition, streamHeader } from "./stream-definition.ts";
import { openStream } from "./stream-plugin.ts";
import { StreamWriter, type StreamWriterOptions } from "./stream-writer.ts";

const { CREATED, PREPARED, STARTED, STOPPED, CLOSED } = scanStates;

/** Who writes a scan, and how it says that it is there. */
export interface LeaseHolder {
  readonly owner: string;
  readonly ms: number;
  readonly clock?: Clock | undefined;
}

/** Streams of a scan that was taken over, by name. */
export interface TakenStreams {
  readonly writers: ReadonlyMap<string, StreamWriter>;
  /** Why others cannot be written: their plugins. */
  readonly failures: ReadonlyMap<string, unknown>;
}

/**
 * A scan of which this process is the producer. It goes from CREATED over PREPARED and STARTED to STOPPED, and from any
 * of them to CLOSED.
 */
export class WritableScan extends Scan implements AsyncDisposable {
  readonly #lease: LeaseHolder | undefined;
  readonly #writers: Map<string, StreamWriter>;
  readonly #declared: Record<string, StreamHeader>;
  #newInfo: JsonObject | undefined;
  #cancelRenewal: (() => void) | undefined;
  #renewing: Promise<void> | undefined;
  #leaseFailure: unknown;
  #isReleased = false;
  readonly #unwritable: ReadonlyMap<string, unknown>;

  /** @param taken - Of a scan that was taken over: what writes its streams, and why some cannot be written. */
  constructor(header: ScanHeader, context: ScanContext, lease?: LeaseHolder, taken?: TakenStreams) {
    super(header, context);
    this.#lease = lease;
    this.#declared = { ...header.streams };
    this.#writers = new Map(taken?.writers);
    this.#unwritable = taken?.failures ?? new Map();
    this.#scheduleRenewal();
  }

  /** Who has its lease: whoever knows the name can take the scan over. Absent if nobody looks after its writer. */
  get owner(): string | undefined {
    return this.#lease?.owner;
  }

  /** What is said about it, changes included that others see with the next {@link prepare} or {@link close}. */
  override get info(): JsonObject {
    return this.#newInfo ?? super.info;
  }

  /**
   * Says something else about the scan. Others see it once it is PREPARED, or CLOSED.
   *
   * @throws A {@link StorageError} `INVALID_DATA` if it is larger than the engine takes, or no JSON.
   */
  setInfo(info: JsonObject): void {
    checkInfo(info, this.context.engine.capabilities.maxInfoBytes, this.key);
    this.#newInfo = copyJson(info, "The info");
  }

  /**
   * Declares a stream. Others see it once the scan is PREPARED.
   *
   * @throws A {@link StorageError}: `CONFLICT` once it is PREPARED (see {@link addStreams}), `ALREADY_EXISTS`, and what
   * its plugin has to say.
   */
  async createStream(
    name: string,
    definition: StreamDefinition,
    options: StreamWriterOptions = {},
  ): Promise<StreamWriter> {
    if (this.state !== CREATED) {
      throw new StorageError(
        "CONFLICT",
        `Streams are declared while a scan is CREATED; this one is ${this.stateName}`,
        {
          identifier: name,
        },
      );
    }
    return await this.#declare(name, definition, options);
  }

  /**
   * Declares streams of a scan that is under way, and publishes them, all in one step: for what nobody knew of before.
   *
   * @param definitions - By name.
   * @param options - `info`: takes the place of the info in the same step. The others are for all of the streams.
   * @throws A {@link StorageError}: `CONFLICT` unless the scan is PREPARED or STARTED, `ALREADY_EXISTS`, and what plugins
   * have to say; no stream is declared then, and the info is what it was.
   */
  async addStreams(
    definitions: Readonly<Record<string, StreamDefinition>>,
    { info, ...options }: StreamWriterOptions & CallOptions & { readonly info?: JsonObject | undefined } = {},
  ): Promise<Readonly<Record<string, StreamWriter>>> {
    const { state } = this;
    if (state !== PREPARED && state !== STARTED) {
      const message = `Streams are added to a scan that is PREPARED or STARTED; this one is ${this.stateName}`;
      throw new StorageError("CONFLICT", message, { operation: "addStreams", identifier: this.key });
    }
    const infoBefore = this.#newInfo;
    if (info !== undefined) this.setInfo(info);
    const added: Record<string, StreamWriter> = {};
    try {
      for (const [name, definition] of Object.entries(definitions)) {
        added[name] = await this.#declare(name, definition, options);
      }
      await this.#change([state], state, { streams: this.#declared }, options);
      return added;
    } catch (error) {
      for (const name of Object.keys(added)) {
        this.#writers.delete(name);
        delete this.#declared[name];
      }
      this.#newInfo = infoBefore;
      throw error;
    }
  }

  /**
   * The writer of a stream.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`, or of a scan that was taken over what the plugin of the stream said.
   */
  writer(name: string): StreamWriter {
    const writer = this.#writers.get(name);
    if (writer !== undefined) return writer;
    if (this.#unwritable.has(name)) throw this.#unwritable.get(name);
    const known = [...this.#writers.keys()].join(", ") || "none";
    throw new StorageError("NOT_FOUND", `${this.key} has no stream "${name}" to write. Known: ${known}`, {
      identifier: name,
    });
  }

  /** Publishes the streams and the info. */
  async prepare(options: CallOptions = {}): Promise<void> {
    this.#checkState(CREATED, PREPARED);
    await this.#change([CREATED], PREPARED, { streams: this.#declared }, options);
  }

  /** Says that data comes. */
  async start(options: CallOptions = {}): Promise<void> {
    this.#checkState(PREPARED, STARTED);
    this.#checkInfoIsPublished("start");
    await this.#change([PREPARED], STARTED, {}, options);
  }

  /** Sends what waits, and seals every stream. */
  async stop(options: CallOptions = {}): Promise<void> {
    this.#checkState(STARTED, STOPPED);
    this.#checkInfoIsPublished("stop");
    await this.#flush();
    await this.#change([STARTED], STOPPED, {}, options);
    await this.#release();
  }

  /**
   * Ends the scan, from any state: sends what waits, seals every stream, publishes the info.
   *
   * @param options - `endReason`: why; default SUCCESS.
   * @throws A {@link StorageError}: `CONFLICT` if it is CLOSED already. If points could not be sent the scan is closed
   * all the same, with the end reason FAILURE unless another was given, and what they failed with is thrown.
   */
  async close(options: CallOptions & { readonly endReason?: string | undefined } = {}): Promise<void> {
    let failure: unknown;
    try {
      await this.#flush();
    } catch (error) {
      failure = error;
    }
    const endReason = options.endReason ?? (failure === undefined ? endReasons.SUCCESS : endReasons.FAILURE);
    await this.#change([CREATED, PREPARED, STARTED, STOPPED], CLOSED, { endReason }, options);
    await this.#endLease();
    await this.#release();
    if (failure !== undefined) throw failure;
  }

  /**
   * Sends what waits, and leaves the scan to another process, which takes it over with `DataStore.resumeScan`: at once if
   * it says the same owner, else once the lease has run out. This object changes nothing any more.
   */
  async release(): Promise<void> {
    await this.#flush();
    await this.#endLease();
    this.#isReleased = true;
    this.#leaseFailure ??= new StorageError("NOT_OPEN", `${this.key} was released, for another to write`, {
      identifier: this.key,
    });
  }

  /**
   * Closes the scan, if it is open and was not released, with the end reason USER_ABORT: a producer that succeeds says so
   * itself.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.state < CLOSED && !this.#isReleased) await this.close({ endReason: endReasons.USER_ABORT });
    } finally {
      // A scan that could not be closed ends as LOST: nobody is left who writes it.
      await this.#endLease();
    }
  }

  async #change(
    from: readonly ScanState[],
    to: ScanState,
    more: { readonly streams?: Record<string, StreamHeader>; readonly endReason?: string },
    options: CallOptions,
  ): Promise<void> {
    if (this.#leaseFailure !== undefined) throw this.#leaseFailure;
    const isPublished = to === PREPARED || to === CLOSED || more.streams !== undefined;
    const info = isPublished ? this.#newInfo : undefined;
    this.takeOver(await this.context.engine.transition(this.key, { from, to, info, ...more }, options));
    if (info !== undefined && this.#newInfo === info) this.#newInfo = undefined;
  }

  async #declare(name: string, definition: StreamDefinition, options: StreamWriterOptions): Promise<StreamWriter> {
    if (Object.hasOwn(this.#declared, name)) {
      throw new StorageError("ALREADY_EXISTS", `${this.key} has a stream "${name}"`, { identifier: name });
    }
    const header = streamHeader(name, definition);
    this.#declared[name] = header;
    try {
      const { codec } = await openStream(header, this.context);
      const writer = new StreamWriter(this.context.engine, header, codec, 0, options);
      this.#writers.set(name, writer);
      return writer;
    } catch (error) {
      delete this.#declared[name];
      throw error;
    }
  }

  async #flush(): Promise<void> {
    const results = await Promise.allSettled([...this.#writers.values()].map((writer) => writer.flush()));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, `${failures.length} streams could not be sent`);
  }

  async #release(): Promise<void> {
    const writers = [...this.#writers.values()];
    await runAll(
      writers.map((writer) => () => writer.release()),
      "Streams could not be released",
    );
  }

  #checkState(from: ScanState, to: ScanState): void {
    if (this.state !== from) throw new StateConflictError(to, this.state, { identifier: this.key });
  }

  #checkInfoIsPublished(operation: string): void {
    // A change that was made without an answer has published it too.
    if (this.#newInfo === undefined || JSON.stringify(this.#newInfo) === JSON.stringify(super.info)) return;
    const message = `The info of ${this.key} was changed; it is published with prepare and close, not with ${operation}`;
    throw new StorageError("CONFLICT", message, { operation, identifier: this.key });
  }

  #scheduleRenewal(): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    const renew = () => {
      this.#renewing = this.#renew(lease);
    };
    this.#cancelRenewal = (lease.clock ?? systemClock).after(lease.ms / 3, renew, { isBackground: true });
  }

  async #renew({ owner, ms }: LeaseHolder): Promise<void> {
    try {
      await this.context.engine.renewLease(this.key, owner, ms);
    } catch (error) {
      // Anything else may pass, also a store that is busy: the lease has two thirds of its time left.
      const isOver = isStorageError(error, "WRITER_LOST", "NOT_FOUND", "CONFLICT", "NOT_OPEN") && !error.retryable;
      if (isOver) this.#leaseFailure = error;
      if (isOver) return;
    }
    if (this.state < CLOSED && this.#cancelRenewal !== undefined) this.#scheduleRenewal();
  }

  async #endLease(): Promise<void> {
    this.#cancelRenewal?.();
    this.#cancelRenewal = undefined;
    await this.#renewing;
  }
}

/**
 * Checks the info of a scan.
 *
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function checkInfo(info: JsonObject, maxBytes: number, key: string): void {
  const bytes = new TextEncoder().encode(toJson(info, "The info")).length;
  if (bytes <= maxBytes) return;
  const message = `The info has ${bytes} bytes, the engine takes ${maxBytes}: put large values into a stream`;
  throw new StorageError("INVALID_DATA", message, { identifier: key });
}
