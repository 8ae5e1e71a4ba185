/**
 * The backends that come with Sluice: the one table of dynamic imports. Each entry repeats what the backend's own
 * descriptor says, so that listing imports nothing; a test compares the two.
 */
import { storageCapabilities } from "../src/core/capabilities.ts";
import type { LazyBackend } from "./backend-info.ts";
import { BUILT_IN, Registry } from "./registry.ts";

/** The built-in backends. */
export const builtins: readonly LazyBackend[] = [
  {
    key: "disk",
    schemes: ["file"],
    contractVersion: 1,
    summary: "Files in folders; every write atomic and durable",
    capabilities: { ...storageCapabilities, symlinks: true, absoluteKeys: "distinct" },
    opens: { store: true, values: true, writer: false },
    load: () => import("../backends/disk/index.ts"),
  },
  {
    key: "memory",
    schemes: ["mem"],
    contractVersion: 1,
    summary: "Values in the memory of this process",
    capabilities: {
      ...storageCapabilities,
      symlinks: true,
      absoluteKeys: "distinct",
      persistent: false,
      frames: true,
    },
    opens: { store: true, values: true, writer: true },
    load: () => import("../backends/memory/index.ts"),
  },
  {
    key: "s3",
    schemes: ["s3"],
    contractVersion: 1,
    summary: "Objects in a bucket of Amazon S3 or a service that speaks it",
    capabilities: {
      ...storageCapabilities,
      directories: false,
      flatKeys: true,
      requiresFilesystemValidation: false,
    },
    opens: { store: true, values: true, writer: false },
    load: () => import("../backends/s3/index.ts"),
  },
  {
    key: "tiff",
    contractVersion: 1,
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
    opens: { store: false, values: false, writer: true },
    load: () => import("../backends/tiff/index.ts"),
  },
  {
    key: "zarr",
    contractVersion: 1,
    summary: "Zarr hierarchies: arrays with files beside them, and frames of acquisitions",
    capabilities: { ...storageCapabilities, frames: true },
    opens: { store: false, values: true, writer: true },
    load: () => import("../backends/zarr/index.ts"),
  },
  {
    key: "http",
    aliases: ["https"],
    schemes: ["http", "https"],
    contractVersion: 1,
    summary: "Values on web servers, read by ranges",
    capabilities: { ...storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false },
    opens: { store: true, values: true, writer: false },
    load: () => import("../backends/http/index.ts"),
  },
  {
    key: "zip",
    schemes: ["zip"],
    contractVersion: 1,
    summary: "ZIP archives in any byte store, read by ranges",
    capabilities: { ...storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false },
    opens: { store: true, values: true, writer: false },
    load: () => import("../backends/zip/index.ts"),
  },
  {
    key: "virtual_workspace",
    aliases: ["virtual"],
    contractVersion: 1,
    summary: "One tree of paths over the values of several backends",
    capabilities: { ...storageCapabilities, directories: false, requiresFilesystemValidation: false },
    opens: { store: false, values: true, writer: false },
    load: () => import("../backends/virtual/index.ts"),
  },
  {
    key: "listing",
    contractVersion: 1,
    summary: "The values below a prefix of any byte store, read-only and listed lazily",
    capabilities: { ...storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false },
    opens: { store: false, values: true, writer: false },
    load: () => import("../backends/listing/index.ts"),
  },
  {
    key: "stream",
    aliases: ["websocket"],
    contractVersion: 1,
    summary: "Viewers: values as messages over WebSockets, acknowledged when they were processed",
    capabilities: {
      ...storageCapabilities,
      read: false,
      list: false,
      directories: false,
      requiresFilesystemValidation: false,
      persistent: false,
    },
    opens: { store: false, values: true, writer: false },
    load: () => import("../backends/stream/index.ts"),
  },
];

/** A new registry with the built-in backends. Nothing in it is shared with any other registry. */
export function createRegistry(): Registry {
  const registry = new Registry();
  for (const backend of builtins) registry.registerLazy(backend, { specifier: BUILT_IN });
  return registry;
}
