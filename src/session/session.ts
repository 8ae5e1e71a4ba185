/** An open session: devices, writers and backends that know each other, and plans that run over them. */
import type { DependencyContainer } from "tsyringe";
import type { BackendSet, DiscoveredBackends } from "../../registry/index.ts";
import type { Document } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import type { FileManager } from "../io/file-manager.ts";
import type { DataStore } from "../live/data-store.ts";
import type { DeviceBuilder } from "./build-devices.ts";
import { closeAll, type Opened } from "./opened.ts";
import type { Plan, RunOptions, RunSummary } from "./plans/run.ts";
import { runPlan } from "./plans/run-plan.ts";
import type { PlanConfig, SessionConfig } from "./schema.ts";
import type { SessionCatalog } from "./session-catalog.ts";
import type { SessionLive } from "./session-live.ts";
import type { StorageLocation } from "./storage.ts";

/** What a session is made of. Internal: `openSession` makes them. */
export interface SessionParts {
  readonly config: SessionConfig;
  readonly baseDirectory: string;
  readonly backends: BackendSet;
  readonly files: FileManager;
  readonly catalog: SessionCatalog | undefined;
  readonly live: SessionLive | undefined;
  readonly container: DependencyContainer;
  readonly location: StorageLocation | undefined;
  readonly builder: Pick<DeviceBuilder, "devices" | "writers" | "failures">;
  readonly opened: Opened[];
  readonly discovery: DiscoveredBackends | undefined;
}

/**
 * An open session. It owns what it opened and closes it in reverse order: devices, writers, live scans, catalogue,
 * backends.
 *
 * Made by `openSession`. Two sessions in one process do not see each other.
 */
export class Session implements AsyncDisposable {
  /** Name of the session. */
  readonly name: string;
  /** The session file, checked, with defaults filled in. */
  readonly config: SessionConfig;
  /** Folder that relative paths are relative to. */
  readonly baseDirectory: string;
  /** Devices by name, in the order of the file. */
  readonly devices: ReadonlyMap<string, object>;
  /** Writers by group; only groups that a device uses. */
  readonly writers: ReadonlyMap<string, FrameWriter>;
  /** Devices with `essential: false` that are missing, and why. */
  readonly failures: ReadonlyMap<string, StorageError>;
  /** The named backends. */
  readonly backends: BackendSet;
  /** Values in the named backends: load, save, list, … */
  readonly files: FileManager;
  /** Where runs are found again; `undefined` without a `catalog` section. */
  readonly catalog: SessionCatalog | undefined;
  /** Runs while they are written, and afterwards: scans and their streams; `undefined` without a `live` section. */
  readonly live: DataStore | undefined;
  /** What installed packages brought, and which are broken; `undefined` unless the caller asked to discover them. */
  readonly discovery: DiscoveredBackends | undefined;
  /** Where runs go; `undefined` without a `storage` section. */
  readonly location: StorageLocation | undefined;
  readonly #container: DependencyContainer;
  readonly #opened: Opened[];
  readonly #live: SessionLive | undefined;
  readonly #subscribers = new Set<(document: Document) => void>();
  readonly #abort = new AbortController();
  #running: Promise<RunSummary> | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(parts: SessionParts) {
    this.name = parts.config.session;
    this.config = parts.config;
    this.baseDirectory = parts.baseDirectory;
    this.backends = parts.backends;
    this.files = parts.files;
    this.catalog = parts.catalog;
    this.live = parts.live?.store;
    this.#live = parts.live;
    this.discovery = parts.discovery;
    this.location = parts.location;
    this.devices = parts.builder.devices;
    this.writers = parts.builder.writers;
    this.failures = parts.builder.failures;
    this.#container = parts.container;
    this.#opened = parts.opened;
  }

  /**
   * The value behind a token: one of this package's, or one that `provide` gave.
   *
   * @throws A {@link StorageError} `CONFIG_INVALID` if the session has none.
   */
  get(token: unknown): unknown {
    const key = token as Parameters<DependencyContainer["resolve"]>[0];
    if (this.#container.isRegistered(key, true)) return this.#container.resolve(key);
    throw new StorageError("CONFIG_INVALID", `The session has nothing for ${String(token)}`, { operation: "get" });
  }

  /**
   * Calls back with every document of every run, in order.
   *
   * @param subscriber - Must not throw: a run fails if it does.
   * @returns Ends the subscription.
   */
  subscribe(subscriber: (document: Document) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /**
   * Runs a plan over the devices of the session.
   *
   * @param plan - A section like `plan` of the session file, or a function such as `count({ num: 3 })`. Default: the
   * plan of the file.
   * @returns What was written, also for a run that was aborted.
   * @throws A {@link StorageError}: `CONFIG_INVALID` without a plan or with a wrong one, `CONFLICT` while another runs,
   * `NOT_OPEN` once closed, or the failure of a device or store. The stores are closed then, and the run has its stop
   * document.
   */
  async run(plan: Plan | PlanConfig | undefined = this.config.plan, options: RunOptions = {}): Promise<RunSummary> {
    const context = { operation: "run", identifier: this.name };
    if (this.#closing) throw new StorageError("NOT_OPEN", `Session "${this.name}" is closed`, context);
    if (this.#running) throw new StorageError("CONFLICT", `Session "${this.name}" is running a plan already`, context);
    const signal = AbortSignal.any([this.#abort.signal, ...(options.signal ? [options.signal] : [])]);
    const onDocument = (document: Document) => {
      this.catalog?.record(document);
      this.#live?.record(document);
      for (const subscriber of [...this.#subscribers, options.onDocument]) subscriber?.(document);
    };
    this.#running = this.#recorded(() => runPlan(this, plan, { ...options, signal, onDocument }), signal);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Aborts a run that is under way, waits for it, and closes devices, writers and backends, last opened first. Idempotent.
   *
   * @throws What failed to close, several as one `AggregateError`; everything has been tried.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs, and then sees to it that catalogue and live scans have the run, as far as they can be written. */
  async #recorded(run: () => Promise<RunSummary>, signal: AbortSignal): Promise<RunSummary> {
    let summary: RunSummary;
    try {
      summary = await run();
    } catch (error) {
      await this.#endRun(signal.aborted ? "aborted" : "failed");
      throw error;
    }
    return { ...summary, ...(await this.#endRun(signal.aborted ? "aborted" : "success")) };
  }

  async #endRun(status: "success" | "aborted" | "failed"): Promise<Pick<RunSummary, "catalog" | "live">> {
    const [catalog, live] = await Promise.all([this.catalog?.endRun(status), this.#live?.endRun(status)]);
    return { ...(catalog === undefined ? {} : { catalog }), ...(live === undefined ? {} : { live }) };
  }

  async #close(): Promise<void> {
    this.#abort.abort(new StorageError("ABORTED", `Session "${this.name}" is closing`, { operation: "close" }));
    await this.#running?.catch(() => {}); // its failure belongs to whoever called run
    await closeAll(this.#opened);
  }
}
