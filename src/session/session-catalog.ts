/** The catalogue of a session. Heavy: loaded only where a session file has one. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { BackendSet } from "../../registry/backend-set.ts";
import {
  Catalog,
  DocumentRecorder,
  type ExitStatus,
  IndexWriter,
  RunWriter,
  type SampleMetadata,
} from "../catalog/index.ts";
import { labelOf } from "../catalog/location.ts";
import type { Document } from "../core/documents.ts";
import { runAll, StorageError, toStorageError } from "../core/errors.ts";
import { isUrl, locationOf } from "./catalog-location.ts";
import type { CatalogConfig } from "./schema.ts";

/** What of a run is in the catalogue. */
export interface CatalogReport {
  /** Path of the beamtime file, or the URL of the database without its password. */
  readonly location: string;
  /** Uid of the run in the catalogue; `undefined` if none came to be there. */
  readonly runUid: string | undefined;
  /** The first failure, if not all of the run is there. Its frames and its `documents.jsonl` are not concerned. */
  readonly error?: StorageError;
}

/** What a {@link SessionCatalog} is opened with. */
export interface SessionCatalogOptions {
  /** Name of the session. */
  readonly session: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Folder that relative paths are relative to. */
  readonly baseDirectory: string;
  /** Where frames are read from. Stays its owner's. */
  readonly backends: BackendSet;
  /** Told at once of what could not be written. */
  readonly onError: (error: StorageError) => void;
}

/** What waits to be written: a document, or the end of a run that may have come without a stop document. */
type Waiting = Document | readonly ["end", ExitStatus];

/** Documents that wait for a database that cannot be written; more are left out. */
const MOST_WAITING = 100_000;

/** Failures that may pass: the document is tried again with the next one. */
const passing: ReadonlySet<string> = new Set(["NO_SPACE", "READ_ONLY", "CONFLICT", "TIMED_OUT"]);

/**
 * The catalogue that a session has open: it gets every document of every run, and finds runs again. Devices and plans get
 * it by the token `CATALOG`.
 *
 * Nothing waits for it while a run goes on, and none of its failures reaches the run: frames come first. What could not
 * be written is tried again, and reported.
 */
export class SessionCatalog implements AsyncDisposable {
  /** Runs of the beamtime file, these and earlier ones. Frames are read through the backends of the session. */
  readonly runs: Catalog;
  /** The master index; `undefined` if the session file names none. */
  readonly index: IndexWriter | undefined;
  /** Writes the runs. The documents of the session's runs come by themselves. */
  readonly writer: RunWriter;
  readonly #recorder: DocumentRecorder;
  readonly #onError: (error: StorageError) => void;
  readonly #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #failure: StorageError | undefined;
  #refused = 0;
  #runUid: string | undefined;

  /**
   * Opens the beamtime file, makes it if it is not there, marks runs as lost whose processes are gone, and registers it
   * with the index.
   *
   * @throws A {@link StorageError} as `RunWriter.open` and `IndexWriter.registerBeamtime`; nothing stays open then.
   */
  static async open(config: CatalogConfig, options: SessionCatalogOptions): Promise<SessionCatalog> {
    const { baseDirectory, backends, onError } = options;
    const path = locationOf(config.path, baseDirectory);
    if (!isUrl(path)) await mkdir(dirname(path), { recursive: true });
    const writer = new RunWriter(path, sampleOf(config, options), {
      operator: config.operator ?? textIn(options.metadata, "operator"),
      backends,
      onError: () => {}, // the next call throws the same, and that one is told
    });
    const opened: AsyncDisposable[] = [];
    try {
      let index: IndexWriter | undefined;
      if (config.index !== undefined) {
        index = await openIndex(config, config.index, path, options);
        opened.push(index);
        await index.attach(writer, { onError: (error) => onError(toStorageError(error, { operation: "index" })) });
      }
      await writer.open();
      opened.push(writer);
      const runs = await Catalog.open(path, { backends });
      return new SessionCatalog(runs, index, writer, onError);
    } catch (error) {
      const steps = opened.reverse().map((each) => () => each[Symbol.asyncDispose]());
      await runAll(steps, "Closing the catalogue failed").catch(() => {}); // what failed first says more
      throw error;
    }
  }

  private constructor(
    runs: Catalog,
    index: IndexWriter | undefined,
    writer: RunWriter,
    onError: (error: StorageError) => void,
  ) {
    this.runs = runs;
    this.index = index;
    this.writer = writer;
    this.#recorder = new DocumentRecorder(writer);
    this.#onError = onError;
  }

  /** Path of the beamtime file, or the URL of the database without its password. */
  get location(): string {
    return this.runs.location;
  }

  /** Takes a document; it is written soon. Never throws. */
  record(document: Document): void {
    if (this.#waiting.length >= MOST_WAITING) this.#refused++;
    else this.#waiting.push(document);
    void this.#drain();
  }

  /**
   * Ends the run that documents came of, and says what is in the catalogue now.
   *
   * @param exitStatus - For a run without a stop document.
   */
  async endRun(exitStatus: ExitStatus): Promise<CatalogReport> {
    this.#waiting.push(["end", exitStatus]);
    await this.#draining;
    await this.#drain();
    const runUid = this.#runUid;
    const waiting = this.#waiting.filter(([name]) => name !== "end").length;
    if (waiting + this.#refused > 0) {
      const again = waiting === 0 ? "" : `; ${waiting} of them are tried again with the next run, and at the end`;
      const message = `${waiting + this.#refused} documents of run ${runUid ?? "?"} are not in "${this.location}"${again}`;
      const cause = this.#failure;
      this.#onError(new StorageError(cause?.code ?? "UNEXPECTED", message, { operation: "record", cause }));
    }
    // What failed once and was written later is no failure of the run.
    const error = waiting + this.#refused > 0 ? this.#failure : undefined;
    this.#failure = undefined;
    this.#refused = 0;
    this.#runUid = undefined;
    return { location: this.location, runUid, ...(error === undefined ? {} : { error }) };
  }

  /**
   * Writes what still waits, and closes the file and the index.
   *
   * @throws A {@link StorageError} with the number of documents that could not be written.
   */
  async close(): Promise<void> {
    await this.#draining;
    await this.#drain();
    await runAll(
      [() => this.runs.close(), () => this.writer[Symbol.asyncDispose](), () => this.index?.close()],
      `Closing the catalogue "${this.location}" failed`,
    );
    const lost = this.#waiting.filter(([name]) => name !== "end").length;
    if (lost === 0) return;
    const message = `${lost} documents could not be written into the catalogue "${this.location}"; documents.jsonl has them`;
    const cause = this.#failure;
    throw new StorageError(cause?.code ?? "UNEXPECTED", message, { operation: "close", cause });
  }

  /** As {@link SessionCatalog.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Writes what waits, in order, up to what cannot be written now. */
  #drain(): Promise<void> {
    this.#draining ??= this.#write().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  async #write(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        if (next[0] !== "end") await this.#recorder.record(next);
        else if (this.writer.runUid !== undefined) await this.writer.closeRun({ exitStatus: next[1] });
        if (next[0] === "start") this.#runUid = next[1].uid;
      } catch (error) {
        const failure = this.#report(error);
        if (failure.retryable || passing.has(failure.code)) return;
        this.#refused++;
      }
      this.#waiting.shift();
    }
  }

  /** Tells of the first failure of a run: those that follow mostly follow from it. */
  #report(error: unknown): StorageError {
    const failure = toStorageError(error, { operation: "record", identifier: this.location });
    if (this.#failure === undefined) this.#onError(failure);
    this.#failure ??= failure;
    return failure;
  }
}

function sampleOf({ sample }: CatalogConfig, { metadata }: SessionCatalogOptions): SampleMetadata {
  return sample ?? { name: textIn(metadata, "sample") ?? "unnamed" };
}

function textIn(metadata: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = metadata[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

async function openIndex(
  { researcher, beamtime }: CatalogConfig,
  location: string,
  path: string,
  { baseDirectory }: SessionCatalogOptions,
): Promise<IndexWriter> {
  const index = new IndexWriter(locationOf(location, baseDirectory));
  try {
    if (researcher !== undefined) {
      const { name, root = ".", ...details } = researcher;
      const id = await index.registerResearcher(name, locationOf(root, baseDirectory), details);
      await index.registerBeamtime(id, beamtime ?? labelOf(path), path);
    }
    return index;
  } catch (error) {
    await index.close().catch(() => {}); // why it could not be used says more
    throw error;
  }
}
