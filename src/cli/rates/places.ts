/** Where frames are measured: the folder of the runs, and byte stores that a session names. */
import { randomUUID } from "node:crypto";
import { mkdtemp, open, readdir, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ByteStore, isDirectoryStore } from "../../core/byte-store.ts";
import type { InstanceConfig } from "../../core/descriptor.ts";
import { isStorageError, StorageError, throwFailures } from "../../core/errors.ts";
import type { FrameWriter } from "../../core/frame-writer.ts";
import { PrefixStore } from "../../layers/prefix.ts";
import type { Session } from "../../session/session.ts";
import type { ProbePlace } from "./probe.ts";

const PREFIX = ".sluice-doctor-";

/** The folder of the runs, on whatever disk it is or will be. Everything goes into a new folder there. */
export class FolderPlace implements ProbePlace {
  readonly #session: Session;
  readonly #scratch: string;
  #count = 0;

  private constructor(session: Session, scratch: string) {
    this.#session = session;
    this.#scratch = scratch;
  }

  /**
   * @param folder - Where runs go. If it is not there yet, the nearest folder above it that is.
   * @throws A {@link StorageError} `PERMISSION_DENIED` if nothing can be written there.
   */
  static async make(session: Session, folder: string): Promise<FolderPlace> {
    const existing = await nearestFolder(folder);
    try {
      return new FolderPlace(session, await mkdtemp(join(existing, PREFIX)));
    } catch (cause) {
      const message = `Nothing can be written to "${existing}": ${(cause as Error).message}`;
      throw new StorageError("PERMISSION_DENIED", message, { operation: "doctor", identifier: existing, cause });
    }
  }

  async openWriter(group: string, signal: AbortSignal): Promise<FrameWriter> {
    const config = writerConfig(this.#session, group);
    const writer = await this.#session.backends.openWriter(config, { instance: group, signal });
    writer.setUri(`${pathToFileURL(join(this.#scratch, String(this.#count++)))}/`);
    return writer;
  }

  checkOpened(): void {}

  /** Every file, whatever the durability of the writer is: else the page cache of the system would be measured. */
  async sync(): Promise<void> {
    for (const path of await this.#files()) {
      const file = await open(path, "r");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
  }

  async storedBytes(): Promise<number | undefined> {
    const paths = await this.#files();
    if (paths.length === 0) return undefined; // a writer that writes no files
    let bytes = 0;
    for (const path of paths) bytes += (await stat(path)).size;
    return bytes;
  }

  /** Bytes that are free on the disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#scratch);
    return bavail * bsize;
  }

  async clear(): Promise<void> {
    for (const name of await readdir(this.#scratch)) await rm(join(this.#scratch, name), { recursive: true });
  }

  async remove(): Promise<void> {
    await rm(this.#scratch, { recursive: true, force: true });
  }

  async #files(): Promise<string[]> {
    const entries = await readdir(this.#scratch, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }
}

/** A byte store that the session names, with its layers. Everything goes below a new key there. */
export class StorePlace implements ProbePlace {
  readonly #session: Session;
  readonly #store: ByteStore;
  readonly #scratch = `${PREFIX}${randomUUID()}`;
  readonly #unopened = new Set<string>();
  #count = 0;

  /** @param store - Borrowed. */
  constructor(session: Session, store: ByteStore) {
    this.#session = session;
    this.#store = store;
  }

  /** The very writer of the group; only what it asks for as its store is the store of this place. */
  async openWriter(group: string, signal: AbortSignal): Promise<FrameWriter> {
    const { use, ...options } = writerConfig(this.#session, group);
    const key = `${this.#scratch}/${this.#count++}`;
    const store = new PrefixStore(this.#store, key);
    const { registry } = this.#session.backends;
    this.#unopened.add(group);
    const open = async () => {
      this.#unopened.delete(group);
      return store;
    };
    const context = { instance: group, store: open, release: async () => {}, signal };
    const writer = await registry.openWriter(use, options, context);
    writer.setUri(`${this.#store.uri(key)}/`);
    return writer;
  }

  checkOpened(): void {
    const [group] = this.#unopened;
    if (group === undefined) return;
    this.#unopened.clear();
    const message = `Writer "${group}" does not write to a byte store, so it cannot write to "${this.#store.name}"`;
    throw new StorageError("UNSUPPORTED", message, { operation: "doctor", identifier: group });
  }

  /** What a store has answered is as durable as it promises: there is nothing more to ask it for. */
  async sync(): Promise<void> {}

  async storedBytes(): Promise<number | undefined> {
    let bytes = 0;
    for await (const { byteLength } of this.#store.list({ prefix: `${this.#scratch}/` })) bytes += byteLength;
    return bytes;
  }

  async clear(): Promise<void> {
    if (isDirectoryStore(this.#store)) {
      try {
        await this.#store.removeDirectory(this.#scratch, { recursive: true });
      } catch (error) {
        if (!isStorageError(error, "NOT_FOUND")) throw error;
      }
      return;
    }
    const keys: string[] = [];
    for await (const { key } of this.#store.list({ prefix: `${this.#scratch}/` })) keys.push(key);
    for (let at = 0; at < keys.length; at += 1000) {
      const results = await this.#store.deleteMany(keys.slice(at, at + 1000));
      throwFailures(
        results.flatMap(({ error }) => error ?? []),
        "What was written to measure could not be removed",
      );
    }
  }
}

function writerConfig(session: Session, group: string): InstanceConfig {
  return session.config.storage?.writers[group] as InstanceConfig;
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      if ((await stat(folder)).isDirectory()) return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    if (folder === dirname(folder)) return folder;
  }
}
