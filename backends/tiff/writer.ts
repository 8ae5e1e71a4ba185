/** The TIFF frame writer. */
import { dimensionNames } from "../../src/acquire/stream-docs.ts";
import { Writer, type WriterOptions } from "../../src/acquire/writer.ts";
import { encodeTiffAsync, type TiffOptions } from "../../src/codecs/tiff/encode.ts";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError, throwFailures } from "../../src/core/errors.ts";
import type { FrameSink, SourceInfo } from "../../src/core/frame-writer.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import type { TiffWriterOptions } from "./index.ts";

/** Key of the file that makes a folder a store. */
const METADATA_KEY = "metadata.json";
const DIGITS = 6;

/** One source of the open store. */
interface FrameFolder {
  readonly source: SourceInfo;
  readonly encoding: TiffOptions;
  /** One more than the highest index that was tried. Below it, a file may be there that does not count. */
  tried: number;
}

/**
 * Writes each source as a folder of TIFF files, `<source>/<source>_000000.tif` on, in a store that ends with `.tiffs`.
 *
 * - `metadata.json` is the first file, and made only if none is there: an existing store is `ALREADY_EXISTS`, also for
 *   two writers at once. It has the metadata and the sources, and after the close how many frames each has.
 * - A write resolves when its file is in the store, whole. Several files are under way at once if the caller does not
 *   await each; they count in order.
 * - A frame that fails takes no number; what it or frames behind it left is overwritten by the next ones, or removed at
 *   the close.
 *
 * A source's `extra` may have `dims`, names of the axes of a frame, `photometric` and `pixelSizeMicrometers`; see
 * {@link TiffOptions}.
 */
export class TiffWriter extends Writer {
  readonly #openStore: (uri: string) => Promise<ByteStore>;
  readonly #releaseStore: (store: ByteStore) => Promise<void>;
  readonly #compression: "none" | "deflate";
  readonly #filesInFlight: number;
  readonly #folders = new Map<string, FrameFolder>();
  #store: ByteStore | undefined;

  /**
   * @param openStore - Opens the byte store of a URI; it stays its opener's, the writer does not close it.
   * @param releaseStore - Called with it when the acquisition is closed, or could not begin.
   */
  constructor(
    name: string,
    openStore: (uri: string) => Promise<ByteStore>,
    options: TiffWriterOptions & WriterOptions = {},
    releaseStore: (store: ByteStore) => Promise<void> = async () => {},
  ) {
    super(name, options);
    this.#openStore = openStore;
    this.#releaseStore = releaseStore;
    this.#compression = options.compression ?? "none";
    this.#filesInFlight = options.filesInFlight ?? 4;
  }

  get mimetype(): string {
    return "multipart/related;type=image/tiff";
  }

  override get extension(): string {
    return ".tiffs";
  }

  protected override get writeConcurrency(): number {
    return this.#filesInFlight;
  }

  protected override get supportsLateSources(): boolean {
    return true;
  }

  override async prepare(name: string, capacity?: number): Promise<FrameSink> {
    const source = this.sources.get(name) as SourceInfo;
    const encoding = encodingOf(source, this.#compression);
    if (this.isOpen) this.#folders.set(name, { source, encoding, tried: 0 });
    const sink = await super.prepare(name, capacity);
    if (this.#store !== undefined) this.#sayDurable(name, this.#store);
    return sink;
  }

  override async kickoff(options: OperationOptions = {}): Promise<void> {
    await super.kickoff(options);
    const uri = this.storeUri as string;
    const store = await this.#openStore(uri);
    this.#folders.clear();
    try {
      for (const source of this.preparedSources) {
        this.#folders.set(source.name, { source, encoding: encodingOf(source, this.#compression), tried: 0 });
        this.#sayDurable(source.name, store);
      }
      await store.write(METADATA_KEY, this.#describe(false), { ...options, ifAbsent: true });
    } catch (error) {
      await this.#releaseStore(store);
      if (!isStorageError(error, "ALREADY_EXISTS")) throw error;
      const message = `${uri} holds an acquisition already; set another URI`;
      throw new StorageError("ALREADY_EXISTS", message, { backend: this.name, operation: "kickoff", cause: error });
    }
    this.#store = store;
  }

  protected async doWriteFrame(name: string, frame: NdArray, index: number): Promise<void> {
    const folder = this.#folders.get(name) as FrameFolder;
    const isFirstTry = index >= folder.tried;
    folder.tried = Math.max(folder.tried, index + 1);
    const file = await encodeTiffAsync(frame, folder.encoding, { backend: this.name, identifier: name });
    await (this.#store as ByteStore).write(frameKey(name, index), file, { ifAbsent: isFirstTry });
  }

  protected async finalize(): Promise<void> {
    const store = this.#store as ByteStore;
    this.#store = undefined;
    const failures: unknown[] = [];
    for (const [name, { source, tried }] of this.#folders) {
      const loose = Array.from({ length: tried - source.framesWritten }, (_, i) =>
        frameKey(name, source.framesWritten + i),
      );
      const results = await store.deleteMany(loose);
      failures.push(...results.flatMap((result) => result.error ?? []));
    }
    for (const step of [() => store.write(METADATA_KEY, this.#describe(true)), () => this.#releaseStore(store)]) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    throwFailures(failures, `Closing ${this.storeUri} failed`);
  }

  /** The folder, with the slash that Tiled needs to take it for one. */
  protected override resourceUri(source: SourceInfo): string {
    return `${super.resourceUri(source)}/`;
  }

  /** A Python format string, in which braces of the name itself are doubled. */
  protected override resourceParameters(source: SourceInfo): Record<string, unknown> {
    const stem = source.name.replace(/[{}]/g, "$&$&");
    return { template: `${stem}_{:0${DIGITS}d}.tif`, chunk_shape: [1, ...source.shape] };
  }

  /** A frame counts as written when its file is in the store. */
  #sayDurable(name: string, store: ByteStore): void {
    if (store.capabilities.durable) this.noteStored(name, { durable: Number.POSITIVE_INFINITY });
  }

  #describe(isComplete: boolean): Uint8Array {
    const sources = [...this.#folders.values()].map(({ source }) => {
      const { name, dtype, shape, framesWritten } = source;
      const entry = { dtype, shape, dims: dimensionNames(source), file: `${name}/${name}_{index:0${DIGITS}}.tif` };
      return [name, isComplete ? { ...entry, frames: framesWritten } : entry] as const;
    });
    const document = {
      format: "sluice-tiff-sequence",
      version: 1,
      complete: isComplete,
      metadata: this.metadata,
      sources: Object.fromEntries(sources),
    };
    return new TextEncoder().encode(`${JSON.stringify(document, null, 2)}\n`);
  }
}

function frameKey(name: string, index: number): string {
  return `${name}/${name}_${String(index).padStart(DIGITS, "0")}.tif`;
}

function encodingOf(source: SourceInfo, compression: "none" | "deflate"): TiffOptions {
  if (source.shape.length < 2) {
    const message = `A TIFF needs frames of at least two axes; source "${source.name}" has [${source.shape.join(", ")}]`;
    throw new StorageError("SHAPE_MISMATCH", message, { operation: "prepare", identifier: source.name });
  }
  const { photometric, pixelSizeMicrometers } = source.extra as TiffOptions;
  return {
    compression,
    ...(photometric === undefined ? {} : { photometric }),
    ...(pixelSizeMicrometers === undefined ? {} : { pixelSizeMicrometers }),
  };
}
