/** `sluice recover` */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DiskMaintenance, Leftover } from "../../../backends/disk/index.ts";
import type { PendingUpload, S3Extras } from "../../../backends/s3/index.ts";
import { recoverZarr, type ZarrLeftover } from "../../../backends/zarr/index.ts";
import type { ByteStore } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import { joinKey } from "../../core/key.ts";
import { PrefixStore } from "../../layers/prefix.ts";
import { WrappedStore } from "../../layers/wrapped-store.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";

/** Options of `sluice recover`. */
export interface RecoverOptions extends LocationOptions {
  readonly remove?: boolean | undefined;
  readonly finish?: boolean | undefined;
  /** Hours that a file of another machine must have been quiet, or that an upload must have been under way. */
  readonly olderThan?: number | undefined;
}

interface StoredPlace {
  readonly store: ByteStore;
  readonly key: string;
}

/**
 * Lists what killed processes left below a directory (open shards of acquisitions, files, unfinished uploads to a bucket);
 * finishes the shards, and removes the rest, when told to. Values are never touched.
 */
export async function recover(
  address: string,
  options: RecoverOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options, terminal);
  const place = withoutLayers(
    await locations.bytes(locations.find(address)),
    options.remove || options.finish || false,
  );
  const hours = options.olderThan === undefined ? undefined : options.olderThan * 3_600_000;
  if (place !== undefined && hasUploads(place.store)) {
    const prefix = place.key === "" ? "" : `${place.key}/`;
    const search = { prefix, olderThanMs: hours, signal };
    const uploads: PendingUpload[] = [];
    if (options.remove) uploads.push(...(await place.store.removeUploads(search)));
    else for await (const upload of place.store.findUploads(search)) uploads.push(upload);
    const arrays = await recoverZarr(place.store, { ...options, path: place.key, olderThanMs: hours, signal });
    const end = options.remove
      ? "removed"
      : uploads.length > 0
        ? "found; --remove removes those of a day or more"
        : "found";
    terminal.print({ address, removed: options.remove ?? false, uploads, arrays }, [
      ...arrayLines(arrays, options),
      ...uploads.map(({ key, startedMs, uploadId }) => `${key}  ${new Date(startedMs).toISOString()}  ${uploadId}`),
      `${plural(uploads.length, "unfinished upload")}, ${end}`,
    ]);
    return undefined;
  }
  if (place === undefined || !isMaintained(place.store)) {
    throw new StorageError(
      "UNSUPPORTED",
      `"${address}" is neither on a disk nor in a bucket; nothing is left over there that this command knows`,
      {
        operation: "recover",
        identifier: address,
      },
    );
  }
  const root = fileURLToPath(place.store.uri(""));
  if (!existsSync(join(root, place.key))) {
    // To somebody who mistyped a name, "0 leftovers" would say that nothing was lost.
    throw new StorageError("NOT_FOUND", `No "${address}" to look through`, {
      operation: "recover",
      identifier: address,
    });
  }
  const search = { prefix: place.key, olderThanMs: hours, signal };
  const found: Leftover[] = [];
  if (options.remove) found.push(...(await place.store.removeLeftovers(search)));
  else for await (const leftover of place.store.findLeftovers(search)) found.push(leftover);
  const arrays = await recoverZarr(place.store, { ...options, path: place.key, olderThanMs: hours, signal });
  const byteLength = found.reduce((sum, leftover) => sum + leftover.byteLength, 0);
  const verdict = options.remove ? "removed" : found.length > 0 ? "found; --remove removes what is listed" : "found";
  terminal.print({ address, removed: options.remove ?? false, leftovers: found, arrays }, [
    ...arrayLines(arrays, options),
    ...found.map(({ path, byteLength }) => `${join(root, path)}  ${formatBytes(byteLength)}`),
    `${plural(found.length, "leftover")}, ${formatBytes(byteLength)}, ${verdict}`,
  ]);
  return undefined;
}

/** What is said of arrays and shards that were under way; nothing where there are none. */
function arrayLines(found: readonly ZarrLeftover[], { remove = false, finish = remove }: RecoverOptions): string[] {
  const shards = found.filter(({ kind }) => kind === "shard");
  const arrays = found.filter(({ kind }) => kind !== "shard");
  const frames = (count = 0) => plural(count, "frame");
  const lines = shards.map(({ key, frames: kept, lostFrames }) => {
    return `${key}  ${frames(kept)}${lostFrames ? `, ${lostFrames} lost` : ""}`;
  });
  if (shards.length > 0) {
    const total = frames(shards.reduce((sum, { frames: kept = 0 }) => sum + kept, 0));
    const end = finish ? `finished with ${total}` : `with ${total}; --finish stores and shows them`;
    lines.push(`${plural(shards.length, "shard")} under way when a process was killed, ${end}`);
  }
  for (const { key, kind, belongsTo } of arrays) {
    const fate = belongsTo === undefined ? "" : ` ${remove ? "went" : "goes"} back to ${belongsTo}`;
    lines.push(`${key}  ${kind}${fate}`);
  }
  if (arrays.length > 0) {
    const end = remove ? "removed" : "found";
    lines.push(`${plural(arrays.length, "array")} under way when a process was killed, ${end}`);
  }
  return lines;
}

/**
 * The store below the layers, and where the key is there: what is left over is nothing that a layer knows. Layers that
 * show several stores as one are kept, and are refused then.
 */
function withoutLayers(place: StoredPlace | undefined, removes: boolean): StoredPlace | undefined {
  let { store, key } = place ?? {};
  while (store instanceof WrappedStore && key !== undefined && store.kind !== "overlay" && store.kind !== "route") {
    if (store.kind === "read-only" && removes) {
      throw new StorageError("READ_ONLY", `"${store.name}" takes no writes`, { operation: "recover" });
    }
    if (store instanceof PrefixStore) key = key === "" ? store.prefix : joinKey(store.prefix, key);
    store = store.inner;
  }
  return store === undefined || key === undefined ? undefined : { store, key };
}

function isMaintained(store: ByteStore): store is ByteStore & DiskMaintenance {
  return "findLeftovers" in store && "removeLeftovers" in store;
}

function hasUploads(store: ByteStore): store is ByteStore & S3Extras {
  return "findUploads" in store && "removeUploads" in store;
}
