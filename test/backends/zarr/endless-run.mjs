// An acquisition that never ends, for crash.test.ts to kill. Prints a line for each hundred frames.
import { pathToFileURL } from "node:url";
import { DiskStore } from "../../../dist/backends/disk/store.js";
import { ZarrWriter } from "../../../dist/backends/zarr/writer.js";
import { ndArray } from "../../../dist/src/core/nd-array.js";

const [root, codec] = process.argv.slice(2);
const store = new DiskStore({ root, durability: "none" });
const options = { codec, shardBytes: 16 * 8192, uri: pathToFileURL(root).href };
const writer = new ZarrWriter("run", async () => store, options);
writer.updateMetadata({ run: 7 });
for (const name of ["a", "b"]) writer.updateSource(name, "uint16", [64, 64]);
const sinks = [await writer.prepare("a"), await writer.prepare("b")];
await writer.kickoff();
const data = new Uint16Array(64 * 64);
for (let i = 0; ; i++) {
  for (let k = 0; k < data.length; k++) data[k] = i * 31 + (k % 257);
  for (const sink of sinks) await sink.write(ndArray(data, [64, 64]));
  if (i % 100 === 0) process.stdout.write("100 more\n");
}
