// One acquisition through the public writer.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DiskStore } from "../../dist/backends/disk/store.js";
import { ZarrWriter } from "../../dist/backends/zarr/writer.js";

/** Writes `count` frames, awaiting each, and closes. */
export async function acquire(directory, frames, count, options) {
  const { durability = "none", ...rest } = options;
  const root = join(directory, "run.zarr");
  const store = new DiskStore({ root, durability });
  const writer = new ZarrWriter("bench", async () => store, { ...rest, uri: pathToFileURL(root).href });
  writer.updateSource("cam", frames[0].dtype, frames[0].shape);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  for (let i = 0; i < count; i++) await sink.write(frames[i % frames.length]);
  await sink.close();
  await store.close();
  if (writer.getIndicesWritten("cam") !== count) throw new Error("frames are missing");
}
