/**
 * Composes the documents of one run, as a RunEngine would.
 *
 * @see event-model 1.24; bluesky `bundlers.py`
 */
import type {
  DataKey,
  DeviceConfiguration,
  Document,
  EventDescriptor,
  EventDocument,
  RunStart,
  RunStop,
  StreamAsset,
} from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import { checkDataKeys, checkKeys } from "./document-rules.ts";
import { DocumentStream } from "./document-stream.ts";
import { toJson } from "./metadata.ts";

/** Takes each document as it comes, in order. */
export type DocumentCallback = (document: Document) => void | Promise<void>;

/** Options of {@link RunDocuments}. */
export interface RunDocumentsOptions {
  /** Seconds since 1970-01-01 UTC. Default: the machine's clock. */
  readonly now?: (() => number) | undefined;
  /** Makes unique names. Default: random UUIDs. */
  readonly newUid?: (() => string) | undefined;
}

/** What a new stream is about. */
export interface StreamDescription {
  /** Name of the stream. Default `primary`. */
  readonly name?: string | undefined;
  /** Columns by key; frames have `external: "STREAM:"`. */
  readonly dataKeys: Readonly<Record<string, DataKey>>;
  /** Settings of devices by device name. */
  readonly configuration?: Readonly<Record<string, DeviceConfiguration>> | undefined;
  /** Keys of each device. Default: by the `object_name` of the data keys. */
  readonly objectKeys?: Readonly<Record<string, readonly string[]>> | undefined;
  /** What to plot, by device. */
  readonly hints?: EventDescriptor["hints"];
}

/**
 * One run: `start`, then `describe` for each stream, then `event` and `assets` in any order, then `stop`. Every document
 * is checked before it is emitted, and a refused one changes nothing. Documents are emitted one after another; each
 * method resolves when the callback has taken its document.
 *
 * @example
 * ```ts
 * const run = new RunDocuments((document) => console.log(document[0]));
 * await run.start({ plan_name: "count" });
 * await run.describe({ dataKeys: await camera.describeCollect() });
 * await run.assets("primary", camera.collectAssetDocs());
 * await run.stop("success");
 * ```
 */
export class RunDocuments {
  readonly #emit: DocumentCallback;
  readonly #now: () => number;
  readonly #newUid: () => string;
  readonly #streams = new Map<string, DocumentStream>();
  #start: RunStart | undefined;
  #hasStopped = false;

  constructor(emit: DocumentCallback, options: RunDocumentsOptions = {}) {
    this.#emit = emit;
    this.#now = options.now ?? (() => Date.now() / 1000);
    this.#newUid = options.newUid ?? (() => crypto.randomUUID());
  }

  /** `uid` of the run; `undefined` before it starts. */
  get uid(): string | undefined {
    return this.#start?.uid;
  }

  /**
   * Begins the run.
   *
   * @param metadata - Goes into the start document: `plan_name`, `scan_id`, anything that JSON keeps.
   * @throws A {@link StorageError}: `CONFLICT` if it has begun, `INVALID_DATA` for keys with dots or slashes.
   */
  async start(metadata: Readonly<Record<string, unknown>> = {}): Promise<RunStart> {
    if (this.#start !== undefined)
      throw new StorageError("CONFLICT", "This run has started; make a new one for each run");
    const json = toJson(metadata, "start", { operation: "start" }) as Record<string, unknown>;
    checkKeys(json, "start", { operation: "start" });
    this.#start = { ...json, uid: this.#newUid(), time: this.#now() };
    await this.#emit(["start", this.#start]);
    return this.#start;
  }

  /** Declares a stream. `CONFLICT` if the name is taken, `INVALID_DATA` for what the event model forbids. */
  async describe(description: StreamDescription): Promise<EventDescriptor> {
    const { name = "primary", dataKeys, configuration = {}, hints } = description;
    const context = { operation: "describe", identifier: name };
    const start = this.#running("describe");
    if (this.#streams.has(name)) throw new StorageError("CONFLICT", `Stream "${name}" is declared already`, context);
    checkDataKeys(dataKeys, "data_keys", context);
    for (const [device, { data_keys, data, timestamps }] of Object.entries(configuration)) {
      checkKeys({ [device]: { data, timestamps } }, "configuration", context);
      checkDataKeys(data_keys, `configuration.${device}.data_keys`, context);
    }
    const descriptor = toJson(
      {
        uid: this.#newUid(),
        time: this.#now(),
        run_start: start.uid,
        name,
        data_keys: dataKeys,
        configuration,
        object_keys: description.objectKeys ?? objectKeysOf(dataKeys),
        hints: hints ?? {},
      },
      "descriptor",
      context,
    ) as unknown as EventDescriptor;
    this.#streams.set(name, new DocumentStream(descriptor));
    await this.#emit(["descriptor", descriptor]);
    return descriptor;
  }

  /**
   * Emits one row of scalar readings.
   *
   * @param readings - One for each key of the stream that is not external.
   */
  async event(
    stream: string,
    readings: Readonly<Record<string, { readonly value: unknown; readonly timestamp: number }>>,
  ): Promise<EventDocument> {
    const context = { operation: "event", identifier: stream };
    const state = this.#stream("event", stream);
    const entries = Object.entries(readings);
    const data = toJson(Object.fromEntries(entries.map(([key, { value }]) => [key, value])), "event", context);
    const event: EventDocument = {
      uid: this.#newUid(),
      time: this.#now(),
      descriptor: state.descriptor.uid,
      seq_num: state.nextEvent(data as Record<string, unknown>, context),
      data: data as Record<string, unknown>,
      timestamps: Object.fromEntries(entries.map(([key, { timestamp }]) => [key, timestamp])),
    };
    await this.#emit(["event", event]);
    return event;
  }

  /**
   * Emits the stream documents of one collection, with run, descriptor and sequence numbers filled in: pass those of all
   * devices of the stream together.
   *
   * @throws A {@link StorageError}: `INVALID_DATA` for undescribed keys and for rows with a gap, `CONFLICT` for a
   * resource that was announced already and for devices with different numbers of events. Nothing is emitted then.
   */
  async assets(stream: string, assets: Iterable<StreamAsset> | AsyncIterable<StreamAsset>): Promise<void> {
    const collected: StreamAsset[] = [];
    for await (const asset of assets) collected.push(asset);
    const filled = this.#stream("assets", stream).fill(collected, { operation: "assets", identifier: stream });
    for (const asset of filled) await this.#emit(asset);
  }

  /** Ends the run, with the number of events of each stream. */
  async stop(exitStatus: RunStop["exit_status"], reason = ""): Promise<RunStop> {
    const start = this.#running("stop");
    const stop: RunStop = {
      uid: this.#newUid(),
      time: this.#now(),
      run_start: start.uid,
      exit_status: exitStatus,
      reason,
      num_events: Object.fromEntries([...this.#streams].map(([name, stream]) => [name, stream.eventCount])),
    };
    this.#hasStopped = true;
    await this.#emit(["stop", stop]);
    return stop;
  }

  #running(operation: string): RunStart {
    if (this.#start !== undefined && !this.#hasStopped) return this.#start;
    const why = this.#hasStopped ? "has stopped" : "has not started";
    throw new StorageError("NOT_OPEN", `The run ${why}`, { operation });
  }

  #stream(operation: string, name: string): DocumentStream {
    this.#running(operation);
    const stream = this.#streams.get(name);
    if (stream !== undefined) return stream;
    const known = [...this.#streams.keys()].join(", ") || "none";
    const message = `The run has no stream "${name}". Declared: ${known}`;
    throw new StorageError("NOT_FOUND", message, { operation, identifier: name });
  }
}

function objectKeysOf(dataKeys: Readonly<Record<string, DataKey>>): Record<string, string[]> {
  const keys: Record<string, string[]> = {};
  for (const [name, { object_name: device = name }] of Object.entries(dataKeys)) {
    keys[device] = [...(keys[device] ?? []), name];
  }
  return keys;
}
