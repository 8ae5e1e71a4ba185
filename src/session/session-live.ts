/** The live scans of a session. Heavy: loaded only where a session file has them. */
import { access } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BackendSet } from "../../registry/backend-set.ts";
import { isFlyable, isMovable, isReadable } from "../acquire/index.ts";
import type { Clock } from "../core/clock.ts";
import type { Document, RunStart } from "../core/documents.ts";
import { runAll, StorageError, toStorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import {
  type DataStore,
  endReasons,
  frameReader,
  openLive,
  Retention,
  type RunFacts,
  ScanRecorder,
  type ScanReport,
  storedFallback,
} from "../live/index.ts";
import { liveLocationOf, withRedisPassword } from "./live-location.ts";
import { withMemoryFrames } from "./memory-frames.ts";
import type { LiveConfig } from "./schema.ts";
import type { RunFolder, StorageLocation } from "./storage.ts";

/** How long one question waits for a server that is away. */
const REDIS_PATIENCE_MS = 5000;

/** What of a run is live. */
export interface LiveReport extends ScanReport {
  /** The folder, or the URL without its password. */
  readonly location: string;
  /** Path of the scan's file in the view of `LiveFile`, and name of its group there. */
  readonly file?: { readonly path: string; readonly entry: string };
}

/** What a {@link SessionLive} is opened with. */
export interface SessionLiveOptions {
  /** Name of the session. */
  readonly session: string;
  /** Folder that relative paths are relative to. */
  readonly baseDirectory: string;
  /** Where frames are read from. Stays its owner's. */
  readonly backends: BackendSet;
  /** Devices of the session, once they are there. */
  readonly devices: () => ReadonlyMap<string, object>;
  /** Its writers. */
  readonly writers: () => Iterable<FrameWriter>;
  /** Told at once of what could not be made live. */
  readonly onError: (error: StorageError) => void;
  readonly clock?: Clock | undefined;
}

/**
 * The live scans that a session has open. Each of its runs becomes a scan: frames of its writers by reference, readings
 * inside. Devices and plans get the {@link DataStore} by the token `LIVE`.
 *
 * Nothing waits for the engine while a run goes on, and none of its failures reaches the run: frames come first.
 */
export class SessionLive implements AsyncDisposable {
  /** Scans of this session, and of all others that use the same place. */
  readonly store: DataStore;
  /** The folder, or the URL without its password. */
  readonly location: string;
  readonly #recorder: ScanRecorder;
  readonly #options: SessionLiveOptions;
  readonly #patienceMs: number | undefined;
  readonly #stopRetention = new AbortController();
  readonly #retaining: Promise<void> | undefined;
  #folder: RunFolder | undefined;
  #facts: RunFacts | undefined;
  #hasStopped = false;
  /** Failures of a run that were told; the same is told once. */
  readonly #told = new Set<string>();

  /**
   * Opens the place, and begins to let old data leave, if it is told to.
   *
   * @throws A {@link StorageError} as `openLive`, and `CONFIG_INVALID` for a retention policy that cannot be.
   */
  static async open(config: LiveConfig, options: SessionLiveOptions): Promise<SessionLive> {
    const { baseDirectory, backends, writers, clock } = options;
    const location = liveLocationOf(config.location, baseDirectory);
    const { prefix, dialect, durability, inlineBytes } = config;
    const readFrames = withMemoryFrames(writers, frameReader(backends));
    const store = await openLive(withRedisPassword(location), {
      ...{ clock, readFrames, fallback: storedFallback(backends) },
      // The recorder asks again by itself; what is away is to be told soon.
      redis: { prefix, dialect, patienceMs: REDIS_PATIENCE_MS },
      file: { durability, inlineBytes },
    });
    try {
      return new SessionLive(store, location, config, options);
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(store: DataStore, location: string, config: LiveConfig, options: SessionLiveOptions) {
    const { writers, clock } = options;
    const { leaseMs, maxWaitingBytes, patienceMs, retention } = config;
    this.#patienceMs = patienceMs;
    this.store = store;
    this.location = location;
    this.#options = options;
    this.#recorder = new ScanRecorder(store, {
      ...{ writers, leaseMs, maxWaitingBytes, clock },
      factsOf: (start) => this.#factsOf(start),
      onError: (error) => this.#tell(error),
    });
    if (retention !== undefined) this.#retaining = this.#retain(retention);
  }

  /** The location of runs, such that the folders that it reserves are known here. */
  following(location: StorageLocation): StorageLocation {
    return {
      ...location,
      reserve: async (plan, options) => {
        this.#folder = await location.reserve(plan, options);
        return this.#folder;
      },
    };
  }

  /** Takes a document; its points are there soon. Never throws. */
  record(document: Document): void {
    if (document[0] === "stop") this.#hasStopped = true;
    this.#recorder.record(document);
  }

  /**
   * Ends the run that documents came of, and says what of it is live.
   *
   * @param exitStatus - For a run without a stop document.
   */
  async endRun(exitStatus: "success" | "aborted" | "failed"): Promise<LiveReport> {
    const endReason = { success: endReasons.SUCCESS, aborted: endReasons.USER_ABORT, failed: endReasons.FAILURE };
    const file = this.#facts?.place;
    const report = await this.#recorder.endRun({
      endReason: endReason[exitStatus],
      documentsAreDurable: await this.#hasDocuments(),
      timeoutMs: this.#patienceMs,
    });
    this.#folder = undefined;
    this.#facts = undefined;
    this.#hasStopped = false;
    this.#told.clear();
    return { location: this.location, ...report, ...(file === undefined ? {} : { file }) };
  }

  /**
   * Gives what waits a last chance, ends retention, and closes the engine: whoever waits for it in this process is freed.
   */
  async close(): Promise<void> {
    this.#stopRetention.abort();
    await runAll(
      [
        () => this.#recorder.close({ timeoutMs: this.#patienceMs }),
        () => this.#retaining,
        () => this.store[Symbol.asyncDispose](),
      ],
      `Closing the live scans at "${this.location}" failed`,
    );
  }

  /** As {@link SessionLive.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #factsOf(start: RunStart): RunFacts {
    const { session } = this.#options;
    const folder = this.#folder?.path;
    const place = folder === undefined ? { path: `${session}.h5`, entry: start.uid } : placeOf(folder, session);
    const number = start.scan_id ?? Number(/\d+$/.exec(place.entry)?.[0] ?? 0);
    this.#facts = {
      place,
      folder,
      identity: { session, ...(Number.isSafeInteger(number) ? { number } : {}) },
      ...(folder === undefined ? {} : { documentsUri: pathToFileURL(documentsIn(folder)).href }),
      classes: this.#classes(),
    };
    return this.#facts;
  }

  #classes(): Record<string, string> {
    const classes: Record<string, string> = {};
    for (const [name, device] of this.#options.devices()) {
      if (isFlyable(device)) classes[name] = "NXdetector";
      else if (isMovable(device)) classes[name] = "NXpositioner";
      else if (isReadable(device)) classes[name] = "NXsensor";
    }
    return classes;
  }

  /** True if the run has its documents on the disk: they are there with the stop document, and synced. */
  async #hasDocuments(): Promise<boolean> {
    const folder = this.#folder?.path;
    if (folder === undefined || !this.#hasStopped) return false;
    return access(documentsIn(folder)).then(
      () => true,
      () => false,
    );
  }

  async #retain({ intervalMs, ...policy }: NonNullable<LiveConfig["retention"]>): Promise<void> {
    const { clock } = this.#options;
    const retention = new Retention(this.store.engine, policy, {
      ...{ intervalMs, clock },
      onEvent: (event) => {
        if (event.type === "failed") this.#tell(toStorageError(event.error, { operation: "retention" }));
        if (event.type !== "critical") return;
        const { usage, targetBytes } = event;
        const message = `The live scans take ${usage.bytes} bytes, more than ${targetBytes}, and none may leave`;
        this.#tell(new StorageError("NO_SPACE", message, { operation: "retention", identifier: this.location }));
      },
    });
    try {
      await retention.run({ signal: this.#stopRetention.signal });
    } catch (error) {
      this.#tell(toStorageError(error, { operation: "retention" }));
    }
  }

  #tell(error: StorageError): void {
    const text = `${error.code} ${error.message}`;
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.#options.onError(error);
  }
}

/** One file for the runs of a day, beside their folders: a group for each. It is there once somebody writes it. */
function placeOf(folder: string, session: string): { path: string; entry: string } {
  return { path: join(dirname(folder), `${session}.h5`), entry: basename(folder) };
}

function documentsIn(folder: string): string {
  return join(folder, "documents.jsonl");
}
