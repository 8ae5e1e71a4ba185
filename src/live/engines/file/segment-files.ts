/** The segment files of a store. */
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isStorageError } from "../../../core/errors.ts";
import { fileError } from "../../segments/segment-errors.ts";
import { SegmentReader } from "../../segments/segment-reader.ts";
import { SegmentWriter } from "../../segments/segment-writer.ts";
import type { KeptPayload } from "./stream-rows.ts";

/** Name of their folder in the folder of a store. */
export const SEGMENT_FOLDER = "segments";

/** Files that are open for writing at once. */
const OPEN_WRITERS = 64;

/** What the index says of the segments of a stream. */
export interface SegmentPlace {
  /** The newest. Older ones may be removed while they are open here: a stream can change its writer. */
  readonly newest: () => number | undefined;
  /** Makes a row for a new one. */
  readonly create: () => Promise<{ readonly stream: number; readonly segment: number }>;
}

interface OpenSegment {
  readonly segment: number;
  readonly writer: SegmentWriter;
}

/** Writes, reads and removes them: `segments/<stream>/<segment>.seg`. */
export class SegmentFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #reader = new SegmentReader();
  /** By key of the stream, from the one whose last use is longest ago. */
  readonly #open = new Map<string, OpenSegment>();

  /** @param maxBytes - A segment that is larger gets nothing more. */
  constructor(root: string, maxBytes: number) {
    this.#folder = join(root, SEGMENT_FOLDER);
    this.#maxBytes = maxBytes;
  }

  /** Appends a payload to the segment of a stream. */
  async write(key: string, payload: Uint8Array, place: SegmentPlace): Promise<KeptPayload> {
    const { segment, writer } = await this.#writer(key, place);
    const { offset, length, crc32 } = await writer.append(payload);
    return { segment, offset, length, crc32 };
  }

  /** Resolves when the disk has what was written to the segment of a stream. */
  async sync(key: string): Promise<void> {
    await this.#open.get(key)?.writer.sync();
  }

  /**
   * A payload.
   *
   * @throws A `StorageError` `NOT_FOUND` if its file is gone, `CORRUPT` if its bytes are not those that were written.
   */
  async read(stream: number, { segment, ...range }: KeptPayload, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return await this.#reader.read({ uri: pathToFileURL(this.#path(stream, segment)).href, ...range }, { signal });
  }

  /** Lets go of the segment of a stream that gets nothing more. */
  async finish(key: string): Promise<void> {
    const open = this.#open.get(key);
    this.#open.delete(key);
    await open?.writer[Symbol.asyncDispose]();
  }

  /** Removes files whose rows are gone. What is not there any more is no trouble: another process was faster. */
  async remove(stream: number, segments: readonly number[]): Promise<void> {
    for (const segment of segments) {
      const path = this.#path(stream, segment);
      this.#reader.forget(pathToFileURL(path).href);
      await rm(path, { force: true });
    }
    // Fails while there are others, and those are needed.
    if (segments.length > 0) await rmdir(join(this.#folder, String(stream))).catch(() => {});
  }

  /** Numbers of the streams and segments that have files. */
  async list(): Promise<{ readonly stream: number; readonly segment: number }[]> {
    const names = await readdir(this.#folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw fileError(error, this.#folder, "open");
    });
    return names.flatMap((name) => {
      const found = /^(\d+)[/\\](\d+)\.seg$/.exec(name);
      return found === null ? [] : [{ stream: Number(found[1]), segment: Number(found[2]) }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((key) => this.finish(key)));
    await this.#reader[Symbol.asyncDispose]();
  }

  async #writer(key: string, place: SegmentPlace): Promise<OpenSegment> {
    const known = this.#open.get(key);
    if (known !== undefined && known.writer.size < this.#maxBytes && known.segment === place.newest()) {
      this.#open.delete(key);
      this.#open.set(key, known);
      return known;
    }
    await this.finish(key);
    const { stream, segment } = await place.create();
    await mkdir(join(this.#folder, String(stream)), { recursive: true }).catch((error: unknown) => {
      throw fileError(error, this.#folder, "append");
    });
    const open = { segment, writer: await this.#create(stream, segment) };
    this.#open.set(key, open);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= OPEN_WRITERS) break;
      await this.finish(oldest);
    }
    return open;
  }

  async #create(stream: number, segment: number): Promise<SegmentWriter> {
    const path = this.#path(stream, segment);
    try {
      return await SegmentWriter.create(path);
    } catch (error) {
      // Another process has removed the folder, which was empty, in between.
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      await mkdir(join(this.#folder, String(stream)), { recursive: true });
      return await SegmentWriter.create(path);
    }
  }

  #path(stream: number, segment: number): string {
    return join(this.#folder, String(stream), `${segment}.seg`);
  }
}
