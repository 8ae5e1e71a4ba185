/** Virtual paths as a tree, so that a listing costs what its directory holds. */
import { StorageError } from "../../src/core/errors.ts";
import { compareKeys, joinKey, normalizeKey } from "../../src/core/key.ts";
import type { WorkspaceEntry, WorkspaceMapping } from "./mapping.ts";

type Kind = "file" | "directory";

/** Files by path, and the names in each directory. Directories are implied by the files below them. */
export class PathTree {
  readonly #files = new Map<string, WorkspaceEntry>();
  /** How each path was written, for messages; only where that is not its normal form. */
  readonly #spellings = new Map<string, string>();
  readonly #directories = new Map<string, Map<string, Kind>>([["", new Map()]]);

  /**
   * The tree of a mapping.
   *
   * @param where - What the mapping is of, for messages.
   * @throws A {@link StorageError}: `CONFIG_INVALID` for two entries of one path, or a path that is a file and a
   * directory, and names both; `INVALID_KEY` for a path that leaves the root.
   */
  static of(mapping: WorkspaceMapping, where: string): PathTree {
    const tree = new PathTree();
    for (const [path, entry] of Object.entries(mapping.entries)) tree.#insert(path, entry, where);
    return tree;
  }

  /** Number of files. */
  get size(): number {
    return this.#files.size;
  }

  /** The entry of a file. Takes a normalised path. */
  file(path: string): WorkspaceEntry | undefined {
    return this.#files.get(path);
  }

  /** What is at a normalised path. */
  kind(path: string): Kind | "missing" {
    if (this.#files.has(path)) return "file";
    return this.#directories.has(path) ? "directory" : "missing";
  }

  /** Names in a directory with what they are; nothing for what is no directory. */
  names(directory: string): Iterable<readonly [name: string, kind: Kind]> {
    return this.#directories.get(directory) ?? [];
  }

  /** All files in the order of the mapping. */
  files(): Iterable<readonly [path: string, entry: WorkspaceEntry]> {
    return this.#files;
  }

  /** Paths of files relative to a directory: shallower ones first, then by the UTF-8 bytes of the path. */
  *walk(directory: string, recursive: boolean): Generator<string> {
    for (let level = [""]; level.length > 0; ) {
      const files: string[] = [];
      const below: string[] = [];
      for (const at of level) {
        const full = at === "" ? directory : joinKey(directory, at);
        for (const [name, kind] of this.names(full)) (kind === "file" ? files : below).push(joinKey(at, name));
      }
      yield* files.sort(compareKeys);
      level = recursive ? below : [];
    }
  }

  /**
   * Adds or replaces a file. Takes a normalised path.
   *
   * @throws A {@link StorageError}: `IS_A_DIRECTORY` or `NOT_A_DIRECTORY` where the path is one, or leads through a file.
   */
  add(path: string, entry: WorkspaceEntry): void {
    if (this.#directories.has(path)) throw new StorageError("IS_A_DIRECTORY", `"${path}" is a directory`);
    const above = this.fileAbove(path);
    if (above !== undefined) throw new StorageError("NOT_A_DIRECTORY", `"${above}" is a file`);
    this.#place(path, entry);
  }

  #place(path: string, entry: WorkspaceEntry): void {
    const isNew = !this.#files.has(path);
    this.#files.set(path, entry);
    if (!isNew) return;
    let name: Kind = "file";
    for (let end = path.length; ; name = "directory") {
      const slash = path.lastIndexOf("/", end - 1);
      const parent = slash < 0 ? "" : path.slice(0, slash);
      const siblings = this.#directories.get(parent);
      if (siblings !== undefined) {
        siblings.set(path.slice(slash + 1, end), name);
        return;
      }
      this.#directories.set(parent, new Map([[path.slice(slash + 1, end), name]]));
      end = slash;
    }
  }

  /** The nearest directory above a path that is a file; `undefined` if there is none. */
  fileAbove(path: string): string | undefined {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const above = path.slice(0, slash);
      if (this.#files.has(above)) return above;
      if (this.#directories.has(above)) return undefined;
    }
    return undefined;
  }

  /** The mapping of this tree. */
  toMapping(): WorkspaceMapping {
    return { version: 1, entries: Object.fromEntries(this.#files) };
  }

  #insert(written: string, entry: WorkspaceEntry, where: string): void {
    const path = normalizeKey(written);
    const clash = (other: string, why: string) => {
      const names = `"${this.#spellings.get(other) ?? other}" and "${written}"`;
      return new StorageError("CONFIG_INVALID", `${where}: ${names} ${why}`, { identifier: written });
    };
    if (path === "")
      throw new StorageError("CONFIG_INVALID", `${where}: "${written}" is the root, which is a directory`);
    if (this.#files.has(path)) throw clash(path, "are the same path");
    const above = this.fileAbove(path);
    if (above !== undefined) throw clash(above, "cannot both be: the first is a file, and a directory of the second");
    if (this.#directories.has(path)) {
      const [below = ""] = this.walk(path, true);
      const other = joinKey(path, below);
      throw clash(other, "cannot both be: the second is a file, and a directory of the first");
    }
    if (path !== written) this.#spellings.set(path, written);
    this.#place(path, entry);
  }
}
