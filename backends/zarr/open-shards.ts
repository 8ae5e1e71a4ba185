/** Shards that are being written, or were when their process was killed, as their journals tell it. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import type { UnfinishedSearch, UnfinishedValue } from "../../src/core/journalled-write.ts";
import { parentKey } from "../../src/core/key.ts";
import { findUnfinished } from "../../src/layers/unfinished.ts";
import { type ArrayLayout, arrayLayout } from "./layout.ts";
import { findNode } from "./nodes.ts";
import { decodeHeader, type JournalHeader, RECORD_BYTES } from "./shard-journal.ts";

/** A shard with a journal. */
export interface OpenShard {
  readonly value: UnfinishedValue;
  readonly header: JournalHeader;
  /** Key of the array. */
  readonly path: string;
  readonly layout: ArrayLayout;
  /** Frames that the shape of the array shows. */
  readonly frames: number;
}

/** Finds shards with journals, those of one array in their order. Changes nothing. */
export async function findOpenShards(store: ByteStore, search: UnfinishedSearch): Promise<OpenShard[]> {
  const found: OpenShard[] = [];
  for await (const value of findUnfinished(store, search)) {
    const header = await headerOf(value, search);
    const array = header && (await arrayOf(store, value.key, header.shard, search));
    if (header !== undefined && array !== undefined) found.push({ value, header, ...array });
  }
  return found.sort((a, b) => (a.path === b.path ? a.header.shard - b.header.shard : a.path < b.path ? -1 : 1));
}

/** The records of a journal from one on, as bytes; `undefined` if the journal is gone. */
export async function readRecords(
  value: UnfinishedValue,
  first: number,
  options: OperationOptions,
): Promise<Uint8Array | undefined> {
  return unlessMissing(value.readJournal((first + 1) * RECORD_BYTES, options));
}

/** The result of a read, or `undefined` where nothing is. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

async function headerOf(value: UnfinishedValue, options: OperationOptions): Promise<JournalHeader | undefined> {
  const bytes = await unlessMissing(value.readJournal(0, options));
  return bytes && decodeHeader(bytes);
}

/** The array whose shard has a key. */
async function arrayOf(
  store: ByteStore,
  key: string,
  shard: number,
  options: OperationOptions,
): Promise<Pick<OpenShard, "path" | "layout" | "frames"> | undefined> {
  for (let path = key; path !== ""; ) {
    path = parentKey(path);
    const node = await findNodeOrNothing(store, path, options);
    const metadata = node?.kind === "array" ? node.metadata : undefined;
    const layout = metadata && arrayLayout(metadata, path);
    if (metadata === undefined || layout === undefined) continue;
    const { shape } = metadata;
    if (layout.key(shape.map((_, axis) => (axis === 0 ? shard : 0))) !== key) continue;
    return { path, layout, frames: shape[0] as number };
  }
  return undefined;
}

/** Damaged metadata is told to whoever loads it. */
async function findNodeOrNothing(store: ByteStore, path: string, options: OperationOptions) {
  try {
    return await findNode(store, path, options);
  } catch (error) {
    if (isStorageError(error, "CORRUPT")) return undefined;
    throw error;
  }
}
