/** The first plan: read every device a number of times. */
import { join } from "node:path";
import { setTimeout as timer } from "node:timers/promises";
import {
  DocumentFile,
  type Flyable,
  handleDescriptorMetadata,
  isConfigurable,
  isFlyable,
  isPreparable,
  isReadable,
  isTriggerable,
  type Preparable,
  type Readable,
  type Reading,
  RunDocuments,
  type Triggerable,
} from "../../acquire/index.ts";
import { checkAborted, checkInteger } from "../../core/checks.ts";
import type { DataKey, DeviceConfiguration, RunStop } from "../../core/documents.ts";
import { StorageError, throwFailures, toStorageError } from "../../core/errors.ts";
import type { FrameWriter } from "../../core/frame-writer.ts";
import { byteLengthOf } from "../../core/nd-array.ts";
import type { Session } from "../session.ts";
import type { RunFolder } from "../storage.ts";
import { FrameCounts } from "./frame-counts.ts";
import { configurationOf, writersOf } from "./gather.ts";
import type { DeviceSummary, Plan, RunOptions, RunSummary } from "./run.ts";

/** Options of {@link count}. */
export interface CountOptions {
  /** Readings, and frames of each camera. */
  readonly num: number;
  /**
   * Seconds between the beginnings of two readings. Left out or 0: cameras run at their own pace, and a reading is taken
   * when the frames that belong to it are stored. Otherwise each reading triggers its frames.
   */
  readonly delay?: number | undefined;
}

/** A device that flies, with what it writes. */
interface Flyer {
  readonly name: string;
  readonly device: Flyable & Preparable;
  /** Sources that it registered, each with its writer. */
  readonly sources: Map<string, FrameWriter>;
}

type Wait = NonNullable<RunOptions["wait"]>;

/**
 * Reads every device `num` times, with one frame from each camera for each reading.
 *
 * The order of a run: a folder of its own; start document; each writer gets the folder and the session's metadata;
 * cameras prepare; configurations are read and handed to the writers, a stage's too; stores open, with all metadata;
 * descriptor; cameras start; one event for each reading; cameras complete and stores close; stream documents; stop
 * document. Documents go to `documents.jsonl` in the run's folder, and to subscribers.
 *
 * However the run ends, stores are closed and announced frames are readable. A device that fails fails the run.
 *
 * @example
 * ```ts
 * const summary = await session.run(count({ num: 20 }));
 * ```
 * @see bluesky `plans.count`
 */
export function count(options: CountOptions): Plan {
  checkInteger(options.num, "num", 1, { operation: "count" });
  return (session, run) => new CountRun(session, options, run).run();
}

/** One run of the plan. */
class CountRun {
  readonly #session: Session;
  readonly #num: number;
  readonly #delay: number;
  readonly #options: RunOptions;
  readonly #signal: AbortSignal;
  readonly #wait: Wait;
  readonly #writers: readonly FrameWriter[];
  readonly #flyers: readonly Flyer[];
  readonly #readables: readonly (readonly [name: string, device: Readable])[];
  readonly #counts = new FrameCounts();
  /** Ends the watching of frames, whatever the caller's signal does. */
  readonly #watching = new AbortController();
  #completions: Promise<unknown>[] = [];
  #events = 0;
  #isDescribed = false;
  #startMs = 0;

  constructor(session: Session, options: CountOptions, run: RunOptions & { readonly signal: AbortSignal }) {
    this.#session = session;
    this.#num = options.num;
    this.#delay = options.delay ?? 0;
    this.#options = run;
    this.#signal = run.signal;
    this.#wait = run.wait ?? ((seconds, signal) => timer(seconds * 1000, undefined, { signal }));
    this.#writers = writersOf(session);
    const devices = [...session.devices];
    this.#flyers = devices.flatMap(([name, device]) =>
      isFlyable(device) && isPreparable(device) ? [{ name, device, sources: new Map() }] : [],
    );
    this.#readables = devices.flatMap(([name, device]) => (isReadable(device) ? [[name, device] as const] : []));
  }

  async run(): Promise<RunSummary> {
    checkAborted(this.#signal, { operation: "run", identifier: this.#session.name });
    this.#checkTriggers();
    const folder = await this.#session.location?.reserve("count", { signal: this.#signal });
    const file = folder && new DocumentFile(join(folder.path, "documents.jsonl"));
    const documents = new RunDocuments(async (document) => {
      await file?.append(document);
      this.#options.onDocument?.(document);
    });
    try {
      const { uid } = await documents.start(this.#startMetadata());
      let outcome: Outcome = { status: "success", reason: "" };
      try {
        await this.#acquire(documents, uid, folder);
      } catch (error) {
        outcome = this.#outcomeOf(error);
      }
      const failures = await this.#finish(documents, outcome);
      if (failures.length > 0 && outcome.status !== "fail") outcome = this.#outcomeOf(failures[0], "fail");
      await documents.stop(outcome.status, outcome.reason);
      throwFailures(failures, "The run failed");
      return this.#summary(uid, outcome, folder?.path);
    } finally {
      await file?.close();
    }
  }

  async #acquire(documents: RunDocuments, uid: string, folder: RunFolder | undefined): Promise<void> {
    for (const writer of this.#writers) {
      writer.clearSources();
      if (folder !== undefined) writer.setUri(writer.uriFor?.(folder.relativePath) ?? folder.uri);
      writer.clearMetadata();
      writer.updateMetadata({
        ...this.#session.config.metadata,
        session: this.#session.name,
        plan_name: "count",
        run_uid: uid,
      });
    }
    for (const flyer of this.#flyers) await this.#prepare(flyer);
    const configuration = await this.#configuration();
    // Before the stores open, so that what opens has it; for all writers, because a stage has none of its own.
    handleDescriptorMetadata({ configuration }, this.#session.devices, this.#writers);
    const dataKeys = { ...(await this.#scalarKeys()), ...(await this.#openStores()) };
    this.#signal.throwIfAborted();
    await documents.describe({ dataKeys, configuration });
    this.#isDescribed = true;
    this.#startMs = performance.now();
    for (const { sources } of this.#flyers) {
      for (const [source, writer] of sources) this.#counts.watch(writer, source, this.#watching.signal);
    }
    for (const { device } of this.#flyers) await device.kickoff();
    await this.#take(documents);
  }

  /** Prepares one device, and finds out which sources it registers with which writer. */
  async #prepare({ device, sources }: Flyer): Promise<void> {
    const before = this.#writers.map((writer) => new Set(writer.sources.keys()));
    await device.prepare({ capacity: this.#num, trigger: this.#delay > 0 ? "software" : "internal" });
    this.#writers.forEach((writer, index) => {
      for (const source of writer.sources.keys()) if (!before[index]?.has(source)) sources.set(source, writer);
    });
  }

  /** Opens every store that has sources; answers what they are. */
  async #openStores(): Promise<Record<string, DataKey>> {
    const keys: Record<string, DataKey> = {};
    for (const { name, sources } of this.#flyers) {
      for (const [source, writer] of sources) {
        const described = await writer.open(source, 1, { signal: this.#signal });
        for (const [key, value] of Object.entries(described)) keys[key] = { ...value, object_name: name };
      }
    }
    return keys;
  }

  async #take(documents: RunDocuments): Promise<void> {
    const isTriggered = this.#delay > 0;
    // Triggered devices have nothing to complete before the last trigger.
    if (!isTriggered) this.#complete();
    const failed = new Promise<never>((_, reject) => {
      for (const completion of this.#completions) completion.catch(reject);
      this.#signal.addEventListener("abort", () => reject(this.#signal.reason), { once: true });
    });
    failed.catch(() => {}); // raced below; between two races nobody waits for it
    for (let event = 0; event < this.#num; event++) {
      this.#signal.throwIfAborted();
      const beganMs = performance.now();
      if (isTriggered) {
        for (const { device } of this.#flyers)
          await Promise.race([(device as unknown as Triggerable).trigger(), failed]);
      }
      if (!(await Promise.race([this.#counts.reached(event + 1), failed]))) {
        await Promise.all(this.#completions); // the better error, if there is one
        throw new StorageError("CONFLICT", `A camera ended after ${event} of ${this.#num} frames`, {
          operation: "count",
        });
      }
      await this.#event(documents);
      const restSeconds = this.#delay - (performance.now() - beganMs) / 1000;
      if (event + 1 < this.#num && restSeconds > 0) await this.#wait(restSeconds, this.#signal);
    }
    if (isTriggered) this.#complete();
    await Promise.race([Promise.all(this.#completions), failed]);
  }

  async #event(documents: RunDocuments): Promise<void> {
    const readings: Record<string, Reading> = {};
    for (const [, device] of this.#readables) Object.assign(readings, await device.read());
    if (this.#readables.length > 0) await documents.event("primary", readings);
    this.#events++;
    this.#options.onProgress?.({
      events: this.#events,
      total: this.#num,
      frames: Object.fromEntries(this.#flyers.map(({ name }) => [name, this.#deviceSummary(name).frames])),
      bytes: this.#flyers.reduce((sum, { name }) => sum + this.#deviceSummary(name).bytes, 0),
      seconds: (performance.now() - this.#startMs) / 1000,
    });
  }

  #complete(): void {
    this.#completions = this.#flyers.map(async ({ device }) => {
      await device.complete();
    });
    for (const completion of this.#completions) completion.catch(() => {}); // raced, and asked again at the end
  }

  /** Stops what still runs, closes the stores, and announces what is in them. Answers everything that failed. */
  async #finish(documents: RunDocuments, outcome: Outcome): Promise<unknown[]> {
    const failures: unknown[] = outcome.status === "fail" ? [outcome.error] : [];
    const attempt = async (step: () => unknown) => {
      try {
        await step();
      } catch (error) {
        if (!failures.includes(error)) failures.push(error);
      }
    };
    if (outcome.status !== "success") {
      for (const { device } of this.#flyers) await attempt(() => (device as { stop?: () => unknown }).stop?.());
      // A device that cannot be stopped may never complete: closing its writer is what ends it.
      const canStop = this.#flyers.every(({ device }) => "stop" in device);
      if (this.#completions.length > 0 && canStop) await Promise.allSettled(this.#completions);
    }
    for (const writer of this.#writers) await attempt(() => writer.close());
    this.#watching.abort();
    await this.#counts.ended();
    // After the stores are closed: what is announced can be read.
    if (this.#isDescribed) await attempt(() => documents.assets("primary", this.#assets()));
    return failures;
  }

  /** Announces as many frames of each source as all of them have: readers give each event one of each. */
  *#assets() {
    const sources = this.#flyers.flatMap((flyer) => [...flyer.sources]);
    const complete = Math.min(...sources.map(([source, writer]) => writer.getIndicesWritten(source)));
    for (const [source, writer] of sources) yield* writer.collectStreamDocs(source, complete);
  }

  async #scalarKeys(): Promise<Record<string, DataKey>> {
    const keys: Record<string, DataKey> = {};
    for (const [name, device] of this.#readables) {
      for (const [key, value] of Object.entries(await device.describe())) keys[key] = { object_name: name, ...value };
    }
    return keys;
  }

  async #configuration(): Promise<Record<string, DeviceConfiguration>> {
    const configuration: Record<string, DeviceConfiguration> = {};
    for (const [name, device] of this.#session.devices) {
      if (isConfigurable(device)) configuration[name] = await configurationOf(device);
    }
    return configuration;
  }

  #checkTriggers(): void {
    const unable = this.#flyers.find(({ device }) => !isTriggerable(device));
    if (this.#delay === 0 || unable === undefined) return;
    throw new StorageError("UNSUPPORTED", `count with a delay triggers each frame; "${unable.name}" has no trigger()`, {
      operation: "count",
      identifier: unable.name,
    });
  }

  #startMetadata(): Record<string, unknown> {
    return {
      ...this.#session.config.metadata,
      session: this.#session.name,
      plan_name: "count",
      plan_type: "generator",
      plan_args: { num: this.#num, delay: this.#delay },
      num_points: this.#num,
      detectors: [...this.#session.devices.keys()],
    };
  }

  #outcomeOf(error: unknown, status: "abort" | "fail" = this.#signal.aborted ? "abort" : "fail"): Outcome {
    if (status === "abort") return { status, reason: textOf(this.#signal.reason) };
    return { status, reason: textOf(error), error: toStorageError(error, { operation: "count" }) };
  }

  #deviceSummary(name: string): DeviceSummary {
    const sources = this.#flyers.find((flyer) => flyer.name === name)?.sources ?? new Map<string, FrameWriter>();
    const infos = [...sources].flatMap(([source, writer]) => writer.sources.get(source) ?? []);
    return {
      frames: infos.reduce((sum, info) => sum + info.framesWritten, 0),
      rejected: infos.reduce((sum, info) => sum + info.framesRejected, 0),
      bytes: infos.reduce((sum, info) => sum + info.framesWritten * byteLengthOf(info), 0),
    };
  }

  #summary(runUid: string, outcome: Outcome, folder: string | undefined): RunSummary {
    const used = this.#writers.filter((writer) =>
      [...writer.sources.values()].some((source) => source.framesWritten > 0),
    );
    return {
      runUid,
      exitStatus: outcome.status === "abort" ? "abort" : "success",
      reason: outcome.reason,
      folder,
      stores: Object.fromEntries(used.map((writer) => [writer.name, writer.storeUri as string])),
      devices: Object.fromEntries(this.#flyers.map(({ name }) => [name, this.#deviceSummary(name)])),
      events: this.#events,
      seconds: (performance.now() - this.#startMs) / 1000,
    };
  }
}

interface Outcome {
  readonly status: RunStop["exit_status"];
  readonly reason: string;
  readonly error?: unknown;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
