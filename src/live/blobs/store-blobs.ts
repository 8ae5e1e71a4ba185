/** Large frames as values of a byte store: one for each frame. */
import { crc32 } from "node:zlib";
import type { ByteStore } from "../../core/byte-store.ts";
import { throwFailures } from "../../core/errors.ts";
import { baseName } from "../../core/key.ts";
import type { FrameReference } from "../encoding/frames.ts";
import type { CallOptions } from "../engine.ts";
import { type BlobFrames, type BlobPlace, blobFolder, frameBytes, sequenceName, streamOfFolder } from "./blob-tier.ts";

/** Values that are removed at once. */
const DELETED_AT_ONCE = 1000;

/** Begins the keys of streams. */
const STREAMS = "esrf:stream:";

/** For machines of a network that all reach the store: S3, a shared disk; or one process, in memory. */
export class StoreBlobs implements BlobPlace {
  readonly #store: ByteStore;

  /** @param store - Stays its owner's. */
  constructor(store: ByteStore) {
    this.#store = store;
  }

  async put({ stream, sequence, kind, frames }: BlobFrames, { signal }: CallOptions = {}): Promise<FrameReference[]> {
    return await Promise.all(
      frames.map(async (frame, i) => {
        const key = `${blobFolder(stream)}/${sequenceName(sequence + i)}`;
        const bytes = frameBytes(frame, kind);
        const checksum = crc32(bytes);
        await this.#store.write(key, bytes, { signal });
        const uri = this.#store.uri(key);
        return { kind: "bytes", uri, offset: 0, length: bytes.byteLength, crc32: checksum };
      }),
    );
  }

  async nextSequence(stream: string, options: CallOptions = {}): Promise<number> {
    let next = 0;
    for await (const [, sequence] of this.#values(stream, options)) next = sequence + 1;
    return next;
  }

  async end(): Promise<void> {}

  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<void> {
    const keys: string[] = [];
    const removeAll = async () => {
      const results = await this.#store.deleteMany(keys.splice(0), options);
      const failures = results.flatMap(({ error }) => error ?? []);
      throwFailures(failures, `Frames of ${stream} could not be removed`);
    };
    for await (const [key, sequence] of this.#values(stream, options)) {
      if (sequence >= beforeIndex) break;
      keys.push(key);
      if (keys.length >= DELETED_AT_ONCE) await removeAll();
    }
    if (keys.length > 0) await removeAll();
  }

  async *streams({ signal }: CallOptions = {}): AsyncGenerator<{ stream: string; modifiedMs: number | undefined }> {
    let last: { stream: string; modifiedMs: number | undefined } | undefined;
    for await (const { key, modifiedMs } of this.#store.list({ prefix: blobFolder(STREAMS), signal })) {
      const [folder = "", name = "", ...deeper] = key.split("/");
      const stream = streamOfFolder(folder);
      if (stream === undefined || deeper.length > 0 || !/^\d{16}$/.test(name)) continue;
      if (last?.stream !== stream) {
        if (last !== undefined) yield last;
        last = { stream, modifiedMs };
      } else if (last.modifiedMs !== undefined) {
        // One of which nobody knows the time may be new.
        last.modifiedMs = modifiedMs && Math.max(last.modifiedMs, modifiedMs);
      }
    }
    if (last !== undefined) yield last;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** From the lowest sequence. */
  async *#values(stream: string, { signal }: CallOptions): AsyncGenerator<readonly [key: string, sequence: number]> {
    for await (const { key } of this.#store.list({ prefix: `${blobFolder(stream)}/`, signal })) {
      if (/^\d{16}$/.test(baseName(key))) yield [key, Number(baseName(key))];
    }
  }
}
