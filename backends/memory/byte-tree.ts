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

/** A place in the tree: a value, what lies below, or (with flat keys) both. */
interface Place {
  value?: StoredValue | undefined;
  readonly below: Map<string, Place>;
}

/** Values by normalised key, in directories that exist as long as there is something in them. */
export class ByteTree {
  readonly #root: Place = { below: new Map() };
  #byteLength = 0;

  /** Bytes of all values together. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** What is at a key: its value, or a directory where there is none. The root is always a directory. */
  get(key: string): StoredValue | "directory" | undefined {
    const place = this.#find(key);
    return place === undefined ? undefined : (place.value ?? "directory");
  }

  /** Key of the value that stands where a directory above `key` would have to be. */
  valueAbove(key: string): string | undefined {
    let place: Place | undefined = this.#root;
    let path = "";
    for (const name of key.split("/").slice(0, -1)) {
      path = joinKey(path, name);
      place = place.below.get(name);
      if (place === undefined) return undefined;
      if (place.value !== undefined) return path;
    }
    return undefined;
  }

  /** Stores a value. Where keys are a tree, the caller has checked that no directory is there and no value above. */
  set(key: string, value: StoredValue): void {
    let place = this.#root;
    for (const name of key.split("/")) {
      let next = place.below.get(name);
      if (next === undefined) {
        next = { below: new Map() };
        place.below.set(name, next);
      }
      place = next;
    }
    this.#byteLength += value.bytes.length - (place.value?.bytes.length ?? 0);
    place.value = value;
  }

  /** Removes a value, if one is there, and the directories that it leaves empty. */
  delete(key: string): void {
    const names = key.split("/");
    const places: Place[] = [this.#root];
    for (const name of names) {
      const next = places.at(-1)?.below.get(name);
      if (next === undefined) return;
      places.push(next);
    }
    const last = places.at(-1) as Place;
    this.#byteLength -= last.value?.bytes.length ?? 0;
    last.value = undefined;
    for (let depth = names.length; depth > 0; depth--) {
      const { value, below } = places[depth] as Place;
      if (value !== undefined || below.size > 0) return;
      places[depth - 1]?.below.delete(names[depth - 1] as string);
    }
  }

  /** Removes everything. */
  clear(): void {
    this.#root.below.clear();
    this.#byteLength = 0;
  }

  /** The entries of a directory, in no order; none if it is not there. A name may be a value and a directory. */
  entries(key: string): ValueEntry[] {
    const directory = this.#find(key);
    return Array.from(directory?.below ?? [], ([name, { value, below }]): ValueEntry[] => [
      ...(value === undefined ? [] : [{ name, kind: "file", value } as const]),
      ...(below.size === 0 ? [] : [{ name, kind: "directory", value: undefined } as const]),
    ]).flat();
  }

  #find(key: string): Place | undefined {
    if (key === "") return this.#root;
    let place: Place | undefined = this.#root;
    for (const name of key.split("/")) {
      place = place.below.get(name);
      if (place === undefined) return undefined;
    }
    return place;
  }
}
