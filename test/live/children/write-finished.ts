/** Writes a file of scans, `write-finished <location> <path>`, and follows those that are not over to their end. */
import { openLive } from "../../../src/live/open.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { writeHdf5 } from "../../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../../src/live/view/write-zarr.ts";

// Modules that are loaded later import this one: it must not wait for them itself.
async function write([location = "", path = ""]: readonly string[]): Promise<void> {
  const store = await openLive(location);
  const file = await LiveFile.open(store, path);
  await (path.endsWith(".zarr") ? writeZarr : writeHdf5)(file);
  await file[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
}

void write(process.argv.slice(2));
