/** What a codec throws about a stream is about the stream. */
import { isStorageError, StorageError } from "../../src/core/errors.ts";

/** @throws A {@link StorageError} `CORRUPT` for whatever `run` throws. */
export function corruptIfThrows<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw damaged(cause);
  }
}

/** @throws A {@link StorageError} `CORRUPT` for whatever the promise rejects with; as it is, if it is one already. */
export async function corruptIfFails(result: Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await result;
  } catch (cause) {
    throw isStorageError(cause) ? cause : damaged(cause);
  }
}

function damaged(cause: unknown): StorageError {
  return new StorageError("CORRUPT", "the stream is damaged", { cause });
}
