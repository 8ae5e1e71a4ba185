/** The tree behind the memory backend: tagged entries, so that no value can be taken for a directory. */
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";

/** A stored value. */
export interface FileEntry {
  readonly kind: "file";
  readonly value: unknown;
  readonly byteLength: number;
  readonly modifiedMs: number;
  readonly etag: string;
}

/** A directory with its entries by name. */
export interface DirectoryEntry {
  readonly kind: "directory";
  readonly children: Map<string, Entry>;
}

/** A symbolic link to a key. */
export interface SymlinkEntry {
  readonly kind: "symlink";
  readonly target: string;
}

/** One entry of the tree. */
export type Entry = FileEntry | DirectoryEntry | SymlinkEntry;

/** Where a key leads. */
export interface Place {
  /** The entry; `undefined` if nothing is there, though its directory is. */
  readonly entry: Entry | undefined;
  /** The directory that holds it, or would; `undefined` for a root. */
  readonly parent: DirectoryEntry | undefined;
  /** Name in that directory. */
  readonly name: string;
  /** The key once links are followed. */
  readonly realKey: string;
}

/** Links that one key may lead through, as in POSIX systems. */
const MAX_LINKS = 40;

/** Two trees: relative keys, and absolute ones, which begin with a slash. Keys are normalised. */
export class MemoryTree {
  readonly #relative: DirectoryEntry = newDirectory();
  readonly #absolute: DirectoryEntry = newDirectory();
  /** Bytes of all values, kept by whoever changes the tree. */
  byteLength = 0;

  /**
   * Follows a key.
   *
   * @param followLast - Whether a link at the end of the key is followed; those on the way always are.
   * @returns `undefined` where nothing can be: a directory on the way is missing or is a file, or links lead in a
   * circle.
   */
  find(key: string, followLast: boolean): Place | undefined {
    let links = 0;
    let place = this.#root(key);
    const todo = segmentsOf(key).reverse();
    while (true) {
      const { entry } = place;
      if (entry?.kind === "symlink" && (followLast || todo.length > 0)) {
        if (++links > MAX_LINKS) return undefined;
        todo.push(...segmentsOf(entry.target).reverse());
        place = this.#root(entry.target);
        continue;
      }
      const name = todo.pop();
      if (name === undefined) return place;
      if (entry?.kind !== "directory") return undefined;
      place = { entry: entry.children.get(name), parent: entry, name, realKey: joinKey(place.realKey, name) };
    }
  }

  /** The entry of a key with every link followed; `undefined` if there is none. */
  entry(key: string): FileEntry | DirectoryEntry | undefined {
    const entry = this.find(key, true)?.entry;
    return entry?.kind === "symlink" ? undefined : entry;
  }

  /**
   * The place of a new entry.
   *
   * @throws A {@link StorageError} `NOT_FOUND` if its directory is not there.
   */
  target(key: string, followLast: boolean, context: ErrorContext): Place & { readonly parent: DirectoryEntry } {
    const place = this.find(key, followLast);
    if (place?.parent !== undefined) return { ...place, parent: place.parent };
    throw new StorageError("NOT_FOUND", `No directory for "${key}": it is missing, or links lead nowhere`, context);
  }

  /**
   * Makes a directory and those above it.
   *
   * @throws A {@link StorageError} `NOT_A_DIRECTORY` if a value, or a link that leads to none, is in the way; nothing is
   * made then.
   */
  makeDirectory(key: string): void {
    const segments = segmentsOf(key);
    const root = key.startsWith("/") ? "/" : "";
    let path = root;
    for (const name of segments) {
      const above = path;
      path = joinKey(path, name);
      const entry = this.entry(path);
      if (entry?.kind === "directory") continue;
      const directory = this.entry(above);
      // Only the first missing name can meet a file or a broken link: below it everything is new.
      if (directory?.kind !== "directory" || directory.children.has(name)) {
        throw new StorageError("NOT_A_DIRECTORY", `"${path}" is in the way of directory "${key}"`, { identifier: key });
      }
      directory.children.set(name, newDirectory());
    }
  }

  #root(key: string): Place {
    const isAbsolute = key.startsWith("/");
    return {
      entry: isAbsolute ? this.#absolute : this.#relative,
      parent: undefined,
      name: "",
      realKey: isAbsolute ? "/" : "",
    };
  }

  /** Removes every file and link, everywhere; directories stay. */
  clearFiles(): void {
    this.byteLength = 0;
    const todo = [this.#relative, this.#absolute];
    for (let directory = todo.pop(); directory !== undefined; directory = todo.pop()) {
      for (const [name, entry] of directory.children) {
        if (entry.kind === "directory") todo.push(entry);
        else directory.children.delete(name);
      }
    }
  }

  /** Removes everything. */
  clear(): void {
    this.byteLength = 0;
    this.#relative.children.clear();
    this.#absolute.children.clear();
  }
}

/** An empty directory. */
export function newDirectory(): DirectoryEntry {
  return { kind: "directory", children: new Map() };
}

/** Bytes of all values in an entry. */
export function bytesIn(entry: Entry): number {
  let bytes = 0;
  const todo: Entry[] = [entry];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (next.kind === "file") bytes += next.byteLength;
    else if (next.kind === "directory") todo.push(...next.children.values());
  }
  return bytes;
}

function segmentsOf(key: string): string[] {
  return key.split("/").filter((segment) => segment !== "");
}
