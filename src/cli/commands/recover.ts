/** `sluice recover` */
import type { DiskMaintenance, Leftover } from "../../../backends/disk/index.ts";
import type { ByteStore } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural } from "../format.ts";
import { Locations } from "../location.ts";

/** Options of `sluice recover`. */
export interface RecoverOptions {
  readonly remove?: boolean | undefined;
  /** Hours that a file of another machine must have been quiet. */
  readonly olderThan?: number | undefined;
  readonly session?: string | undefined;
}

/** Lists what killed processes left below a directory, and removes it when told to. Values are never touched. */
export async function recover(
  address: string,
  options: RecoverOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options.session);
  const place = await locations.bytes(locations.find(address));
  if (place === undefined || !isMaintained(place.store)) {
    throw new StorageError(
      "UNSUPPORTED",
      `"${address}" is not on a disk; nothing is left over there that this command knows`,
      {
        operation: "recover",
        identifier: address,
      },
    );
  }
  const olderThanMs = options.olderThan === undefined ? undefined : options.olderThan * 3_600_000;
  const search = { prefix: place.key, olderThanMs, signal };
  const found: Leftover[] = [];
  if (options.remove) found.push(...(await place.store.removeLeftovers(search)));
  else for await (const leftover of place.store.findLeftovers(search)) found.push(leftover);
  const byteLength = found.reduce((sum, leftover) => sum + leftover.byteLength, 0);
  const verdict = options.remove ? "removed" : found.length > 0 ? "found; --remove removes what is listed" : "found";
  terminal.print({ address, removed: options.remove ?? false, leftovers: found }, [
    ...found.map((leftover) => `${leftover.path}  ${formatBytes(leftover.byteLength)}`),
    `${plural(found.length, "leftover")}, ${formatBytes(byteLength)}, ${verdict}`,
  ]);
  return undefined;
}

function isMaintained(store: ByteStore): store is ByteStore & DiskMaintenance {
  return "findLeftovers" in store && "removeLeftovers" in store;
}
