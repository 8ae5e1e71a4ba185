/** Reads of the version that was asked about a moment ago. */
import type { ReadOptions } from "../core/byte-store.ts";
import { isStorageError } from "../core/errors.ts";

/** Versions that a read follows when the value changes under it again and again. */
const FOLLOWED = 20;

/**
 * Asks which version there is and reads it, and begins again where it was overwritten between the two: the new version
 * is as good an answer. A caller who asked for one version hears that it is gone.
 *
 * @param read - Asks, and reads only what it was told of: otherwise rejects with `PRECONDITION_FAILED`.
 */
export async function followVersions<T>({ ifMatch }: ReadOptions, read: () => Promise<T>): Promise<T> {
  for (let version = 1; ; version++) {
    try {
      return await read();
    } catch (error) {
      const isFollowed = ifMatch === undefined && version < FOLLOWED;
      if (!isFollowed || !isStorageError(error, "PRECONDITION_FAILED")) throw error;
    }
  }
}
