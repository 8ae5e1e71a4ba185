/** Values from one store to another, as layers that have several stores need it. */
import type { ByteStore, OperationOptions, TransferOptions, WriteResult } from "../core/byte-store.ts";
import { isStorageError, StorageError } from "../core/errors.ts";

/**
 * Copies one value to another store, in bounded memory. The target appears whole or not at all. Where the target store
 * has no create-only writes, it is asked first whether something is there: somebody faster is then overwritten.
 *
 * @throws A {@link StorageError}: as `copy` of a store.
 */
export async function copyAcross(
  source: ByteStore,
  from: string,
  target: ByteStore,
  to: string,
  options: TransferOptions,
): Promise<WriteResult> {
  const { signal } = options;
  const isExclusive = options.ifExists !== "replace";
  const ifAbsent = isExclusive && target.capabilities.ifAbsent !== "none";
  if (isExclusive && !ifAbsent) await refuseExisting(target, to, { signal });
  const reader = (await source.readStream(from, { signal })).getReader();
  try {
    await using writer = await target.openWriter(to, { signal, ifAbsent });
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      await writer.write(next.value, { signal });
    }
    return await writer.close({ signal });
  } finally {
    await reader.cancel();
  }
}

async function refuseExisting(target: ByteStore, key: string, options: OperationOptions): Promise<void> {
  try {
    if ((await target.stat(key, options)).kind === "directory") return; // the writer says what is wrong with it
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return;
    throw error;
  }
  const context = { backend: target.name, operation: "copy", identifier: key };
  throw new StorageError("ALREADY_EXISTS", `"${key}" exists in "${target.name}"`, context);
}
