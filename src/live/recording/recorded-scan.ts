/** One run, as the scan that it becomes. */
import { pause } from "../../core/clock.ts";
import type { EventDescriptor, EventDocument, RunStart, RunStop, StreamAsset } from "../../core/documents.ts";
import { isStorageError, StorageError, toStorageError } from "../../core/errors.ts";
import type { FrameWriter, SourceInfo } from "../../core/frame-writer.ts";
import { type FramePlace, placeOfResource } from "../../io/frame-runs.ts";
import type { DataStore } from "../data-store.ts";
import type { JsonObject } from "../json.ts";
import { endReasons, scanStates } from "../scan-state.ts";
import type { StreamDefinition } from "../stream-definition.ts";
import type { WritableScan } from "../writable-scan.ts";
import { type RecordedKey, recordedKeys } from "./recorded-key.ts";
import {
  mayPass,
  placeReference,
  type RecordedPoints,
  RecordedStream,
  type RecordingContext,
} from "./recorded-stream.ts";
import { type RecordedRun, scanInfo, startProblem } from "./scan-info.ts";
import { watchSource } from "./watch-source.ts";

/** What a run is recorded with. */
export interface RecordedScanOptions extends RecordingContext {
  readonly run: Omit<RecordedRun, "keys" | "configuration" | "hasStart" | "endTime" | "endReason">;
  readonly leaseMs: number | undefined;
  /** Writers of which frames may come. */
  readonly writers: () => Iterable<FrameWriter>;
  /** Where the documents of the run will be read from when their points have left; `undefined` if nowhere. */
  readonly documentsUri: string | undefined;
}

/** How the run ended. */
export interface RecordedEnd {
  readonly reason: string;
  /** Seconds since 1970. */
  readonly time: number;
}

interface DescribedKey {
  readonly key: RecordedKey;
  readonly stream: RecordedStream;
}

const reasons: Readonly<Record<RunStop["exit_status"], string>> = {
  success: endReasons.SUCCESS,
  abort: endReasons.USER_ABORT,
  fail: endReasons.FAILURE,
};

/**
 * Takes the documents of one run, and what its writers say, and makes a scan of them. Nobody who calls waits: what is to
 * be done with the engine is done one after another, and tried again while that may help.
 */
export class RecordedScan {
  readonly #store: DataStore;
  readonly #options: RecordedScanOptions;
  readonly #keys: RecordedKey[] = [];
  readonly #streams = new Map<string, RecordedStream>();
  /** What became no stream of its own, so that what readers lack of it is counted. */
  readonly #refused: RecordedStream[] = [];
  /** Keys of each descriptor, with the streams that their points go to. */
  readonly #described = new Map<string, readonly DescribedKey[]>();
  readonly #resources = new Map<string, { readonly key: string; readonly place: FramePlace }>();
  readonly #watched: { readonly stream: RecordedStream; readonly place: FramePlace; readonly source: SourceInfo }[] =
    [];
  readonly #unwatch = new AbortController();
  #configuration: RecordedRun["configuration"] = {};
  #scan: WritableScan | undefined;
  #hasData = false;
  #steps: Promise<void> = Promise.resolve();
  #failure: StorageError | undefined;
  #end: RecordedEnd | undefined;

  /** False: the start document is too long for the info. */
  readonly #hasStart: boolean;

  constructor(store: DataStore, options: RecordedScanOptions) {
    this.#store = store;
    this.#options = options;
    const problem = startProblem(this.start, store.engine.capabilities.maxInfoBytes);
    this.#hasStart = problem === undefined;
    if (problem !== undefined) options.onError(problem);
    this.#step(async () => {
      const { run, leaseMs } = this.#options;
      this.#scan = await this.#store.createScan(run.identity, { info: this.#info(), leaseMs });
    });
  }

  /** Key of the scan; `undefined` while there is none. */
  get key(): string | undefined {
    return this.#scan?.key;
  }

  /** The uid of the run. */
  get start(): RunStart {
    return this.#options.run.start;
  }

  /** Why not all of it is there: the first failure that did not pass. */
  get failure(): StorageError | undefined {
    return this.#failure ?? this.#all().find(({ broken }) => broken !== undefined)?.broken;
  }

  /** How much readers have of each stream. */
  get points(): Readonly<Record<string, RecordedPoints>> {
    const points: Record<string, RecordedPoints> = {};
    for (const { name, points: own } of this.#all()) {
      const { sent = 0, missing = 0 } = points[name] ?? {};
      points[name] = { sent: sent + own.sent, missing: missing + own.missing };
    }
    return points;
  }

  /** True once the scan is CLOSED, or cannot be any more. */
  get isOver(): boolean {
    return this.#failure !== undefined || (this.#scan?.state ?? 0) === scanStates.CLOSED;
  }

  describe(descriptor: EventDescriptor): void {
    const keys = recordedKeys(descriptor, (key) => this.#sourceOf(key)?.source, this.#options.onError);
    const added: RecordedStream[] = [];
    const described = keys.map((key) => ({ key, stream: this.#streamOf(key, added) }));
    this.#described.set(descriptor.uid, described);
    this.#configuration = { ...descriptor.configuration, ...this.#configuration };
    const info = this.#info();
    this.#step(
      () => this.#declare(added, info),
      (error) => {
        for (const stream of added) stream.fail(error);
      },
    );
  }

  event({ descriptor, data, time }: EventDocument): void {
    for (const { key, stream } of this.#described.get(descriptor) ?? []) {
      if (key.kind !== undefined) stream.value(key.field === undefined ? time : data[key.field]);
    }
    this.#data();
  }

  asset([name, document]: StreamAsset): void {
    if (name === "stream_resource") {
      this.#resources.set(document.uid, { key: document.data_key, place: placeOfResource(document) });
      return;
    }
    const resource = this.#resources.get(document.stream_resource);
    const keys = this.#described.get(document.descriptor) ?? [];
    const described = keys.find(({ key }) => key.kind === undefined && key.field === resource?.key);
    if (resource === undefined || described === undefined) return;
    const { key, stream } = described;
    const { start, stop } = document.indices;
    stream.frames(resource.place, start * key.perEvent, stop * key.perEvent);
    this.#data();
  }

  stop({ exit_status: status, time }: Pick<RunStop, "exit_status" | "time">): void {
    this.end({ reason: reasons[status], time });
  }

  /** Ends the scan once everything that came is sent. The first reason counts. */
  end(end: RecordedEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#options.pulse.hurry();
    // Who observes hears of the last frames a little later than they are there.
    for (const { stream, place, source } of this.#watched) {
      stream.frames(place, 0, source.framesReadable ?? 0);
      stream.durable(source.framesDurable ?? 0);
    }
    this.#unwatch.abort();
    this.#step(async () => {
      await this.#settled();
      const scan = this.#scan as WritableScan;
      const isLost = this.#all().some(({ broken }) => broken !== undefined);
      const endReason = isLost && end.reason === endReasons.SUCCESS ? endReasons.FAILURE : end.reason;
      if (scan.state === scanStates.CLOSED) {
        if (scan.endReason === endReason) return;
        const message = `${scan.key} was closed by somebody else, as ${scan.endReason}`;
        throw new StorageError("CONFLICT", message, { operation: "record", identifier: scan.key });
      }
      if (scan.state === scanStates.STARTED) await scan.stop();
      scan.setInfo(this.#info({ endTime: end.time, endReason }));
      await scan.close({ endReason });
    });
    this.#steps = this.#steps.then(() => this.#closeFailed());
  }

  /** Says that the documents of the run are safely in their file. */
  documentsAreDurable(): void {
    for (const { name, kind } of this.#keys) {
      if (kind !== undefined) this.#streams.get(name)?.durable(Number.POSITIVE_INFINITY);
    }
  }

  /** Resolves when nothing is left to do that could be done. Never rejects. */
  async settled(): Promise<void> {
    let last: Promise<void> | undefined;
    while (last !== this.#steps) {
      last = this.#steps;
      await last;
      await this.#settled();
    }
  }

  /** Gives up what is not done. */
  giveUp(error: StorageError): void {
    this.#unwatch.abort();
    this.#options.pulse.hurry();
    this.#fail(error);
    // Nobody renews its lease any more: others find that its writer is lost.
    void this.#scan?.release().catch((failure: unknown) => {
      this.#options.onError(toStorageError(failure, { operation: "record", identifier: this.key }));
    });
  }

  #all(): RecordedStream[] {
    return [...this.#streams.values(), ...this.#refused];
  }

  /** The stream that points of a key go to: its own, or that of a descriptor before this one. */
  #streamOf(key: RecordedKey, added: RecordedStream[]): RecordedStream {
    const { name, kind, stream: of, field } = key;
    const definition = this.#definitionOf(key);
    const known = this.#streams.get(name);
    const stream = new RecordedStream(name, definition, kind, this.#options);
    if (known === undefined) {
      this.#keys.push(key);
      this.#streams.set(name, stream);
      added.push(stream);
      if (kind === undefined) this.#watch(key, stream);
      return stream;
    }
    const isSameKey = this.#keys.some((each) => each.name === name && each.stream === of && each.field === field);
    if (isSameKey && JSON.stringify(known.definition) === JSON.stringify(definition)) return known;
    const message = `Two data keys of the run would be the stream "${name}"; the second becomes none`;
    stream.fail(new StorageError("ALREADY_EXISTS", message, { operation: "record", identifier: name }));
    this.#refused.push(stream);
    return stream;
  }

  /** Closes what cannot go on, so that its readers wait no longer. */
  async #closeFailed(): Promise<void> {
    const scan = this.#scan;
    if (this.#failure === undefined || scan === undefined || scan.state === scanStates.CLOSED) return;
    if (this.#options.signal.aborted) return;
    try {
      await scan.close({ endReason: endReasons.FAILURE });
    } catch (error) {
      this.#options.onError(toStorageError(error, { operation: "record", identifier: scan.key }));
    }
  }

  async #settled(): Promise<void> {
    for (const stream of this.#streams.values()) await stream.idle();
  }

  async #declare(streams: readonly RecordedStream[], info: JsonObject): Promise<void> {
    const scan = this.#scan as WritableScan;
    // A try before this one may have been made without an answer.
    const isThere = scan.state > scanStates.CREATED && streams.every(({ name }) => canWrite(scan, name));
    if (scan.state === scanStates.CREATED) {
      for (const { name, definition } of streams) {
        if (!canWrite(scan, name)) await scan.createStream(name, definition);
      }
      scan.setInfo(info);
      await scan.prepare();
      if (this.#hasData) await scan.start();
    } else if (!isThere) {
      const definitions = Object.fromEntries(streams.map(({ name, definition }) => [name, definition]));
      await scan.addStreams(definitions, { info });
    }
    for (const stream of streams) stream.attach(scan.writer(stream.name));
  }

  /** The first data starts the scan. */
  #data(): void {
    if (this.#hasData) return;
    this.#hasData = true;
    this.#step(async () => {
      if (this.#scan?.state === scanStates.PREPARED) await this.#scan.start();
    });
  }

  /**
   * Does the next thing, when what came before is done, until it is done or cannot be.
   *
   * @param onFailure - Told why it cannot. Default: nothing of the scan goes on then.
   */
  #step(run: () => Promise<void>, onFailure = (error: StorageError) => this.#fail(error)): void {
    const { clock, retryMs, signal, onError } = this.#options;
    this.#steps = this.#steps.then(async () => {
      let isUnsure = false;
      while (this.#failure === undefined) {
        try {
          // What was not answered may have been done.
          if (isUnsure) await this.#scan?.update({ timeoutMs: 0 });
          return await run();
        } catch (error) {
          isUnsure = true;
          const failure = toStorageError(error, { operation: "record", identifier: this.#scan?.key });
          if (!mayPass(failure)) return onFailure(failure);
          onError(failure);
          await pause(clock, retryMs, signal, { operation: "record" }).catch(() => this.#fail(failure));
        }
      }
    });
  }

  #fail(error: StorageError): void {
    if (this.#failure === undefined) this.#options.onError(error);
    this.#failure ??= error;
    for (const stream of this.#streams.values()) stream.fail(error);
  }

  #info(end: { readonly endTime?: number; readonly endReason?: string } = {}): JsonObject {
    const { run } = this.#options;
    const known = { keys: this.#keys, configuration: this.#configuration, hasStart: this.#hasStart };
    return scanInfo({ ...run, ...known, ...end });
  }

  #sourceOf(key: string) {
    for (const writer of this.#options.writers()) {
      if (!writer.isOpen) continue;
      for (const source of writer.sources.values()) if (source.dataKey === key) return { writer, source };
    }
    return undefined;
  }

  /** The stream says where its points are once they have left the engine. */
  #definitionOf({ definition, field, stream }: RecordedKey): StreamDefinition {
    const { documentsUri: uri } = this.#options;
    const found = field === undefined ? undefined : this.#sourceOf(field);
    const resource = found?.writer.resourceOf?.(found.source.name);
    const fallback =
      "type" in definition && definition.type === "frames"
        ? resource && placeReference(placeOfResource(resource))
        : uri && { kind: "documents", uri, stream, ...(field === undefined ? {} : { field }) };
    return fallback ? { ...definition, info: { fallback: { ...fallback } } } : definition;
  }

  #watch({ field }: RecordedKey, stream: RecordedStream): void {
    const found = this.#sourceOf(field as string);
    const resource = found?.writer.resourceOf?.(found.source.name);
    if (found === undefined || resource === undefined) return;
    const place = placeOfResource(resource);
    const { onError } = this.#options;
    this.#watched.push({ stream, place, source: found.source });
    const watching = watchSource(found.writer, found.source.name, this.#unwatch.signal, {
      onReadable: (frames) => {
        stream.frames(place, 0, frames);
        this.#data();
      },
      onDurable: (frames) => stream.durable(frames),
    });
    watching.catch((error) => onError(toStorageError(error, { operation: "record", identifier: field })));
  }
}

/** True if the stream was declared, and is this process's to write. */
function canWrite(scan: WritableScan, name: string): boolean {
  try {
    return scan.writer(name) !== undefined;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return false;
    throw error;
  }
}
