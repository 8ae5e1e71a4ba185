/** Frames read from wherever they lie, through the registry. */
import type { BackendSet } from "../../registry/backend-set.ts";
import { findStore } from "../../registry/find-store.ts";
import { resolveUri, splitUri } from "../../registry/uri.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import { checkNdArray } from "../core/checks.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { joinKey } from "../core/key.ts";
import { isLiveFrameSource, type LiveFrameSource, type LiveFrames } from "../core/live-frames.ts";
import { copyInto, type NdArray, ndArray, zeros } from "../core/nd-array.ts";
import { ReadableBackend } from "../core/readable-backend.ts";
import { isRegionSource } from "../core/region.ts";
import { type FramePlace, type FrameReader, type FrameRun, ZARR_FRAMES } from "./frame-runs.ts";

/** Arrays that are kept open: each with what is known of its shard under way. */
const KEPT_ARRAYS = 64;

const FILES = /^multipart\/related;\s*type="?image\//i;

/** An opened backend, and the folder in it that is meant. */
interface OpenPlace {
  readonly backend: ReadableBackend;
  readonly folder: string;
}

/**
 * Reads frames by their MIME type: Zarr arrays, of which only the chunks of the frames are read, those of a shard under
 * way too; and sequences of image files. Frames in the store of a named backend of the set are read through it; other
 * stores are opened on first use, one for all that is on the disks, in a bucket, on a host, and belong to the set.
 */
export class StoredFrames implements FrameReader {
  readonly #backends: BackendSet;
  readonly #images: string | InstanceConfig | undefined;
  /** Names of the backends that were defined here, by their configurations. */
  readonly #names = new Map<string, string>();
  /** Arrays by backend and path, those that were used last at the end. */
  readonly #arrays = new Map<string, LiveFrames>();

  /**
   * @param images - The backend of frames that name no store: an instance of the set, or a configuration; `undefined` if
   * there is none.
   */
  constructor(backends: BackendSet, images?: string | InstanceConfig | undefined) {
    this.#backends = backends;
    this.#images = images;
  }

  async read(run: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { place } = run;
    try {
      if (place.mimetype === undefined || place.mimetype === ZARR_FRAMES) return await this.#readZarr(run, options);
      if (FILES.test(place.mimetype)) return await this.#readFiles(run, options);
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND", "OUT_OF_RANGE")) throw error;
      const message = `There is no ${frames(run)}, where a reference says it is (${error.message})`;
      throw new StorageError("NOT_FOUND", message, { operation: "read", identifier: place.path, cause: error });
    }
    const message = `Frames of type ${place.mimetype} cannot be read; those of ${ZARR_FRAMES} and of image files can`;
    throw new StorageError("UNSUPPORTED", message, { operation: "read", identifier: place.uri });
  }

  async #readZarr({ place, first, count }: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { backend, folder } = await this.#open("zarr", place);
    const path = joinKey(folder, place.path);
    const live = isLiveFrameSource(backend) ? await this.#arrayOf(backend, path, options) : undefined;
    if (live !== undefined) {
      try {
        return await live.read(first, count, options);
      } catch (error) {
        this.#arrays.delete(arrayKey(backend, path));
        // Another array was put in its place.
        if (!isStorageError(error, "CONFLICT")) throw error;
      }
    }
    if (isRegionSource(backend)) return backend.readRegion(path, [[first, first + count]], options);
    throw new StorageError("UNSUPPORTED", `Backend "${backend.name}" does not read parts of arrays`);
  }

  /** The frames of an array, kept open; `undefined` for one that has no chunk for each frame. */
  async #arrayOf(
    backend: ReadableBackend & LiveFrameSource,
    path: string,
    options: OperationOptions,
  ): Promise<LiveFrames | undefined> {
    const key = arrayKey(backend, path);
    let frames = this.#arrays.get(key);
    try {
      frames ??= await backend.openLiveFrames(path, options);
    } catch (error) {
      if (isStorageError(error, "UNSUPPORTED")) return undefined;
      throw error;
    }
    this.#arrays.delete(key);
    this.#arrays.set(key, frames);
    for (const oldest of this.#arrays.keys()) {
      if (this.#arrays.size <= KEPT_ARRAYS) break;
      this.#arrays.delete(oldest);
    }
    return frames;
  }

  async #readFiles({ place, first, count }: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { backend, folder } = await this.#open("files", place);
    let out: NdArray | undefined;
    for (let i = 0; i < count; i++) {
      const key = folder === "" ? fileName(place, first + i) : `${folder}/${fileName(place, first + i)}`;
      const frame = checkNdArray(await backend.load(key, options), { operation: "read", identifier: key });
      if (count === 1) return ndArray(frame.data, [1, ...frame.shape], frame.dtype);
      out ??= zeros([count, ...frame.shape], frame.dtype);
      if (frame.dtype !== out.dtype || frame.shape.join() !== out.shape.slice(1).join()) {
        const message = `"${key}" is ${frame.dtype} [${frame.shape}], the frames before it ${out.dtype} [${out.shape.slice(1)}]`;
        throw new StorageError("SHAPE_MISMATCH", message, { operation: "read", identifier: key });
      }
      copyInto(frame, out.data, i * (out.stride[0] as number));
    }
    return out ?? zeros([0, 0, 0], "float64");
  }

  /** The backend of a place. */
  async #open(kind: "zarr" | "files", { uri }: FramePlace): Promise<OpenPlace> {
    const { reference, folder = "" } =
      uri === undefined ? { reference: this.#images } : await this.#reference(kind, uri);
    if (reference === undefined) {
      const message = "Frames name no store, and none is known that has those: pass images: { use: … }";
      throw new StorageError("CONFIG_INVALID", message, { operation: "read", identifier: "images" });
    }
    const backend = await this.#backends.get(typeof reference === "string" ? reference : this.#define(reference));
    if (backend instanceof ReadableBackend) return { backend, folder };
    throw new StorageError("UNSUPPORTED", `"${backend.name}" is not for reading`, { operation: "read" });
  }

  /** Defines a backend once. Its name says nothing of the configuration, which may hold secrets. */
  #define(configuration: InstanceConfig): string {
    const key = JSON.stringify(configuration);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    let number = 1;
    // The set may be that of another reader too.
    while (this.#backends.has(`frames ${number}`)) number++;
    const name = `frames ${number}`;
    this.#backends.define(name, configuration);
    this.#names.set(key, name);
    return name;
  }

  async #reference(
    kind: "zarr" | "files",
    uri: string,
  ): Promise<{ readonly reference: string | InstanceConfig; readonly folder?: string }> {
    // A file needs no credentials, and a disk of the set may have any root.
    const named = /^file:/i.test(uri) ? undefined : await findStore(this.#backends, uri);
    const { key } = named ?? splitUri(uri);
    if (kind === "zarr") return { reference: { use: "zarr", store: named?.name ?? splitUri(uri).store }, folder: key };
    if (named !== undefined) return { reference: named.name, folder: key };
    const resolved = resolveUri(this.#backends.registry, splitUri(uri).store);
    // The disk of the whole machine takes what is relative for a path of the working directory.
    const folder = resolved.key === "disk" ? `/${key}` : key;
    return { reference: { use: resolved.key, ...resolved.options }, folder };
  }
}

function arrayKey({ name }: ReadableBackend, path: string): string {
  return `${name} ${path}`;
}

/**
 * Fills the template of a sequence, a format string of Python: `camera_{:06d}.tif`.
 *
 * @throws A {@link StorageError} `CORRUPT` without a template.
 */
export function fileName({ uri, parameters }: FramePlace, index: number): string {
  const { template } = parameters;
  if (typeof template !== "string") {
    const message = `The files at ${uri} have no template that says what they are called`;
    throw new StorageError("CORRUPT", message, { operation: "read", identifier: uri });
  }
  return template.replace(/\{\{|\}\}|\{:?0?(\d*)d?\}/g, (field, digits: string | undefined) => {
    return field === "{{" || field === "}}" ? (field[0] as string) : String(index).padStart(Number(digits ?? 0), "0");
  });
}

function frames({ place, first, count }: FrameRun): string {
  const which = count === 1 ? `frame ${first}` : `frames ${first} to ${first + count - 1}`;
  const where = place.uri === undefined ? "" : ` in ${place.uri}`;
  return `${which} of "${place.path}"${where}`;
}
