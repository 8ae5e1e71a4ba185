/**
 * Zarr v3: a frame writer for acquisitions, and a reader. Light: everything heavy is imported when it is called for.
 *
 * @module sluice/backends/zarr
 */

import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { defineBackend } from "../../src/core/descriptor.ts";
import type { ZarrOptions } from "./options.ts";
import type { ZarrArray, ZarrGroup } from "./reader-types.ts";

export type { ZarrOptions } from "./options.ts";
export type { ZarrArray, ZarrGroup } from "./reader-types.ts";

/**
 * Opens whatever array or group is at a path of a store. The reader is loaded at the first call.
 *
 * @param store - Stays the caller's; the array reads from it as long as it is used.
 * @param path - Key of the node; `""`, the default, is the root of the store.
 * @throws A `StorageError`: `NOT_FOUND`, `CORRUPT`, `UNSUPPORTED`, `DTYPE_MISMATCH`.
 */
export async function openZarr(
  store: ByteStore,
  path?: string,
  options?: OperationOptions,
): Promise<ZarrArray | ZarrGroup> {
  const { openZarrNode } = await import("./reader.ts");
  return openZarrNode(store, path, options);
}

/** The `zarr` backend: frames only; values follow the frames' store. */
export const zarr = defineBackend<ZarrOptions>({
  key: "zarr",
  capabilities: { ...storageCapabilities, read: false, write: false, list: false, values: "arrays", frames: true },
  summary: "Zarr v3 stores: one sharded array for each device",
  options: async () => (await import("./options.ts")).zarrOptionsSchema,
  openWriter: async (options, context) => {
    const { storeOpener, ZarrWriter } = await import("./writer.ts");
    const openStore = storeOpener(context.store, options.durability);
    return new ZarrWriter(context.instance, openStore, options, async (store) => context.release?.(store));
  },
});
export default zarr;
