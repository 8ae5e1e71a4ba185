/** A reader's script, as for an HDF5 file: it runs the same while the scan is written, and after it has become a file. */
import { mkdtemp } from "node:fs/promises";
import { type DataStore, LiveFile, type ValueArray, writeHdf5 } from "sluice/live";
import { openSession } from "sluice/session";

async function script(path: string, scans: DataStore): Promise<string> {
  await using f = await LiveFile.open(scans, path);
  let positions = 0;
  for await (const _ of await f.dataset("/measurement/stage-x")) positions++; // waits for each, until the scan ends

  const camera = await f.dataset("/instrument/camera/data");
  const images = (await camera.select("0:10, 20:40, ::2")) as ValueArray; // waits for the tenth
  const { units } = (await f.dataset("/measurement/stage-x")).attributes;
  return `${positions} positions in ${units}, images ${images.dtype} [${images.shape}] of [${await camera.shape()}]`;
}

// The instrument. Its devices know nothing of live scans. Each time a new folder, so that the file has one scan.
const folder = await mkdtemp("demo-");
const session = await openSession({
  session: "demo",
  live: `${folder}/live`,
  storage: { basePath: `${folder}/data` },
  devices: {
    camera: { use: "simulated-camera", shape: [48, 64], frameRate: 100 },
    stage: { use: "simulated-stage", axes: ["x"] },
  },
});
const scans = session.live as DataStore;
const next = scans.nextScan();
const running = session.run({ use: "count", num: 25 });

const { key } = await next;
const path = String((await scans.loadScan(key)).identity.path);
console.log("live: ", await script(path, scans));

await running;
await writeHdf5(await LiveFile.open(scans, path));
await scans.deleteScan(key);
console.log("after:", await script(path, scans));
await session.close();
