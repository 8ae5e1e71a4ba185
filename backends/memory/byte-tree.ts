/** The tree of values in a memory store. */

import { joinKey } from "../../src/core/key.ts";
import type { TreeEntry } from "../../src/core/listing.ts";

/** One value. Never changed, only replaced. */
export interface StoredValue {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly modifiedMs: number;
}

/** An entry of a directory; a directory has no value. */
export type ValueEntry = TreeEntry & { readonly value: StoredValue | undefined };

type Directory = Map<string, Directory | StoredValue>;

/** Values by normalised key, in directories that exist as long as there is something in them. */
export class ByteTree {
  readonly #root: Directory = new Map();
  #byteLength = 0;

  /** Bytes of all values together. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** What is at a key. The root is always a directory. */
  get(key: string): StoredValue | "directory" | undefined {
    const node = this.#find(key);
    return node instanceof Map ? "directory" : node;
  }

  /** Key of the value that stands where a directory above `key` would have to be. */
  valueAbove(key: string): string | undefined {
    let node: Directory = this.#root;
    let path = "";
    for (const name of key.split("/").slice(0, -1)) {
      path = joinKey(path, name);
      const next = node.get(name);
      if (next === undefined) return undefined;
      if (!(next instanceof Map)) return path;
      node = next;
    }
    return undefined;
  }

  /** Stores a value. The caller has checked that neither a directory is there nor a value above. */
  set(key: string, value: StoredValue): void {
    const names = key.split("/");
    const last = names.pop() as string;
    let directory = this.#root;
    for (const name of names) {
      let next = directory.get(name);
      if (!(next instanceof Map)) {
        next = new Map();
        directory.set(name, next);
      }
      directory = next;
    }
    const before = directory.get(last);
    if (before !== undefined && !(before instanceof Map)) this.#byteLength -= before.bytes.length;
    directory.set(last, value);
    this.#byteLength += value.bytes.length;
  }

  /** Removes a value, if one is there, and the directories that it leaves empty. */
  delete(key: string): void {
    const names = key.split("/");
    const above: Directory[] = [this.#root];
    for (const name of names.slice(0, -1)) {
      const next = above.at(-1)?.get(name);
      if (!(next instanceof Map)) return;
      above.push(next);
    }
    const value = above.at(-1)?.get(names.at(-1) as string);
    if (value === undefined || value instanceof Map) return;
    this.#byteLength -= value.bytes.length;
    for (let depth = names.length - 1; depth >= 0; depth--) {
      const directory = above[depth] as Directory;
      directory.delete(names[depth] as string);
      if (directory.size > 0) return;
    }
  }

  /** Removes everything. */
  clear(): void {
    this.#root.clear();
    this.#byteLength = 0;
  }

  /** The entries of a directory, in no order; none if it is not there. */
  entries(key: string): ValueEntry[] {
    const directory = this.#find(key);
    if (!(directory instanceof Map)) return [];
    return Array.from(directory, ([name, node]) =>
      node instanceof Map ? { name, kind: "directory", value: undefined } : { name, kind: "file", value: node },
    );
  }

  #find(key: string): Directory | StoredValue | undefined {
    let node: Directory | StoredValue | undefined = this.#root;
    if (key === "") return node;
    for (const name of key.split("/")) {
      if (!(node instanceof Map)) return undefined;
      node = node.get(name);
    }
    return node;
  }
}
