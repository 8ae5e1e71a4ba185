/** Large frames in segment files: a folder for each stream, files that follow each other. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, rmdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { checkAborted } from "../../core/checks.ts";
import { runAll } from "../../core/errors.ts";
import type { FrameReference } from "../encoding/frames.ts";
import type { CallOptions } from "../engine.ts";
import { fileError } from "../segments/segment-errors.ts";
import { SegmentWriter } from "../segments/segment-writer.ts";
import { type BlobFrames, type BlobPlace, blobFolder, frameBytes, sequenceName, streamOfFolder } from "./blob-tier.ts";

/** Bytes after which a segment file is followed by the next. */
const SEGMENT_BYTES = 256 * 2 ** 20;

/** Options of a tier in segment files. */
export interface SegmentBlobsOptions {
  /** Folder of all streams; made when it is first needed. */
  readonly root: string;
  /** Bytes after which a file is followed by the next: what can be removed at once. Default 256 MiB. */
  readonly segmentBytes?: number | undefined;
  /**
   * `"none"`: a frame survives the end of its process. `"data"`: it survives a power cut too, and each frame waits for
   * the disk. Default `"none"`.
   */
  readonly durability?: "none" | "data" | undefined;
}

/** For processes of one machine, or of machines that share a file system. */
export class SegmentBlobs implements BlobPlace {
  readonly #root: string;
  readonly #segmentBytes: number;
  readonly #isDurable: boolean;
  readonly #open = new Map<string, SegmentWriter>();

  constructor({ root, segmentBytes = SEGMENT_BYTES, durability = "none" }: SegmentBlobsOptions) {
    this.#root = resolve(root);
    this.#segmentBytes = segmentBytes;
    this.#isDurable = durability === "data";
  }

  async put({ stream, sequence, kind, frames }: BlobFrames, { signal }: CallOptions = {}): Promise<FrameReference[]> {
    const references: FrameReference[] = [];
    for (const [i, frame] of frames.entries()) {
      checkAborted(signal, { operation: "put", identifier: stream });
      const writer = await this.#writer(stream, sequence + i);
      const bytes = frameBytes(frame, kind);
      references.push({ kind: "bytes", ...(await writer.append(bytes)) });
      if (this.#isDurable) await writer.sync();
    }
    return references;
  }

  async nextSequence(stream: string): Promise<number> {
    const last = (await this.#segments(stream)).at(-1);
    return last === undefined ? 0 : last.sequence + 1;
  }

  async end(stream: string): Promise<void> {
    const writer = this.#open.get(stream);
    this.#open.delete(stream);
    await writer?.[Symbol.asyncDispose]();
  }

  async trim(stream: string, beforeIndex: number, { signal }: CallOptions = {}): Promise<void> {
    const isAll = beforeIndex === Number.MAX_SAFE_INTEGER;
    const segments = await this.#segments(stream);
    for (const [i, { path }] of segments.entries()) {
      checkAborted(signal, { operation: "trim", identifier: stream });
      // What is in a file ends before the first of the next one; of the last, nobody knows where it will end.
      const end = segments[i + 1]?.sequence ?? Number.POSITIVE_INFINITY;
      if (isAll || end <= beforeIndex) await rm(path, { force: true });
    }
    if (isAll) await unlessCode(rmdir(this.#folder(stream)), "ENOENT", "ENOTEMPTY");
  }

  async *streams({ signal }: CallOptions = {}): AsyncGenerator<{ stream: string; modifiedMs: number }> {
    for (const name of (await unlessCode(readdir(this.#root), "ENOENT")) ?? []) {
      const stream = streamOfFolder(name);
      if (stream === undefined) continue;
      checkAborted(signal, { operation: "streams", identifier: stream });
      let modifiedMs: number | undefined;
      for (const { path } of await this.#segments(stream)) {
        const about = await unlessCode(stat(path), "ENOENT");
        modifiedMs = Math.max(modifiedMs ?? 0, about?.mtimeMs ?? Date.now());
      }
      if (modifiedMs !== undefined) yield { stream, modifiedMs };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closings = [...this.#open.keys()].map((stream) => () => this.end(stream));
    await runAll(closings, "Closing segment files failed");
  }

  async #writer(stream: string, sequence: number): Promise<SegmentWriter> {
    const open = this.#open.get(stream);
    if (open !== undefined && open.size < this.#segmentBytes) return open;
    if (open !== undefined) await this.end(stream);
    const folder = this.#folder(stream);
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fileError(error, folder, "put");
    });
    // Of two who write a stream the engine refuses one; until then neither writes into the file of the other.
    const name = `${sequenceName(sequence)}-${randomBytes(4).toString("hex")}.seg`;
    const writer = await SegmentWriter.create(join(folder, name));
    this.#open.set(stream, writer);
    return writer;
  }

  #folder(stream: string): string {
    return join(this.#root, blobFolder(stream));
  }

  /** The files of a stream, in their order. */
  async #segments(stream: string): Promise<{ readonly path: string; readonly sequence: number }[]> {
    const folder = this.#folder(stream);
    const names = (await unlessCode(readdir(folder), "ENOENT", "ENOTDIR")) ?? [];
    return names
      .filter((name) => /^\d{16}-[0-9a-f]{8}\.seg$/.test(name))
      .sort()
      .map((name) => ({ path: join(folder, name), sequence: Number(name.slice(0, 16)) }));
  }
}

async function unlessCode<T>(work: Promise<T>, ...codes: readonly string[]): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
