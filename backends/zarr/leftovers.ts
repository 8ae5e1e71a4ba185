/** What killed processes left in a hierarchy: hidden directories and claims. */
import { type ByteStore, isDirectoryStore, type OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { baseName, joinKey, normalizeKey, parentKey } from "../../src/core/key.ts";
import { clearBelow, deleteKeys, dropClaim } from "./claims.ts";
import { parseHidden } from "./hidden.ts";
import { findNode } from "./nodes.ts";
import { isFile, putBack, removeHidden } from "./swap.ts";

/** One thing that was left. */
export interface ZarrLeftover {
  /** Key of the hidden directory, or of the node that was claimed. */
  readonly key: string;
  /**
   * `unfinished`: an array that was being saved; `replaced`: one that was away from its place for another to come;
   * `removed`: one that was being removed; `claim`: a place without directories where one of these was under way;
   * `shard`: one of an acquisition, of which `frames` are there; `well`: images that a well was to get.
   */
  readonly kind: "unfinished" | "replaced" | "removed" | "claim" | "shard" | "well";
  /** When it was last changed, in milliseconds since 1970-01-01 UTC; 0 where the store does not know. */
  readonly modifiedMs: number;
  /** Where a `replaced` array belongs, if nothing is there now: it goes back when leftovers are removed. */
  readonly belongsTo?: string | undefined;
  /** Of a `shard`: how many of its frames are there, as they were written. They are shown when it is finished. */
  readonly frames?: number | undefined;
  /** Of a `shard`: how many frames were announced and are not there; only a power cut takes them. */
  readonly lostFrames?: number | undefined;
}

/** Options of `recoverZarr`. */
export interface LeftoverSearch extends OperationOptions {
  /** Folder to look in. Default: everything. */
  readonly path?: string | undefined;
  /**
   * How long it must have been quiet: a save may take long. Default one day. Shards of dead processes of this machine are
   * found at once, those of other machines only if this is given.
   */
  readonly olderThanMs?: number | undefined;
  /** Clock, in milliseconds since 1970-01-01 UTC. */
  readonly nowMs?: number | undefined;
}

const DAY_MS = 24 * 3_600_000;
const kinds = { new: "unfinished", old: "replaced", gone: "removed", well: "well" } as const;

/** Finds what killed processes left. Reads every `zarr.json` below the path, and changes nothing. */
export async function findZarrLeftovers(store: ByteStore, search: LeftoverSearch = {}): Promise<ZarrLeftover[]> {
  const { signal, olderThanMs = DAY_MS, nowMs = Date.now() } = search;
  const path = normalizeKey(search.path ?? "");
  const hidden = new Map<string, ZarrLeftover>();
  const found: ZarrLeftover[] = [];
  for await (const entry of store.list({ prefix: path === "" ? "" : `${path}/`, signal })) {
    const segments = entry.key.split("/");
    const at = segments.findIndex((segment) => parseHidden(segment) !== undefined);
    if (at >= 0) {
      const key = segments.slice(0, at + 1).join("/");
      const modifiedMs = Math.max(hidden.get(key)?.modifiedMs ?? 0, entry.modifiedMs ?? 0);
      hidden.set(
        key,
        hidden.get(key) ? { ...(hidden.get(key) as ZarrLeftover), modifiedMs } : await describe(store, key, modifiedMs),
      );
    } else if (segments.at(-1) === "zarr.json") {
      const node = await findNodeOrNothing(store, parentKey(entry.key), { signal });
      if (node?.kind === "claim") found.push({ key: node.path, kind: "claim", modifiedMs: node.sinceMs });
    }
  }
  return [...hidden.values(), ...found].filter(({ modifiedMs }) => nowMs - modifiedMs >= olderThanMs);
}

/**
 * Removes what killed processes left; an array that was away from its place goes back, if nothing has come there.
 *
 * @returns What was found, all of it gone now.
 */
export async function removeZarrLeftovers(store: ByteStore, search: LeftoverSearch = {}): Promise<ZarrLeftover[]> {
  const { signal } = search;
  const found = await findZarrLeftovers(store, search);
  // Notes of wells at last: then nothing of the images is on its way any more. The youngest before: of several that were
  // away from one place, it is the one to go back.
  const ordered = found.toSorted(
    (a, b) => Number(a.kind === "well") - Number(b.kind === "well") || b.modifiedMs - a.modifiedMs,
  );
  for (const { key, kind, belongsTo } of ordered) {
    if (kind === "claim") {
      await clearBelow(store, key, { signal });
      await dropClaim(store, key, { signal });
    } else if (kind === "well") {
      const { removeUnfinishedImages } = await import("./ngff/unfinished-wells.ts");
      await removeUnfinishedImages(store, key, { signal });
    } else if (!isDirectoryStore(store)) {
      await deleteKeys(store, key, { signal }, () => true);
      if (await isFile(store, key, { signal })) await store.delete(key, { signal });
    } else if (belongsTo === undefined) {
      await removeHidden(store, key, { signal });
    } else {
      await putBack(store, key, belongsTo);
    }
  }
  return found;
}

/** Finds shards that a killed process was writing, and finishes them if told to; see `recoverShards`. */
export async function orphanedShards(
  store: ByteStore,
  search: LeftoverSearch,
  finishes: boolean,
): Promise<ZarrLeftover[]> {
  const { recoverShards } = await import("./recover-shards.ts");
  const shards = await recoverShards(store, { ...search, path: normalizeKey(search.path ?? "") }, finishes);
  return shards.map(({ key, modifiedMs, frames, lostFrames }) => ({
    key,
    kind: "shard",
    modifiedMs,
    frames,
    lostFrames,
  }));
}

async function describe(store: ByteStore, key: string, modifiedMs: number): Promise<ZarrLeftover> {
  const { kind, name } = parseHidden(baseName(key)) as NonNullable<ReturnType<typeof parseHidden>>;
  const target = name === undefined ? undefined : joinKey(parentKey(key), name);
  const isAway = kind === "old" && target !== undefined && !(await exists(store, target));
  return { key, kind: kinds[kind], modifiedMs, ...(isAway ? { belongsTo: target } : {}) };
}

async function exists(store: ByteStore, key: string): Promise<boolean> {
  try {
    await store.stat(key);
    return true;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return false;
    throw error;
  }
}

/** Damaged metadata is no leftover: whoever loads it is told. */
async function findNodeOrNothing(store: ByteStore, path: string, options: OperationOptions) {
  try {
    return await findNode(store, path, options);
  } catch (error) {
    if (isStorageError(error, "CORRUPT")) return undefined;
    throw error;
  }
}
