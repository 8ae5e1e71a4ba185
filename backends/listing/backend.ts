/** The keys of a store as a virtual backend. */
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { BackendOptions, DirectoryEntry } from "../../src/core/backend.ts";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { ListFilesOptions, LoadOptions } from "../../src/core/data-source.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { compareKeys, joinKey } from "../../src/core/key.ts";
import { type BackendStat, fileFilter } from "../../src/core/readable-backend.ts";
import { VirtualBackend } from "../../src/core/special-backends.ts";
import { listingCapabilities } from "./capabilities.ts";
import type { ListingOptions } from "./index.ts";

const MISSING: BackendStat = { kind: "missing", exists: false };
const DIRECTORY: BackendStat = { kind: "directory", exists: true };

/**
 * The values below a prefix of a byte store. Nothing is listed before it is asked for, and nothing is remembered.
 *
 * - A recursive listing is one listing of the store, in pages, and not one for each directory: a plate of 100,000
 *   objects in a bucket costs a hundred requests.
 * - {@link ListingBackend.walkFiles} gives its paths page by page, in the order of the store.
 * - Links to files are files; links to directories are not listed.
 * - A key that cannot be a path (an empty segment, `..`) is left out of listings, as it could not be loaded.
 *
 * @see OpenHCS `io/base.py`, `VirtualBackend`, which names object stores as such and has none
 */
export class ListingBackend extends VirtualBackend {
  readonly key = "listing";
  readonly capabilities = listingCapabilities;
  readonly #store: ByteStore;
  readonly #prefix: string;
  readonly #values: FileBackend;

  /** @param store - Stays its owner's. */
  constructor(store: ByteStore, options: BackendOptions & Pick<ListingOptions, "prefix"> = {}) {
    super(options);
    this.#store = store;
    this.#prefix = options.prefix ?? "";
    // Its codecs; it is never closed, since that would close the store.
    this.#values = new FileBackend(store, { key: this.key, instance: this.name });
  }

  /**
   * Paths of all files below a directory, as they come from the store: by the UTF-8 bytes of the path, in pages.
   *
   * @throws A {@link StorageError} `INVALID_KEY`, or what the store threw.
   */
  async *walkFiles(directory = "", options: ListFilesOptions = {}): AsyncGenerator<string> {
    const start = await this.perform("walkFiles", directory, options, async (key) => key);
    const keep = fileFilter(options);
    for await (const path of this.#below(start, options)) if (keep(path)) yield joinKey(directory, path);
  }

  override async listFiles(directory: string, options: ListFilesOptions = {}): Promise<string[]> {
    if (!options.recursive) return super.listFiles(directory, options);
    return this.perform("listFiles", directory, options, async (key, context) => {
      const keep = fileFilter(options);
      const found: { readonly path: string; readonly depth: number }[] = [];
      let isEmpty = true;
      for await (const path of this.#below(key, options)) {
        isEmpty = false;
        if (keep(path)) found.push({ path, depth: path.split("/").length });
      }
      if (isEmpty && key !== "") {
        const { kind } = await this.doStat(key, options);
        const code = kind === "missing" ? "NOT_FOUND" : "NOT_A_DIRECTORY";
        const what = kind === "missing" ? `No directory "${directory}" in` : `"${directory}" is a file in`;
        if (kind !== "directory") throw new StorageError(code, `${what} "${this.name}"`, context);
      }
      found.sort((a, b) => a.depth - b.depth || compareKeys(a.path, b.path));
      return found.map(({ path }) => joinKey(directory, path));
    });
  }

  protected override async doLoad(key: string, options: LoadOptions): Promise<unknown> {
    const { kind } = this.#values.codecs.find(key) === undefined ? await this.doStat(key, options) : { kind: "file" };
    const context = { backend: this.name, operation: "load", identifier: key };
    if (kind === "directory" || key === "") {
      throw new StorageError("IS_A_DIRECTORY", `"${key}" in "${this.name}" is a directory`, context);
    }
    if (kind === "missing") throw new StorageError("NOT_FOUND", `No "${key}" in "${this.name}"`, context);
    return this.#values.load(this.#prefix + key, options);
  }

  protected override async doStat(key: string, options: OperationOptions): Promise<BackendStat> {
    if (key === "") return DIRECTORY;
    try {
      const stat = await this.#store.stat(this.#prefix + key, { signal: options.signal });
      // A real directory with nothing below it has no key, and is not there.
      if (stat.kind === "file") {
        const { byteLength, modifiedMs, etag } = stat;
        return { kind: "file", exists: true, byteLength, modifiedMs, etag };
      }
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) throw error;
    }
    for await (const _ of this.#below(key, options)) return DIRECTORY;
    return MISSING;
  }

  protected override async *doList(key: string, options: OperationOptions): AsyncIterable<DirectoryEntry> {
    const prefix = this.#directory(key);
    // A prefix may end within a name: then the store groups by a slash that is part of the path, or of the prefix.
    const seen = new Set<string>();
    for await (const entry of this.#store.list({ prefix, delimiter: "/", signal: options.signal })) {
      if (!entry.key.startsWith(prefix)) continue;
      const name = entry.key.slice(prefix.length);
      if (!isPath(name) || seen.has(name)) continue;
      if (entry.kind === "directory" && !(await this.#hasFiles(joinKey(key, name), options))) continue;
      if (entry.kind === "symlink" && !(await this.#leadsToFile(entry.key, options))) continue;
      seen.add(name);
      yield { name, kind: entry.kind === "directory" ? "directory" : "file" };
    }
  }

  async #hasFiles(key: string, options: OperationOptions): Promise<boolean> {
    // Only real directories can be empty.
    if (!this.#store.capabilities.directories) return true;
    for await (const _ of this.#below(key, options)) return true;
    return false;
  }

  async #leadsToFile(link: string, { signal }: OperationOptions): Promise<boolean> {
    return (await this.#store.stat(link, { signal })).kind === "file";
  }

  /** Paths of files below a directory, relative to it. */
  async *#below(key: string, options: OperationOptions): AsyncGenerator<string> {
    const prefix = this.#directory(key);
    for await (const entry of this.#store.list({ prefix, signal: options.signal })) {
      checkAborted(options.signal, { backend: this.name, operation: "list" });
      const path = entry.key.slice(prefix.length);
      if (!isPath(path)) continue;
      if (entry.kind === "file" || (await this.#leadsToFile(entry.key, options))) yield path;
    }
  }

  #directory(key: string): string {
    return this.#prefix + (key === "" ? "" : `${key}/`);
  }
}

/** True for what can be loaded under the path that it is listed as. */
function isPath(path: string): boolean {
  return path !== "" && path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}
