/**
 * Zarr v3: a frame writer for acquisitions, and a reader. Light: everything heavy is imported when it is called for.
 */
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { defineBackend } from "../../src/core/descriptor.ts";
import type { ZarrOptions } from "./options.ts";

export type { ZarrOptions } from "./options.ts";

/** The `zarr` backend: frames only; values follow the frames' store. */
export const zarr = defineBackend<ZarrOptions>({
  key: "zarr",
  capabilities: { ...storageCapabilities, read: false, write: false, list: false, values: "arrays", frames: true },
  summary: "Zarr v3 stores: one sharded array for each device",
  openWriter: async (options, context) => {
    const { storeOpener, ZarrWriter } = await import("./writer.ts");
    return new ZarrWriter(context.instance, storeOpener(context.store, options.durability), options);
  },
});
export default zarr;
