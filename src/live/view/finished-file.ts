/** A file that was written: HDF5 or Zarr. */
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { BackendSet } from "../../../registry/backend-set.ts";
import type { CallOptions } from "../engine.ts";
import { isUri } from "./stored-files.ts";
import type { TreeFile } from "./tree.ts";

/** Opens a finished file once it is there, and anew when another takes its place. */
export class FinishedFile {
  readonly #location: string;
  readonly #backends: () => Promise<BackendSet>;
  #open: { readonly version: string; readonly file: TreeFile } | undefined;
  #looking: Promise<unknown> = Promise.resolve();

  /** @param location - Path or URI. */
  constructor(location: string, backends: () => Promise<BackendSet>) {
    this.#location = location;
    this.#backends = backends;
  }

  /** The file as it is now; `undefined` if there is none. */
  async current(_options: CallOptions): Promise<TreeFile | undefined> {
    // One after the other, so that a file is opened once.
    const looking = this.#looking.then(() => this.#look());
    this.#looking = looking.catch(() => undefined);
    return await looking;
  }

  async close(): Promise<void> {
    await this.#looking;
    await this.#open?.file.close();
    this.#open = undefined;
  }

  async #look(): Promise<TreeFile | undefined> {
    const version = await this.#version();
    const before = this.#open;
    if (before !== undefined) {
      if (before.version === version) return before.file;
      if (before.file.renew !== undefined && isFile(before.version) && isFile(version)) {
        before.file.renew();
        this.#open = { version, file: before.file };
        return before.file;
      }
      this.#open = undefined;
      await before.file.close();
    }
    if (version === undefined) return undefined;
    const file = await this.#openNow(version);
    // Where there is no version, nothing may be something by the next time.
    if (file !== undefined) this.#open = { version, file };
    return file;
  }

  /** Says one file from another at the same place. */
  async #version(): Promise<string | undefined> {
    const path = this.#path();
    if (path === undefined) return "remote";
    try {
      const found = await stat(path);
      return [found.isDirectory() ? "folder" : "file", found.ino, found.mtimeMs, found.size].join();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ENOTDIR") {
        return undefined;
      }
      throw error;
    }
  }

  async #openNow(version: string): Promise<TreeFile | undefined> {
    const path = this.#path();
    if (path !== undefined && isFile(version)) {
      const { openHdf5Tree } = await import("./hdf5-tree.ts");
      return await openHdf5Tree(path);
    }
    const { openZarrTree } = await import("./zarr-tree.ts");
    return await openZarrTree(this.#location, await this.#backends());
  }

  #path(): string | undefined {
    if (!isUri(this.#location)) return this.#location;
    return this.#location.startsWith("file:") ? fileURLToPath(this.#location) : undefined;
  }
}

/** True for a version of a file, not of a folder or of something far away. */
function isFile(version: string | undefined): version is string {
  return version?.startsWith("file,") ?? false;
}
