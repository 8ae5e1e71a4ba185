/** The plugins of the examples, run as their readers run them. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runExample } from "../../support/run-example.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-plugins-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("08: the images are in the files of the detector, and a reader has them as points", async () => {
  expect(runExample("08-external-image.ts", folder)).toBe("3 images, the last one uint16 [3,4] of 2\n");
  expect(await readdir(join(folder, "detector"))).toEqual(["image_0.tif", "image_1.tif", "image_2.tif"]);
});

it("09: what has left the engine is read from the file", () => {
  expect(runExample("09-file-fallback.ts", folder).split("\n")).toEqual([
    "10 3.1622776601683795 in file",
    "90 9.486832980505138 here",
    "all there",
    "",
  ]);
});
