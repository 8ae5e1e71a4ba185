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
  #open: { readonly version: string; readonly file: Promise<TreeFile | undefined> } | undefined;

  /** @param location - Path or URI. */
  constructor(location: string, backends: () => Promise<BackendSet>) {
    this.#location = location;
    this.#backends = backends;
  }

  /** The file as it is now; `undefined` if there is none. */
  async current(_options: CallOptions): Promise<TreeFile | undefined> {
    const version = await this.#version();
    // Nothing is asked for again: of what is far away there is no version, and it may be there by now.
    const known = version !== undefined && this.#open?.version === version ? await this.#open.file : undefined;
    if (known !== undefined) return known;
    const before = this.#open;
    this.#open = undefined;
    await (await before?.file)?.close();
    if (version === undefined) return undefined;
    const file = this.#openNow(version);
    this.#open = { version, file };
    try {
      return await file;
    } catch (error) {
      this.#open = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    const before = this.#open;
    this.#open = undefined;
    await (await before?.file)?.close();
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
    if (path !== undefined && version.startsWith("file")) {
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
