/** Values from one store to another, as layers that have several stores need it. */
import type { ByteStore, TransferOptions, WriteResult } from "../core/byte-store.ts";

/**
 * Copies one value to another store, in bounded memory. The target appears whole or not at all.
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
  const { signal, ifExists } = options;
  const reader = (await source.readStream(from, { signal })).getReader();
  try {
    await using writer = await target.openWriter(to, { signal, ifAbsent: ifExists !== "replace" });
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      await writer.write(next.value, { signal });
    }
    return await writer.close({ signal });
  } finally {
    await reader.cancel();
  }
}
