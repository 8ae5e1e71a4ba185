/** Bytes of files that a layout names. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { BackendSet } from "../../../registry/backend-set.ts";
import { splitUri } from "../../../registry/uri.ts";
import type { CallOptions } from "../engine.ts";

/** True for `scheme://…`, also `file:///…`. */
export function isUri(path: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(path);
}

/** A path from a file's point of view: one that is not absolute begins in the folder of the file. */
export function besideFile(file: string, path: string): string {
  if (isUri(path)) return path;
  if (!isUri(file)) return resolve(file, "..", path);
  return path.startsWith("/") ? path : new URL(encodeURI(path), file).href;
}

/** Reads ranges of files on any backend. The set is made when it is first needed. */
export class StoredFiles {
  readonly #backends: () => Promise<BackendSet>;

  constructor(backends: () => Promise<BackendSet>) {
    this.#backends = backends;
  }

  /** Bytes that a file has. */
  async size(file: string, { signal }: CallOptions): Promise<number> {
    const { store, key } = await this.#place(file);
    return (await store.stat(key, { signal })).byteLength;
  }

  /** Bytes `offset` up to `offset + length` of a file. */
  async read(file: string, offset: number, length: number, { signal }: CallOptions): Promise<Uint8Array> {
    const { store, key } = await this.#place(file);
    return await store.read(key, { range: { offset, length }, signal });
  }

  async #place(file: string) {
    const { store, key } = splitUri(isUri(file) ? file : pathToFileURL(file).href);
    return { store: await (await this.#backends()).store(store), key };
  }
}
