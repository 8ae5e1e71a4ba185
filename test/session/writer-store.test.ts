import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openZarr, type ZarrArray } from "../../backends/zarr/index.ts";
import { arraysEqual } from "../../src/index.ts";
import { count, type SimulatedCamera } from "../../src/session/index.ts";
import { documentOf, documentsOf } from "./run-support.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

it.each(["memory", "disk"])("a Zarr writer goes into a named store (%s), in the folder of each run", async (use) => {
  const basePath = await temporaryFolder();
  const root = join(basePath, "elsewhere");
  const session = await open({
    backends: { archive: use === "disk" ? { use, root, durability: "none" } : { use } },
    storage: {
      basePath,
      writers: { default: { use: "zarr", store: "archive", path: "frames of 2026", shardBytes: 4000 } },
    },
    devices: { camera: { use: "simulated-camera", shape: [24, 32], blobs: 2 } },
  });
  const archive = await session.backends.store("archive");
  for (const number of ["00000", "00001"]) {
    const summary = await session.run(count({ num: 5 }));
    const uri = summary.stores.default as string;
    const folder = (summary.folder as string).slice(basePath.length + 1);
    expect(folder).toMatch(new RegExp(`count_${number}$`));
    expect(uri).toBe(archive.uri(`frames of 2026/${folder}/default.zarr`));
    expect(uri).toMatch(use === "memory" ? /^mem:\/\/archive\/frames%20of%202026\// : /^file:\/\/localhost\//);
    // The documents stay with the session, and say where the frames are.
    expect(await readdir(summary.folder as string)).toEqual(["documents.jsonl"]);
    expect(documentOf(await documentsOf(summary.folder), "stream_resource")).toMatchObject({
      uri: `${uri}/camera`,
    });
    const array = (await openZarr(archive, `frames of 2026/${folder}/default.zarr/camera`)) as ZarrArray;
    expect(array.shape).toEqual([5, 24, 32]);
    for (let i = 0; i < 5; i++) {
      expect(arraysEqual(await array.frame(i), deviceOf<SimulatedCamera>(session, "camera").preview(i))).toBe(true);
    }
  }
  await session.close();
});

it("a Zarr writer with a store takes no URI beside it", async () => {
  const basePath = await temporaryFolder();
  const writer = { use: "zarr", store: "archive", uri: "file:///data/a.zarr" };
  const opening = open({
    backends: { archive: { use: "memory" } },
    storage: { basePath, writers: { default: writer } },
    devices: { camera: { use: "simulated-camera", shape: [24, 32] } },
  });
  await expect(opening).rejects.toThrow(/goes to a uri or to a store/);
});
