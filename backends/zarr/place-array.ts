/**
 * Puts whole arrays somewhere, so that a reader sees nothing, or all of it.
 *
 * Where the store has directories, an array is made beside its place, in a hidden one, and moved there in one step; one
 * that is replaced is moved away in the step before. Elsewhere the place is claimed: the array that was there is no
 * longer to be seen, the chunks are written, and the metadata comes last. In no case is half of the old and half of the
 * new to be seen, and a failure leaves nothing behind.
 */
import {
  type ByteStore,
  type DirectoryStore,
  isDirectoryStore,
  type OperationOptions,
} from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { baseName, isInside, joinKey, parentKey } from "../../src/core/key.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { abandon, claim, clearBelow, deleteKeys, keepClaim, publish, removeArray } from "./claims.ts";
import { concurrently } from "./concurrently.ts";
import type { ArrayPlan } from "./create.ts";
import { hiddenBeside, parseHidden } from "./hidden.ts";
import { type ArrayLayout, arrayLayout } from "./layout.ts";
import { encodeMetadata } from "./metadata.ts";
import { CLAIM_FIELD, METADATA_NAMES, readDocument } from "./nodes.ts";
import { isFile, swapIn } from "./swap.ts";

/** Values that are copied at the same time. */
const COPIES_AT_ONCE = 8;

/** How an array gets to its place. */
export interface Placement extends OperationOptions {
  /** What is there may be replaced, be it an array or a value. */
  readonly mayReplace: boolean;
  /** Runs before the array can be seen: makes the groups above it. */
  readonly prepare: () => Promise<void>;
}

/** True for names that nobody may use, and that no listing has. */
export function isReserved(name: string): boolean {
  return METADATA_NAMES.has(name) || parseHidden(name) !== undefined;
}

/**
 * Stores an array as a node.
 *
 * @param array - Borrowed until the promise settles.
 * @throws A {@link StorageError} `ALREADY_EXISTS`, or what the store throws; nothing is left then, and what was to be
 * replaced is there still where the store has directories.
 */
export async function saveArray(
  store: ByteStore,
  path: string,
  array: NdArray,
  plan: ArrayPlan,
  placement: Placement,
): Promise<void> {
  const { shape } = plan.metadata;
  const all = { start: shape.map(() => 0), stop: shape };
  const { signal } = placement;
  await saveParts(store, path, plan, placement, (writer) => writer.write(all, array, () => shape, { signal }));
}

/**
 * Stores an array whose values are written in parts; see {@link saveArray}.
 *
 * @param write - Writes all of them.
 */
export async function saveParts(
  store: ByteStore,
  path: string,
  { metadata, documents }: ArrayPlan,
  placement: Placement,
  write: (writer: ChunkWriter) => Promise<void>,
): Promise<void> {
  await placeArray(store, path, documents, placement, async (place, beforeWrite) => {
    const layout = arrayLayout(metadata, place) as ArrayLayout;
    const { fill_value: fillValue } = metadata;
    await write(new ChunkWriter({ store, path, layout, fillValue, isExclusive: true, beforeWrite }));
  });
}

/** Copies an array node, its bytes as they are. */
export async function copyArray(store: ByteStore, from: string, to: string, placement: Placement): Promise<void> {
  const { signal } = placement;
  const documents = new Map<string, object>();
  for (const name of [".zattrs", ".zarray", "zarr.json"]) {
    const document = await readDocument(store, joinKey(from, name), { signal });
    if (document !== undefined) documents.set(name, document);
  }
  await placeArray(store, to, documents, placement, async (place, beforeWrite) => {
    const chunks = (await keysBelow(store, from, { signal })).filter((key) => !METADATA_NAMES.has(baseName(key)));
    await copyKeys(store, chunks, from, place, { signal }, beforeWrite);
  });
}

/**
 * Copies a group with all below it; the metadata of each node comes after what it describes. What is being saved, or
 * removed, at this time does not come along.
 */
export async function copyGroup(store: ByteStore, from: string, to: string, options: OperationOptions): Promise<void> {
  const keys = await shownKeys(store, from, options);
  const isMetadata = (key: string) => METADATA_NAMES.has(baseName(key));
  const copy = async (place: string) => {
    await copyKeys(
      store,
      keys.filter((key) => !isMetadata(key)),
      from,
      place,
      options,
    );
    // The deepest first: a group shows what is in it.
    const documents = keys.filter(isMetadata).sort((a, b) => depth(b) - depth(a));
    for (const key of documents) await store.copy(key, place + key.slice(from.length), { signal: options.signal });
  };
  if (isDirectoryStore(store)) await throughHidden(store, to, false, options, copy);
  else await copy(to);
}

/** Moves an array or a group to a place where nothing is, or where an array may be replaced. */
export async function moveNode(
  store: ByteStore,
  from: string,
  to: string,
  kind: "array" | "group",
  placement: Placement,
): Promise<void> {
  const { signal } = placement;
  if (isDirectoryStore(store)) {
    await placement.prepare();
    await swapIn(store, from, to, { mayReplace: placement.mayReplace, sparesFolders: kind === "array", signal });
    return;
  }
  if (kind === "array") {
    await copyArray(store, from, to, placement);
    await removeArray(store, from, { signal });
  } else {
    await copyGroup(store, from, to, { signal });
    await removeGroup(store, from, { signal });
  }
}

/** Removes an array or a value: an array is gone in one step. */
export async function removeNode(
  store: ByteStore,
  path: string,
  isArray: boolean,
  options: OperationOptions,
): Promise<void> {
  const { signal } = options;
  if (!isArray) await store.delete(path, { signal });
  else if (isDirectoryStore(store)) await removeDirectory(store, path, { signal });
  else await removeArray(store, path, { signal });
}

/**
 * Puts a value in place of an array. It is written under a hidden name first, so that a failure costs nothing.
 *
 * @param write - Stores the value under the key that it is given.
 */
export async function replaceArray<T>(
  store: ByteStore,
  path: string,
  write: (place: string) => Promise<T>,
): Promise<T> {
  const place = hiddenBeside(path, "new");
  let result: T;
  try {
    result = await write(place);
  } catch (error) {
    await store.delete(place).catch(() => {});
    throw error;
  }
  // Never aborted: from here on, the value is all that there is.
  await removeNode(store, path, true, {});
  await store.rename(place, path);
  return result;
}

/** Removes a group with all below it; the metadata goes first, so that no array loses chunks while it can be seen. */
export async function removeGroup(store: ByteStore, path: string, options: OperationOptions): Promise<void> {
  const { signal } = options;
  if (isDirectoryStore(store) && path !== "") {
    await removeDirectory(store, path, { signal });
    return;
  }
  await deleteKeys(store, path, { signal }, (key) => METADATA_NAMES.has(baseName(key)));
  await deleteKeys(store, path, { signal }, () => true);
  if (!isDirectoryStore(store)) return;
  for await (const { key, kind } of store.list({ delimiter: "/", signal })) {
    if (kind === "directory") await store.removeDirectory(key, { signal, recursive: true });
  }
}

async function placeArray(
  store: ByteStore,
  path: string,
  documents: ReadonlyMap<string, object>,
  { mayReplace, prepare, signal }: Placement,
  fill: (place: string, beforeWrite?: () => Promise<void>) => Promise<void>,
): Promise<void> {
  if (isDirectoryStore(store)) {
    await throughHidden(store, path, mayReplace, { signal }, async (place) => {
      await fill(place);
      for (const [name, document] of documents) {
        await store.write(joinKey(place, name), encodeMetadata(document), { signal });
      }
      await prepare();
    });
    return;
  }
  if (mayReplace && (await isFile(store, path, { signal }))) await store.delete(path, { signal });
  const place = await claim(store, path, mayReplace, { signal });
  try {
    if (place.replaced !== undefined) await clearBelow(store, path, { signal });
    await fill(path, keepClaim(store, place, { signal }));
    await prepare();
    await publish(store, place, documents, { signal });
  } catch (error) {
    await abandon(store, place).catch(() => {});
    throw error;
  }
}

/** Makes something in a hidden directory beside its place, and moves it there. */
async function throughHidden(
  store: DirectoryStore,
  path: string,
  mayReplace: boolean,
  options: OperationOptions,
  make: (place: string) => Promise<void>,
): Promise<void> {
  const place = hiddenBeside(path, "new");
  try {
    await make(place);
    await swapIn(store, place, path, { mayReplace, sparesFolders: true, signal: options.signal });
  } catch (error) {
    await store.removeDirectory(place, { recursive: true }).catch(() => {});
    throw error;
  }
}

/** Removes a directory: it is gone from its place in one step. */
async function removeDirectory(store: DirectoryStore, path: string, { signal }: OperationOptions): Promise<void> {
  const gone = hiddenBeside(path, "gone");
  await store.renameDirectory(path, gone, { signal });
  await store.removeDirectory(gone, { recursive: true });
}

async function keysBelow(store: ByteStore, path: string, { signal }: OperationOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key, kind } of store.list({ prefix: `${path}/`, signal }))
    if (kind !== "directory") keys.push(key);
  return keys;
}

/** Keys below a group but those of hidden directories and of claimed places. */
async function shownKeys(store: ByteStore, path: string, options: OperationOptions): Promise<string[]> {
  const isHidden = (key: string) => key.split("/").some((name) => parseHidden(name) !== undefined);
  const keys = (await keysBelow(store, path, options)).filter((key) => !isHidden(key.slice(path.length)));
  const claimed: string[] = [];
  const documents = keys.filter((key) => baseName(key) === "zarr.json");
  await concurrently(documents, COPIES_AT_ONCE, async (key) => {
    const document = await readDocument(store, key, options);
    if (document !== undefined && CLAIM_FIELD in document) claimed.push(parentKey(key));
  });
  return keys.filter((key) => !claimed.some((place) => isInside(key, place)));
}

async function copyKeys(
  store: ByteStore,
  keys: readonly string[],
  from: string,
  to: string,
  { signal }: OperationOptions,
  beforeWrite?: () => Promise<void>,
): Promise<void> {
  await concurrently(keys, COPIES_AT_ONCE, async (key) => {
    await beforeWrite?.();
    await store.copy(key, to + key.slice(from.length), { signal });
  });
}

function depth(key: string): number {
  return key.split("/").length;
}

/** The error of a name that a hierarchy has for itself. */
export function reservedName(store: ByteStore, key: string): StorageError {
  const message = `"${key}" has a name that belongs to Zarr itself; choose another key`;
  return new StorageError("INVALID_KEY", message, { backend: store.name, identifier: key });
}
