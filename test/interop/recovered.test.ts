import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { recoverZarr } from "../../backends/zarr/index.ts";
import { ZarrWriter } from "../../backends/zarr/writer.ts";
import { bytesOf, frameOf } from "../backends/zarr/support.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

const shape = [40, 30];
const count = 21;

// In .ci/run the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!isPythonExpected)("an array whose writer ended in the middle of a shard", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-recovered-"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  for (const codec of ["none", "blosc-zstd"] as const) {
    it(`is read by zarr-python and tensorstore once it is recovered (${codec})`, async () => {
      const folder = join(root, `${codec}.zarr`);
      const store = new DiskStore({ root: folder });
      const writer = new ZarrWriter("run", async () => store, {
        uri: pathToFileURL(folder).href,
        codec,
        shardBytes: 8 * 2400,
      });
      writer.updateSource("cam", "uint16", shape);
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      for (let i = 0; i < count; i++) await sink.write(frameOf(i, shape));
      for await (const announced of writer.observeIndicesWritten({ name: "cam" })) if (announced === count) break;
      await store.close();
      await expect(writer.close()).rejects.toThrow();
      await using other = new DiskStore({ root: folder });
      const found = await recoverZarr(other, { finish: true });
      expect(found.at(-1)).toMatchObject({ key: "cam/c/2/0/0", frames: 5, lostFrames: 0 });
      const frames = Array.from({ length: count }, (_, i) => bytesOf(frameOf(i, shape)));
      await writeFile(join(root, "expected"), Buffer.concat(frames));
      const array = { name: codec, path: `${codec}.zarr/cam`, format: 3, expected: "expected", numpy: "<u2" };
      await writeFile(
        join(root, "arrays.json"),
        JSON.stringify([{ ...array, shape: [count, ...shape], tensorstore: true }]),
      );
      expect(runPython("read_arrays.py", root)).toEqual({ [codec]: [] });
    });
  }
});
