/**
 * The order and the filters of listings over a tree, for stores that have directories to read.
 *
 * Keys come in the order of their UTF-8 bytes. In a tree, that is a walk in which a directory stands where its keys
 * stand, as if its name ended in `/`: `a-b` before what is in `a`, and that before `a0`, since `-` < `/` < `0`.
 */
import type { ListOptions } from "./byte-store.ts";
import { checkAborted } from "./checks.ts";
import { StorageError } from "./errors.ts";
import { compareKeys, joinKey, normalizeKey } from "./key.ts";

/** One entry of a directory. */
export interface TreeEntry {
  /** Name within the directory. */
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink";
}

/** An entry with its full key. */
export type WalkedEntry<Entry extends TreeEntry> = Entry & { readonly key: string };

/**
 * Reads one directory: its entries in any order, none if it is not there (or is no directory).
 *
 * @param isStart - True for the directory that the prefix names, which may be a link; those below come from the walk.
 */
export type ReadDirectory<Entry extends TreeEntry> = (directory: string, isStart: boolean) => Promise<readonly Entry[]>;

/** A prefix in two parts: the directory it leads into, and how names in that directory begin. */
export interface SplitPrefix {
  readonly directory: string;
  readonly namePrefix: string;
}

/**
 * Takes a prefix apart. The directory is normalised as a key is; the rest is compared as it stands.
 *
 * @throws A {@link StorageError} `INVALID_KEY` for a prefix that leaves the root or has a NUL character.
 */
export function splitPrefix(prefix: string): SplitPrefix {
  if (typeof prefix !== "string") {
    throw new StorageError("INVALID_KEY", `A prefix must be a string, got ${prefix === null ? "null" : typeof prefix}`);
  }
  const slash = prefix.lastIndexOf("/");
  const namePrefix = prefix.slice(slash + 1);
  normalizeKey(namePrefix === ".." ? "" : namePrefix);
  return { directory: normalizeKey(prefix.slice(0, slash + 1)), namePrefix };
}

/**
 * Walks a tree lazily, one directory at a time, in listing order. Without a delimiter it yields files and links and
 * descends into directories; with one it yields the immediate entries of the prefix's directory, directories included.
 * Links are yielded as links and never followed, so a walk always ends.
 *
 * With a delimiter, `startAfter` continues after a directory when it is that directory's key with a `/` at its end.
 */
export async function* walkTree<Entry extends TreeEntry>(
  options: ListOptions,
  readDirectory: ReadDirectory<Entry>,
): AsyncGenerator<WalkedEntry<Entry>> {
  const { directory, namePrefix } = splitPrefix(options.prefix ?? "");
  const { startAfter = "", delimiter } = options;
  if (delimiter !== undefined && delimiter !== "/") {
    throw new StorageError("INVALID_DATA", `The delimiter of a listing is "/", got "${String(delimiter)}"`);
  }
  // A stack of directories under way, each with its sorted entries and the place of the next one.
  const stack = [await sortedEntries(directory, true)];
  while (stack.length > 0) {
    checkAborted(options.signal, { operation: "list" });
    const level = stack.at(-1) as (typeof stack)[number];
    const found = level.entries[level.next++];
    if (found === undefined) {
      stack.pop();
    } else if (found.entry.kind === "directory" && delimiter === undefined) {
      // Everything below a directory begins with its position; skip it unless something there comes after the start.
      if (startAfter === "" || compareKeys(found.position, startAfter) > 0 || startAfter.startsWith(found.position)) {
        stack.push(await sortedEntries(found.entry.key, false));
      }
    } else if (startAfter === "" || compareKeys(found.position, startAfter) > 0) {
      yield found.entry;
    }
  }

  async function sortedEntries(of: string, isStart: boolean) {
    const entries = [];
    for (const entry of await readDirectory(of, isStart)) {
      if (isStart && !entry.name.startsWith(namePrefix)) continue;
      const key = joinKey(of, entry.name);
      entries.push({ entry: { ...entry, key }, position: entry.kind === "directory" ? `${key}/` : key });
    }
    entries.sort((a, b) => compareKeys(a.position, b.position));
    return { entries, next: 0 };
  }
}
