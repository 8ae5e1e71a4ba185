/**
 * Frames as TIFF files, one for each. Light: the writer is loaded when it is opened.
 *
 * @module sluice/backends/tiff
 */
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import type { PathProvider } from "../../src/core/frame-writer.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";

/** Options of the TIFF writer. */
export interface TiffWriterOptions {
  /** `"deflate"` is lossless. Default `"none"`. */
  readonly compression?: "none" | "deflate" | undefined;
  /** Files under way at once. Each holds one frame of the caller's memory. Default 4. */
  readonly filesInFlight?: number | undefined;
  /** Where the first acquisition goes; a URI. */
  readonly uri?: string | undefined;
  /** Where each acquisition goes. */
  readonly pathProvider?: PathProvider | undefined;
}

const optionsOfTiff = optionsSchema<TiffWriterOptions>({
  compression: field.oneOf("none", "deflate"),
  filesInFlight: (value) => (Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "a whole number ≥ 1"),
  uri: field.text,
  pathProvider: field.callable,
});

/** The `tiff` backend: frames only. The files are read like any other, through the codecs of a file backend. */
export const tiff: BackendDescriptor<TiffWriterOptions> = defineBackend<TiffWriterOptions>({
  key: "tiff",
  summary: "One TIFF file for each frame",
  capabilities: {
    ...storageCapabilities,
    read: false,
    write: false,
    list: false,
    directories: false,
    values: "arrays",
    frames: true,
  },
  options: async () => optionsOfTiff,
  openWriter: async (options, context) => {
    const { TiffWriter } = await import("./writer.ts");
    return new TiffWriter(
      context.instance,
      (uri) => context.store(uri),
      options,
      async (store) => context.release?.(store),
    );
  },
});

export default tiff;
