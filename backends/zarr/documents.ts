/** Documents of a hierarchy, changed so that nobody's change is lost. */
import type { ByteStore, OperationOptions, WriteOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { encodeMetadata, parseDocument } from "./metadata.ts";

/** A value of a store and its version. */
export interface Versioned {
  readonly bytes: Uint8Array;
  readonly etag: string | undefined;
}

/** Attempts before it is said that others change the same value all the time. */
const MAX_ATTEMPTS = 1000;

/**
 * Replaces one value by what is made of it; looks again and begins anew if somebody else was quicker. Where the store
 * has no conditional writes, the last one wins.
 *
 * @param change - Called with the value, `undefined` where none is, perhaps several times. Answers the new value, or
 * `undefined` to leave everything as it is.
 * @throws A {@link StorageError} `CONFLICT` if others never cease to change it; or what `change` throws.
 */
export async function changeValue(
  store: ByteStore,
  key: string,
  options: OperationOptions,
  change: (current: Uint8Array | undefined) => Promise<Uint8Array | readonly Uint8Array[] | undefined>,
): Promise<void> {
  const { ifAbsent, ifMatch } = store.capabilities;
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    checkAborted(options.signal, { operation: "write", identifier: key });
    const current = await readVersion(store, key, options);
    const next = await change(current?.bytes);
    if (next === undefined) return;
    const condition: WriteOptions =
      current === undefined
        ? { ifAbsent: ifAbsent !== "none" }
        : ifMatch === "none" || current.etag === undefined
          ? {}
          : { ifMatch: current.etag };
    try {
      await store.write(key, next, { ...condition, signal: options.signal });
      return;
    } catch (error) {
      // CONFLICT is what a bucket answers when two conditional writes met.
      if (!isStorageError(error, "PRECONDITION_FAILED", "ALREADY_EXISTS", "CONFLICT")) throw error;
    }
  }
  const message = `"${key}" was changed by others ${MAX_ATTEMPTS} times while a change of it was made`;
  throw new StorageError("CONFLICT", message, { backend: store.name, identifier: key, retryable: true });
}

/**
 * Changes one JSON document; see {@link changeValue}.
 *
 * @param change - Answers the whole new document, or `undefined` to leave it.
 */
export async function changeDocument(
  store: ByteStore,
  key: string,
  options: OperationOptions,
  change: (document: Readonly<Record<string, unknown>> | undefined) => object | undefined,
): Promise<void> {
  await changeValue(store, key, options, async (bytes) => {
    const document = change(bytes && parseDocument(bytes, key));
    return document && encodeMetadata(document);
  });
}

/** A value with the version that it is of; `undefined` where none is. */
async function readVersion(store: ByteStore, key: string, options: OperationOptions): Promise<Versioned | undefined> {
  const { signal } = options;
  for (;;) {
    try {
      const { etag } = await store.stat(key, { signal });
      return { bytes: await store.read(key, { signal, ifMatch: etag }), etag };
    } catch (error) {
      if (isStorageError(error, "NOT_FOUND")) return undefined;
      // Changed between the two.
      if (!isStorageError(error, "PRECONDITION_FAILED")) throw error;
    }
  }
}
