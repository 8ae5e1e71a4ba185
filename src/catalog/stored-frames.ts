/** Frames read from wherever they lie, through the registry. */
import type { BackendSet } from "../../registry/backend-set.ts";
import { findStore } from "../../registry/find-store.ts";
import { resolveUri } from "../../registry/uri.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import { checkNdArray } from "../core/checks.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { joinKey } from "../core/key.ts";
import { copyInto, type NdArray, ndArray, zeros } from "../core/nd-array.ts";
import { ReadableBackend } from "../core/readable-backend.ts";
import { isRegionSource } from "../core/region.ts";
import type { FramePlace, FrameRun } from "./frame-runs.ts";
import type { FrameReader } from "./lazy-image-sequence.ts";

const ZARR = "application/x-zarr";
const FILES = /^multipart\/related;\s*type="?image\//i;

/** An opened backend, and the folder in it that is meant. */
interface OpenPlace {
  readonly backend: ReadableBackend;
  readonly folder: string;
}

/**
 * Reads frames by their MIME type: Zarr arrays, of which only the chunks of the frames are read, and sequences of image
 * files. Frames in the store of a named backend of the set are read through it; other stores are opened on first use, and
 * belong to the set.
 */
export class StoredFrames implements FrameReader {
  readonly #backends: BackendSet;
  readonly #images: string | InstanceConfig | undefined;
  /** Names of the backends that were defined here, by their configurations. */
  readonly #names = new Map<string, string>();

  /**
   * @param images - The backend of frames that name no store: an instance of the set, or a configuration; `undefined` if
   * there is none.
   */
  constructor(backends: BackendSet, images: string | InstanceConfig | undefined) {
    this.#backends = backends;
    this.#images = images;
  }

  async read(run: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { place } = run;
    try {
      if (place.mimetype === undefined || place.mimetype === ZARR) return await this.#readZarr(run, options);
      if (FILES.test(place.mimetype)) return await this.#readFiles(run, options);
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND", "OUT_OF_RANGE")) throw error;
      const message = `The catalogue refers to frames that are not in their store: ${frames(run)} (${error.message})`;
      throw new StorageError("NOT_FOUND", message, { operation: "read", identifier: place.path, cause: error });
    }
    const message = `Frames of type ${place.mimetype} cannot be read; those of ${ZARR} and of image files can`;
    throw new StorageError("UNSUPPORTED", message, { operation: "read", identifier: place.uri });
  }

  async #readZarr({ place, first, count }: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { backend } = await this.#open("zarr", place);
    if (!isRegionSource(backend)) {
      throw new StorageError("UNSUPPORTED", `Backend "zarr" of this registry does not read parts of arrays`);
    }
    return backend.readRegion(place.path, [[first, first + count]], options);
  }

  async #readFiles({ place, first, count }: FrameRun, options: OperationOptions): Promise<NdArray> {
    const { backend, folder } = await this.#open("files", place);
    let out: NdArray | undefined;
    for (let i = 0; i < count; i++) {
      const key = joinKey(folder, fileName(place, first + i));
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
      const message = "The catalogue does not know where its images lie: pass images: { use: … } to Catalog.open";
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
    // The set may be that of another catalogue too.
    while (this.#backends.has(`catalogue images ${number}`)) number++;
    const name = `catalogue images ${number}`;
    this.#backends.define(name, configuration);
    this.#names.set(key, name);
    return name;
  }

  async #reference(
    kind: "zarr" | "files",
    uri: string,
  ): Promise<{ readonly reference: string | InstanceConfig; readonly folder?: string }> {
    // A file needs no credentials, and a disk of the set may have any root.
    const place = /^file:/i.test(uri) ? undefined : await findStore(this.#backends, uri);
    if (place !== undefined && kind === "files") return { reference: place.name, folder: place.key };
    if (place !== undefined) {
      const path = place.key === "" ? {} : { path: place.key };
      return { reference: { use: "zarr", store: place.name, ...path } };
    }
    if (kind === "zarr") return { reference: { use: "zarr", store: uri } };
    const { key, options } = resolveUri(this.#backends.registry, uri);
    return { reference: { use: key, ...options } };
  }
}

/** Fills the template of a sequence, a format string of Python: `camera_{:06d}.tif`. */
function fileName({ uri, parameters }: FramePlace, index: number): string {
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
  return `${which} of "${place.path}"${place.uri === undefined ? "" : ` in ${place.uri}`}`;
}
