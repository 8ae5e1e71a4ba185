/** A mapping that lies as JSON in a byte store, where others may change it. */
import type { ByteStore, ObjectStat } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { formatMapping, parseMapping } from "./mapping.ts";
import { addAll, type MappingSource, type MappingState, type NewEntry } from "./mapping-source.ts";
import { PathTree } from "./path-tree.ts";

/** How often a change is tried again because somebody else changed the file in between. */
const ATTEMPTS = 20;

/** The version of a file that never was. */
const ABSENT = "absent";

interface FileState extends MappingState {
  readonly etag?: string | undefined;
}

/** Where a mapping file is. */
export interface MappingFileOptions {
  /** Holds the file; stays its owner's. */
  readonly store: ByteStore;
  /** Key of the file. */
  readonly key: string;
  /** A file that is not there is an empty workspace, and is made by the first save. */
  readonly create?: boolean | undefined;
}

/** A mapping in a file. A file that cannot be read, or is wrong, is an error at every operation until it is mended. */
export class MappingFile implements MappingSource {
  readonly mayChange = true;
  readonly #store: ByteStore;
  readonly #key: string;
  readonly #create: boolean;

  constructor({ store, key, create = false }: MappingFileOptions) {
    this.#store = store;
    this.#key = key;
    this.#create = create;
  }

  load(): Promise<MappingState> {
    return this.#loadWhole();
  }

  async #loadWhole(): Promise<FileState> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#load();
      } catch (error) {
        // Replaced between the look at it and the reading.
        if (!isStorageError(error, "PRECONDITION_FAILED") || attempt === ATTEMPTS) throw this.#about(error);
      }
    }
  }

  async isCurrent(version: string): Promise<boolean> {
    try {
      return versionOf(await this.#stat()) === version;
    } catch (error) {
      throw this.#about(error);
    }
  }

  async add(entries: ReadonlyMap<string, NewEntry>): Promise<MappingState> {
    for (let attempt = 1; ; attempt++) {
      const { tree, version, etag } = await this.#loadWhole();
      addAll(tree, entries);
      const bytes = new TextEncoder().encode(formatMapping(tree.toMapping()));
      const { ifAbsent, ifMatch } = this.#store.capabilities;
      const condition =
        version === ABSENT ? { ifAbsent: ifAbsent !== "none" } : { ifMatch: ifMatch === "none" ? undefined : etag };
      try {
        await this.#store.write(this.#key, bytes, condition);
      } catch (error) {
        if (!isStorageError(error, "PRECONDITION_FAILED", "ALREADY_EXISTS")) throw this.#about(error);
        if (attempt < ATTEMPTS) continue;
        throw new StorageError("CONFLICT", `${this.#where} is changed by others all the time`, { cause: error });
      }
      // What was written is known; its version is not, since somebody may have written since.
      return this.load();
    }
  }

  async #load(): Promise<FileState> {
    const stat = await this.#stat();
    if (stat === undefined) {
      return { tree: PathTree.of({ version: 1, entries: {} }, this.#where), version: ABSENT, unparsed: [] };
    }
    const bytes = await this.#store.read(this.#key, { ifMatch: stat.etag });
    const mapping = parseMapping(new TextDecoder().decode(bytes), this.#where);
    return { tree: PathTree.of(mapping, this.#where), version: versionOf(stat), etag: stat.etag, unparsed: [] };
  }

  async #stat(): Promise<ObjectStat | undefined> {
    try {
      return await this.#store.stat(this.#key);
    } catch (error) {
      if (this.#create && isStorageError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  get #where(): string {
    return `Mapping file "${this.#key}" in "${this.#store.name}"`;
  }

  /** An error with the file's name, where it has none. */
  #about(error: unknown): unknown {
    if (!isStorageError(error) || error.message.startsWith("Mapping file")) return error;
    const { code, retryable, retryAfterMs } = error;
    const options = { retryable, retryAfterMs, cause: error, identifier: this.#key };
    return new StorageError(code, `${this.#where}: ${error.message}`, options);
  }
}

/** Changes whenever the file does: the etag, or time and length where the store has none. */
function versionOf(stat: ObjectStat | undefined): string {
  if (stat === undefined) return ABSENT;
  return stat.etag ?? `${stat.modifiedMs} ${stat.byteLength}`;
}
