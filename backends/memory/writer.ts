/** The memory frame writer. */
import { Writer, type WriterOptions } from "../../src/acquire/writer.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { SourceInfo } from "../../src/core/frame-writer.ts";
import { byteLengthOf, copyArray, type NdArray } from "../../src/core/nd-array.ts";

/** Options of {@link MemoryWriter}. */
export interface MemoryWriterOptions extends WriterOptions {
  /** Bytes that the frames of all acquisitions together may take. Default: no limit. */
  readonly quotaBytes?: number | undefined;
}

/** One acquisition. */
interface MemoryRun {
  metadata: Readonly<Record<string, unknown>>;
  readonly frames: Map<string, NdArray[]>;
}

/**
 * Keeps copies of frames in memory: for tests, and for looking at data before deciding where it goes. Frames stay after
 * the close, until {@link MemoryWriter.discard}. Each acquisition needs a URI of its own, as with any other writer.
 */
export class MemoryWriter extends Writer {
  readonly #runs = new Map<string, MemoryRun>();
  readonly #quotaBytes: number;
  #current: MemoryRun | undefined;
  #byteLength = 0;

  constructor(name: string, options: MemoryWriterOptions = {}) {
    super(name, options);
    this.#quotaBytes = options.quotaBytes ?? Number.POSITIVE_INFINITY;
  }

  get mimetype(): string {
    return "application/x-memory";
  }

  protected override get supportsLateSources(): boolean {
    return true;
  }

  /** A `mem:` URI, also where the acquisition was given a folder: no file is there for a reader of documents to look for. */
  override get storeUri(): string | undefined {
    return super.storeUri?.replace(/^file:/i, "mem:");
  }

  /** Bytes that all frames take. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** URIs of the acquisitions that are kept. */
  get runs(): string[] {
    return [...this.#runs.keys()];
  }

  /**
   * The frames of one source, in order: the writer's own memory, so do not change them. Empty without any.
   *
   * @param uri - Which acquisition. Default: the current one, or the last.
   */
  frames(name: string, uri: string | undefined = this.storeUri): readonly NdArray[] {
    return this.#runs.get(uri ?? "")?.frames.get(name) ?? [];
  }

  /** What was stored beside the frames of an acquisition. */
  storedMetadata(uri: string | undefined = this.storeUri): Readonly<Record<string, unknown>> {
    return this.#runs.get(uri ?? "")?.metadata ?? {};
  }

  /** Forgets one acquisition. `CONFLICT` while it is open. */
  discard(uri: string): void {
    const run = this.#runs.get(uri);
    if (run === undefined) return;
    if (run === this.#current) {
      throw new StorageError("CONFLICT", `${uri} is open; close writer "${this.name}" first`, { backend: this.name });
    }
    this.#runs.delete(uri);
    for (const frames of run.frames.values()) for (const frame of frames) this.#byteLength -= byteLengthOf(frame);
  }

  override async kickoff(options: OperationOptions = {}): Promise<void> {
    await super.kickoff(options);
    const uri = this.storeUri as string;
    if (this.#runs.has(uri)) {
      throw new StorageError("ALREADY_EXISTS", `${uri} holds an acquisition already; set another URI, or discard it`, {
        backend: this.name,
        operation: "kickoff",
        identifier: uri,
      });
    }
    this.#current = { metadata: this.metadata, frames: new Map() };
    this.#runs.set(uri, this.#current);
  }

  protected doWriteFrame(name: string, frame: NdArray): void {
    const run = this.#current as MemoryRun;
    const byteLength = byteLengthOf(frame);
    if (this.#byteLength + byteLength > this.#quotaBytes) {
      const message = `Frames take ${this.#byteLength} of ${this.#quotaBytes} bytes; a frame of ${byteLength} does not fit`;
      throw new StorageError("NO_SPACE", message, { backend: this.name, operation: "write", identifier: name });
    }
    const frames = run.frames.get(name);
    if (frames === undefined) run.frames.set(name, [copyArray(frame)]);
    else frames.push(copyArray(frame));
    this.#byteLength += byteLength;
  }

  protected finalize(): void {
    if (this.#current !== undefined) this.#current.metadata = this.metadata;
    this.#current = undefined;
  }

  /** The source within the acquisition: `mem://store#source`. */
  protected override resourceUri(source: SourceInfo): string {
    return `${this.storeUri}#${encodeURIComponent(source.name)}`;
  }

  protected override resourceParameters(source: SourceInfo): Record<string, unknown> {
    return { chunk_shape: [1, ...source.shape] };
  }
}
