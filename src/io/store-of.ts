/** The byte store under a target. */
import { BackendBase } from "../core/backend.ts";
import type { ByteStore } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";

/**
 * The store itself, or the one under a file-like backend.
 *
 * @throws A {@link StorageError} `UNSUPPORTED` for a backend whose values have no bytes.
 */
export async function storeOf(target: ByteStore | BackendBase, operation: string): Promise<ByteStore> {
  if (!(target instanceof BackendBase)) return target;
  const store = await bytesOf(target);
  if (store !== undefined) return store;
  throw new StorageError(
    "UNSUPPORTED",
    `Backend "${target.name}" keeps values, not bytes, and has no ${operation}; use a file-like one, such as disk`,
    { backend: target.name, operation },
  );
}

/** The store under a file-like backend; `undefined` where values have no bytes. */
export async function bytesOf(backend: BackendBase): Promise<ByteStore | undefined> {
  // Imported here: whoever only routes values needs no codecs.
  const { FileBackend } = await import("../codecs/file-backend.ts");
  return backend instanceof FileBackend ? backend.store : undefined;
}

/** The key of a path from outside. */
export function keyIn(store: ByteStore, path: string): string {
  return store.resolve ? store.resolve(path) : normalizeKey(path);
}
