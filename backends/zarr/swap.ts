/** Moves made directories to their places, and what was there away and back. */
import type { ByteStore, DirectoryStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { hiddenBeside } from "./hidden.ts";
import { findNode } from "./nodes.ts";

/** What a directory may take the place of. */
export interface SwapOptions extends OperationOptions {
  /** What is there may be replaced. */
  readonly mayReplace: boolean;
  /** Folders are refused, also one that came there in the meantime: it holds what nobody meant to replace. */
  readonly sparesFolders: boolean;
}

/**
 * Moves a directory to its place. What is there is moved away first, comes back if that fails, and is removed at the end.
 * Of several who do this at once, the last one stays.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `IS_A_DIRECTORY` for a folder that is spared, or what the store throws.
 */
export async function swapIn(store: DirectoryStore, from: string, to: string, options: SwapOptions): Promise<void> {
  const away: string[] = [];
  try {
    for (;;) {
      try {
        // Whoever has moved something away does not stop half-way.
        await store.renameDirectory(from, to, away.length === 0 ? { signal: options.signal } : {});
        break;
      } catch (error) {
        if (!options.mayReplace || !isStorageError(error, "ALREADY_EXISTS")) throw error;
      }
      const old = hiddenBeside(to, "old");
      if (await moveAway(store, to, old, options)) away.push(old);
    }
  } catch (error) {
    const last = away.pop();
    if (last !== undefined) await putBack(store, last, to);
    for (const old of away) await removeHidden(store, old, {}).catch(() => {});
    throw error;
  }
  for (const old of away) await removeHidden(store, old, {});
}

/** Puts back what was away from its place, unless something has come there: then it is removed. */
export async function putBack(store: DirectoryStore, old: string, to: string): Promise<void> {
  try {
    if (await isFile(store, old, {})) await store.rename(old, to);
    else await store.renameDirectory(old, to);
  } catch (error) {
    if (!isStorageError(error, "ALREADY_EXISTS")) throw error;
    await removeHidden(store, old, {});
  }
}

/** Removes a hidden directory with all in it, or a hidden value. */
export async function removeHidden(store: DirectoryStore, key: string, options: OperationOptions): Promise<void> {
  if (await isFile(store, key, options)) await store.delete(key, options);
  else await store.removeDirectory(key, { ...options, recursive: true });
}

/** True if a value is under a key. */
export async function isFile(store: ByteStore, key: string, { signal }: OperationOptions): Promise<boolean> {
  try {
    return (await store.stat(key, { signal })).kind === "file";
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return false;
    throw error;
  }
}

/** False if nothing is there any more. */
async function moveAway(
  store: DirectoryStore,
  path: string,
  old: string,
  { sparesFolders, signal }: SwapOptions,
): Promise<boolean> {
  try {
    if ((await store.stat(path, { signal })).kind !== "directory") {
      await store.rename(path, old, { signal });
      return true;
    }
    if (sparesFolders && (await isFolder(store, path, { signal }))) {
      const context = { backend: store.name, operation: "save", identifier: path };
      throw new StorageError("IS_A_DIRECTORY", `"${path}" in "${store.name}" is a directory`, context);
    }
    await store.renameDirectory(path, old, { signal });
    return true;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return false;
    throw error;
  }
}

/** True for a group, and for a directory that is no node at all. */
async function isFolder(store: DirectoryStore, path: string, { signal }: OperationOptions): Promise<boolean> {
  const node = await findNode(store, path, { signal });
  if (node !== undefined) return node.kind === "group";
  // Perhaps an array that has just gone: then this is what says so.
  return (await store.stat(path, { signal })).kind === "directory";
}
