/**
 * The default registry and its default backend set: the one piece of state that the whole process shares, for programs
 * that want `getBackend("disk")` and nothing else. Sessions have their own.
 *
 * @see OpenHCS `base.py`, `storage_registry`, `ensure_storage_registry`, `get_backend`, `reset_memory_backend`
 */
import type { BackendBase } from "../src/core/backend.ts";
import { StorageError } from "../src/core/errors.ts";
import { BackendSet, defaultInstances } from "./backend-set.ts";
import { createRegistry } from "./builtin.ts";
import type { Registry } from "./registry.ts";

/** The default registry. Third parties add to it with `defaultRegistry.register(descriptor)`. */
export const defaultRegistry: Registry = /* @__PURE__ */ createRegistry();

/**
 * The default backend set: `disk` and `memory`, each opened on first use and once, also under concurrent access.
 * Setting or defining an instance opens nothing.
 */
export const storageRegistry: BackendSet = /* @__PURE__ */ new BackendSet(defaultRegistry, defaultInstances);

/**
 * Opens every instance of the default set now rather than on first use. Any number may call at the same time.
 *
 * @throws A {@link StorageError} of the first instance that does not open; the next call tries it again.
 */
export async function ensureStorageRegistry(): Promise<void> {
  await storageRegistry.values();
}

/**
 * An instance of the default set.
 *
 * @param key - Case-insensitive, for example `"disk"`.
 * @returns The same object at every call.
 * @throws A {@link StorageError} `UNKNOWN_BACKEND` that lists the known ones.
 */
export function getBackend(key: string): Promise<BackendBase> {
  return storageRegistry.get(key);
}

/**
 * Removes every file and link from the default set's memory backend and keeps its directories, so that the next run
 * finds the tree that its planner made and no value of the run before. Values that were loaded stay valid.
 *
 * @throws A {@link StorageError} `UNSUPPORTED` if `memory` was replaced by a backend that cannot do this.
 */
export async function resetMemoryBackend(): Promise<void> {
  const memory: BackendBase & { clearFilesOnly?: () => unknown } = await storageRegistry.get("memory");
  if (memory.clearFilesOnly === undefined) {
    throw new StorageError("UNSUPPORTED", `Backend "${memory.name}" has no clearFilesOnly`, {
      backend: memory.name,
      operation: "resetMemoryBackend",
    });
  }
  await memory.clearFilesOnly();
}
