/** Opens the backend that takes the images of a beamtime. */
import { basename, dirname, extname, join, resolve } from "node:path";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { StorageError } from "../core/errors.ts";
import { type FrameStackSource, isFrameStackSource } from "../core/frame-stack.ts";

/** The Zarr store beside a beamtime file: `{stem}.zarr`. */
export function storeBeside(path: string): string {
  const full = resolve(path);
  return join(dirname(full), `${basename(full, extname(full))}.zarr`);
}

/** A backend for images, and what closes it. */
export interface ImageSource {
  readonly source: FrameStackSource;
  /** Closes what was opened for it. */
  close(): Promise<void>;
}

/**
 * Opens it.
 *
 * @param images - Name of an instance of `backends`, or a configuration.
 * @throws A {@link StorageError}: `UNSUPPORTED` for a backend that does not take frames one at a time; otherwise as
 * `BackendSet.get`.
 */
export async function openImageSource(
  images: string | InstanceConfig,
  backends: BackendSet | undefined,
): Promise<ImageSource> {
  const isName = typeof images === "string";
  if (isName && backends === undefined) {
    const message = `Images cannot go to the instance "${images}": no backends were passed`;
    throw new StorageError("CONFIG_INVALID", message, { operation: "writeImage", identifier: images });
  }
  const registry = backends?.registry ?? createRegistry();
  const own = isName ? undefined : new BackendSet(registry, { images });
  try {
    const backend = await (own?.get("images") ?? (backends as BackendSet).get(images as string));
    if (isFrameStackSource(backend)) return { source: backend, close: async () => own?.close() };
    const message = `Backend "${backend.name}" does not take frames one at a time; a zarr backend does`;
    throw new StorageError("UNSUPPORTED", message, { backend: backend.name, operation: "writeImage" });
  } catch (error) {
    await own?.close();
    throw error;
  }
}
