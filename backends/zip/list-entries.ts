/** Listings of a sorted set of keys. */
import type { ListOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { compareKeys } from "../../src/core/key.ts";
import { splitPrefix } from "../../src/core/listing.ts";

/** Index of the first key that is not before `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(keys[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** True if a key lies below this one. */
export function isImplied(keys: readonly string[], directory: string): boolean {
  if (directory === "") return true;
  return keys[lowerBound(keys, `${directory}/`)]?.startsWith(`${directory}/`) === true;
}

/**
 * Keys and implied directories, by the rules of {@link ListOptions}.
 *
 * @param keys - All keys, in the order of listings.
 */
export function* listKeys(
  keys: readonly string[],
  options: ListOptions,
): Generator<{ readonly key: string; readonly isDirectory: boolean }> {
  const { directory, namePrefix } = splitPrefix(options.prefix ?? "");
  const { delimiter, startAfter = "" } = options;
  if (delimiter !== undefined && delimiter !== "/") {
    throw new StorageError("INVALID_DATA", `The delimiter of a listing is "/", got "${String(delimiter)}"`);
  }
  const base = directory === "" ? "" : `${directory}/`;
  const prefix = base + namePrefix;
  const first = compareKeys(startAfter, prefix) > 0 ? startAfter : prefix;
  for (let i = lowerBound(keys, first); i < keys.length; i++) {
    const key = keys[i] as string;
    if (!key.startsWith(prefix)) return;
    const slash = delimiter === undefined ? -1 : key.indexOf("/", base.length);
    if (slash < 0) {
      if (startAfter === "" || compareKeys(key, startAfter) > 0) yield { key, isDirectory: false };
      continue;
    }
    const position = key.slice(0, slash + 1);
    if (startAfter === "" || compareKeys(position, startAfter) > 0) {
      yield { key: key.slice(0, slash), isDirectory: true };
    }
    // On to the first key after the group: "0" is the character after "/".
    i = lowerBound(keys, `${key.slice(0, slash)}0`) - 1;
  }
}
