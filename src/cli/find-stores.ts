/** Stores of frames below a folder. */
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import { joinKey } from "../core/key.ts";

/** A store that was found. */
export interface FoundStore {
  /** Path below the folder that was looked through. */
  readonly path: string;
  readonly format: "Zarr v3" | "Zarr v2" | "TIFF sequence";
}

/** What {@link findStores} found. */
export interface FoundStores {
  /** Ordered by depth, then as listings are. */
  readonly stores: readonly FoundStore[];
  /** False if there was more than could be looked at. */
  readonly isComplete: boolean;
}

/** Entries that are looked at before the search ends. */
const MAX_ENTRIES = 20_000;

/** Looks for stores below a folder, and not inside of stores. Links are not followed. */
export async function findStores(store: ByteStore, folder: string, options: OperationOptions): Promise<FoundStores> {
  const stores: FoundStore[] = [];
  let entries = 0;
  const queue = [""];
  for (const path of queue) {
    const names = new Set<string>();
    const below: string[] = [];
    const key = path === "" ? folder : joinKey(folder, path);
    const prefix = key === "" ? "" : `${key}/`;
    for await (const entry of store.list({ prefix, delimiter: "/", signal: options.signal })) {
      if (++entries > MAX_ENTRIES) return { stores, isComplete: false };
      const name = entry.key.slice(prefix.length);
      if (entry.kind === "directory") below.push(joinKey(path, name));
      else names.add(name);
    }
    const format = path === "" ? undefined : formatOf(path, names);
    if (format === undefined) queue.push(...below);
    else stores.push({ path, format });
  }
  return { stores, isComplete: true };
}

function formatOf(path: string, names: ReadonlySet<string>): FoundStore["format"] | undefined {
  if (names.has("zarr.json")) return "Zarr v3";
  if (names.has(".zgroup") || names.has(".zarray")) return "Zarr v2";
  return path.endsWith(".tiffs") && names.has("metadata.json") ? "TIFF sequence" : undefined;
}
