/** An HDF5 file that is open to read, and may be replaced by another one at its path. */
import { closeSync, openSync, readSync } from "node:fs";
import type { File } from "h5wasm";
import { StorageError } from "../../core/errors.ts";
import { type Hdf5Module, loadHdf5 } from "./hdf5-module.ts";

/** How HDF5 begins, behind what a user may have put before it. */
const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Where it may begin. */
const BEGINNINGS = [0, 512, 1024, 2048, 4096];

/** Opens the file when it is asked for. What was read from one that was replaced is read from the new one by its path. */
export class Hdf5Handle {
  readonly #h5: Hdf5Module;
  readonly #path: string;
  #file: File | undefined;
  #isClosed = false;

  private constructor(h5: Hdf5Module, path: string) {
    this.#h5 = h5;
    this.#path = path;
  }

  /** @throws A {@link StorageError}: `CORRUPT` for what is no HDF5 file, `NOT_FOUND`, `MISSING_DEPENDENCY`. */
  static async open(path: string): Promise<Hdf5Handle> {
    const handle = new Hdf5Handle(await loadHdf5(), path);
    handle.file();
    return handle;
  }

  /** The file. Not to be kept: ask again for the next step. */
  file(): File {
    if (this.#isClosed) {
      const message = `${this.#path} was removed, or the view of it was closed`;
      throw new StorageError("NOT_OPEN", message, { operation: "read", identifier: this.#path });
    }
    this.#file ??= this.#openNow();
    return this.#file;
  }

  /** Another file is at the path. */
  renew(): void {
    const before = this.#file;
    this.#file = undefined;
    before?.close();
  }

  close(): void {
    this.#isClosed = true;
    this.renew();
  }

  #openNow(): File {
    // Asked first: the library writes to the console what it cannot open.
    if (!hasSignature(this.#path)) throw unreadable(this.#path);
    try {
      return new this.#h5.File(this.#path, "r");
    } catch (cause) {
      throw unreadable(this.#path, cause);
    }
  }
}

function hasSignature(path: string): boolean {
  const descriptor = openToRead(path);
  try {
    const bytes = Buffer.alloc(SIGNATURE.length);
    return BEGINNINGS.some(
      (at) => readSync(descriptor, bytes, 0, bytes.length, at) === bytes.length && bytes.equals(SIGNATURE),
    );
  } finally {
    closeSync(descriptor);
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new StorageError("NOT_FOUND", `${path} is not there any more`, {
      operation: "open",
      identifier: path,
      cause,
    });
  }
}

function unreadable(path: string, cause?: unknown): StorageError {
  const message = `${path} cannot be read as an HDF5 file: it is none, or it is damaged`;
  return new StorageError("CORRUPT", message, {
    operation: "open",
    identifier: path,
    ...(cause !== undefined && { cause }),
  });
}
