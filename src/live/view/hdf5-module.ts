/** The HDF5 library, which is loaded when it is first needed. */
import type * as H5 from "h5wasm";
import { StorageError } from "../../core/errors.ts";

/** The module `h5wasm/node`. */
export type Hdf5Module = typeof H5;

/**
 * The library. It reads and writes files of the disk.
 *
 * @throws A {@link StorageError} `MISSING_DEPENDENCY`.
 */
export async function loadHdf5(): Promise<Hdf5Module> {
  let module: Hdf5Module;
  try {
    module = (await import("h5wasm/node")) as unknown as Hdf5Module;
  } catch (cause) {
    const message = 'HDF5 files need the package "h5wasm": npm install h5wasm@^0.10.3';
    throw new StorageError("MISSING_DEPENDENCY", message, { cause });
  }
  await module.ready;
  return module;
}
