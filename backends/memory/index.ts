/**
 * Values, bytes and frames in the memory of this process.
 *
 * @module sluice/backends/memory
 */
import type { IfExists } from "../../src/core/data-sink.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import type { PathProvider } from "../../src/core/frame-writer.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import { memoryCapabilities } from "./memory-capabilities.ts";

/** Options of the memory backend. */
export interface MemoryOptions {
  /**
   * Bytes that all values of the backend (or all bytes of the store, or all frames of the writer) may take together; a
   * save beyond is `NO_SPACE` and changes nothing. Default: no limit.
   */
  readonly quotaBytes?: number | undefined;
  /**
   * Keys of the byte store as buckets have them: one may be a value and lie above others. For trying out what will run
   * on a bucket. Default: they make a tree, as on a disk.
   */
  readonly flatKeys?: boolean | undefined;
  /** Overwrite policy of saves that name none. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
  /** Where the first acquisition of a frame writer goes; a URI. */
  readonly uri?: string | undefined;
  /** Where each acquisition of a frame writer goes. */
  readonly pathProvider?: PathProvider | undefined;
}

const optionsOfMemory = optionsSchema<MemoryOptions>({
  quotaBytes: field.wholeNumber,
  flatKeys: (value) => (typeof value === "boolean" ? undefined : "true or false"),
  ifExists: field.oneOf("error", "replace", "skip"),
  uri: field.text,
  pathProvider: field.callable,
});

/** The memory backend. Values, bytes (`openStore`) and frames (`openWriter`) are kept apart. */
export const memory: BackendDescriptor<MemoryOptions> = defineBackend<MemoryOptions>({
  key: "memory",
  schemes: ["mem"],
  summary: "Values in the memory of this process",
  capabilities: memoryCapabilities,
  options: async () => optionsOfMemory,
  open: async (options, context) => {
    const { MemoryBackend } = await import("./backend.ts");
    return new MemoryBackend({ ...options, instance: context.instance });
  },
  openStore: async ({ quotaBytes, flatKeys }, context) => {
    const { MemoryStore } = await import("./store.ts");
    return new MemoryStore({ name: context.instance, quotaBytes, flatKeys });
  },
  openWriter: async ({ quotaBytes, uri, pathProvider }, context) => {
    const { MemoryWriter } = await import("./writer.ts");
    return new MemoryWriter(context.instance, { quotaBytes, uri, pathProvider });
  },
});

export default memory;
