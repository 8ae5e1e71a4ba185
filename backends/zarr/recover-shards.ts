/** Finishes shards whose writer was killed, from their journals. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { changeDocument } from "./documents.ts";
import { findOpenShards, type OpenShard, readRecords, unlessMissing } from "./open-shards.ts";
import { ShardIndex, shardIndexBytes } from "./shard.ts";
import { chunkChecksum, decodeRecords, type JournalRecord } from "./shard-journal.ts";

/** A shard whose writer was killed, or had to give up. */
export interface OrphanedShard {
  /** Key of the shard. */
  readonly key: string;
  /** Key of the array. */
  readonly array: string;
  /** Frames of the shard that are there, as they were written. */
  readonly frames: number;
  /** Frames that were announced and are not there, or lie behind some that are not: a power cut took them. */
  readonly lostFrames: number;
  /** When something was last written, in milliseconds since 1970-01-01 UTC. */
  readonly modifiedMs: number;
}

/** Options of {@link recoverShards}. */
export interface ShardSearch extends OperationOptions {
  /** Folder to look in. Default: everything. */
  readonly path?: string | undefined;
  /**
   * Takes the writer for dead if it ran on another machine and nothing has changed for this long. Default: such shards are
   * left alone.
   */
  readonly olderThanMs?: number | undefined;
  /** Clock, in milliseconds since 1970-01-01 UTC. */
  readonly nowMs?: number | undefined;
}

/**
 * Finds shards that nobody goes on with. Each frame is read and compared with its checksum.
 *
 * @param finishes - Stores them as they are: each becomes a shard with the frames that are right, up to the first that is
 * not, and then the array's shape shows them. Repeating it, also after it was killed itself, ends at the same.
 */
export async function recoverShards(
  store: ByteStore,
  search: ShardSearch,
  finishes: boolean,
): Promise<OrphanedShard[]> {
  const { path = "", signal } = search;
  const shards = (await findOpenShards(store, { prefix: path, signal })).filter((shard) => isOrphaned(shard, search));
  const orphans: OrphanedShard[] = [];
  /** Frames of each array that can be read, without a gap. */
  const reached = new Map<string, number>();
  for (const shard of shards) {
    const { value, layout, header } = shard;
    const first = header.shard * (layout.unitShape[0] as number);
    const end = Math.max(shard.frames, reached.get(shard.path) ?? 0);
    const { records, good } = await verify(store, shard, { signal });
    // Frames behind a gap would make the gap look like frames.
    const frames = first > end ? 0 : good;
    const orphan = { key: value.key, array: shard.path, frames, lostFrames: records.length - frames };
    if (finishes && first <= end && !(await finish(store, shard, records.slice(0, good), first))) continue;
    reached.set(shard.path, Math.max(end, first > end ? 0 : first + good));
    orphans.push({ ...orphan, modifiedMs: value.modifiedMs });
  }
  return orphans;
}

function isOrphaned({ value }: OpenShard, { olderThanMs, nowMs = Date.now() }: ShardSearch): boolean {
  if (value.writer !== "unknown") return value.writer === "none";
  return olderThanMs !== undefined && nowMs - value.modifiedMs >= olderThanMs;
}

/** The records of a shard, and how many of the first ones are of bytes that are there. */
async function verify(
  store: ByteStore,
  { value, layout }: OpenShard,
  options: OperationOptions,
): Promise<{ readonly records: readonly JournalRecord[]; readonly good: number }> {
  const chunks = layout.unitShape[0] as number;
  const records = decodeRecords((await readRecords(value, 0, options)) ?? new Uint8Array(0)).slice(0, chunks);
  // A published shard was synced with its index, and says itself what it has.
  if (!value.hasBytes) return { records, good: await countPublished(store, value.key, chunks, options) };
  let good = 0;
  for (const { offset, length, crc32 } of records) {
    const bytes = await unlessMissing(value.read({ offset, length }, options));
    if (bytes?.byteLength !== length || chunkChecksum(bytes) !== crc32) break;
    good++;
  }
  return { records, good };
}

async function countPublished(
  store: ByteStore,
  key: string,
  chunks: number,
  options: OperationOptions,
): Promise<number> {
  const bytes = await unlessMissing(store.read(key, { ...options, range: { suffix: shardIndexBytes(chunks) } }));
  if (bytes === undefined) return 0;
  const index = ShardIndex.decode(bytes, chunks);
  let count = 0;
  while (count < chunks && index.get(count) !== undefined) count++;
  return count;
}

/** @returns False if somebody else was sooner. */
async function finish(
  store: ByteStore,
  { value, header, layout, path }: OpenShard,
  records: readonly JournalRecord[],
  first: number,
): Promise<boolean> {
  if (value.hasBytes && records.length > 0) {
    const { offset, length } = records.at(-1) as JournalRecord;
    const index = new ShardIndex(layout.unitShape[0] as number);
    records.forEach((record, chunk) => {
      index.set(chunk, record.offset, record.length);
    });
    const writer = await value.takeOver(offset + length);
    if (writer === undefined) return false;
    try {
      await writer.write(index.encode(), { position: offset + length });
      await writer.close();
    } catch (error) {
      await writer.journal?.setAside();
      throw error;
    }
    await grow(store, path, first + records.length);
    await writer.journal?.remove();
    return true;
  }
  if (!value.hasBytes)
    await grow(store, path, first + (await countPublished(store, value.key, header.chunksPerShard, {})));
  await value.discard();
  return true;
}

/** Shows frames that are stored. */
async function grow(store: ByteStore, path: string, frames: number): Promise<void> {
  await changeDocument(store, joinKey(path, "zarr.json"), {}, (document) => {
    const { shape } = (document ?? {}) as { readonly shape?: readonly number[] };
    if (shape === undefined) throw new StorageError("NOT_FOUND", `The array at "${path}" is no longer there`);
    const [length = 0, ...frame] = shape;
    return { ...document, shape: [Math.max(length, frames), ...frame] };
  });
}
