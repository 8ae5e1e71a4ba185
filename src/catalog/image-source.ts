/** Opens the backend that takes the images of a beamtime. */
import { realpath } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { StorageError } from "../core/errors.ts";
import { type FrameStackSource, isFrameStackSource } from "../core/frame-stack.ts";

/** The Zarr store beside a beamtime file that is there: `{stem}.zarr`. Beside the file itself, also by way of a link. */
export async function storeBeside(path: string): Promise<string> {
  // A database in memory is nowhere.
  const full = path === ":memory:" ? resolve(path) : await realpath(path);
  return join(dirname(full), `${basename(full, extname(full))}.zarr`);
}

/** The backend for the images of one database, opened with the first of them. */
export class ImageSource {
  readonly #location: string;
  readonly #images: string | InstanceConfig | undefined;
  readonly #backends: BackendSet | undefined;
  #own: BackendSet | undefined;
  #opening: Promise<FrameStackSource> | undefined;

  /**
   * @param location - Of the database.
   * @param images - Name of an instance of `backends`, or a configuration. Default: the Zarr store beside the file.
   * @param backends - Stays its owner's.
   */
  constructor(location: string, images: string | InstanceConfig | undefined, backends: BackendSet | undefined) {
    this.#location = location;
    this.#images = images;
    this.#backends = backends;
  }

  /** True if readers find the store without being told where. */
  get isBesideFile(): boolean {
    return this.#images === undefined;
  }

  /**
   * The backend. A failed opening is forgotten, so that the next image tries again.
   *
   * @throws A {@link StorageError}: `CONFIG_INVALID`; `UNSUPPORTED` for a backend that does not take frames one at a time;
   * otherwise as `BackendSet.get`.
   */
  async get(): Promise<FrameStackSource> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  /** Closes what was opened. */
  async close(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    this.#opening = undefined;
    await own?.close();
  }

  async #open(): Promise<FrameStackSource> {
    const images = this.#images ?? (await this.#besideFile());
    const backend = await (typeof images === "string" ? this.#named(images) : this.#configured(images));
    if (isFrameStackSource(backend)) return backend;
    const message = `Backend "${backend.name}" does not take frames one at a time; a zarr backend does`;
    throw new StorageError("UNSUPPORTED", message, { backend: backend.name, operation: "writeImage" });
  }

  #named(name: string): ReturnType<BackendSet["get"]> {
    if (this.#backends !== undefined) return this.#backends.get(name);
    const message = `Images cannot go to the instance "${name}": no backends were passed`;
    throw new StorageError("CONFIG_INVALID", message, { operation: "writeImage", identifier: name });
  }

  async #configured(images: InstanceConfig): ReturnType<BackendSet["get"]> {
    await this.#own?.close();
    this.#own = new BackendSet(this.#backends?.registry ?? createRegistry(), { images });
    return this.#own.get("images");
  }

  async #besideFile(): Promise<InstanceConfig> {
    if (!this.#location.includes("://")) return { use: "zarr", root: await storeBeside(this.#location) };
    const message = "A database that is no file has no place for images beside it; pass images: a backend";
    throw new StorageError("CONFIG_INVALID", message, { operation: "writeImage" });
  }
}
