import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../../../backends/disk/store.ts";
import { batchFiles, validateNgff } from "../../../../backends/zarr/ngff/index.ts";
import { ended, startSaver } from "./savers.ts";

let root = "";
const where = () => ({ use: "disk", options: { root, durability: "none" } });
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-plates-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("processes that save wells of one plate at once", () => {
  it("lose none of each other's: not a well, not a field, not a file", { timeout: 120_000 }, async () => {
    const savers = [
      ["AB", "1"],
      ["CD", "2"],
      ["EF", "3"],
    ] as const;
    const codes = await Promise.all(savers.map(([rows, field]) => ended(startSaver(where(), rows, 4, field))));
    expect(codes).toEqual([0, 0, 0]);
    await using store = new DiskStore({ root, durability: "none" });
    const report = await validateNgff(store, "plate");
    expect(report).toMatchObject({ isValid: true, wells: 25, images: 27 });
    const files = await (await batchFiles(store)).list("plate");
    expect([...files.keys()].filter((name) => name.endsWith(".tif"))).toHaveLength(2 * 27);
  });

  it("leave a plate that holds up when one is killed", { timeout: 120_000 }, async () => {
    const child = startSaver(where(), "ABCDEFGH", 99, "1");
    const end = ended(child);
    await using store = new DiskStore({ root, durability: "none" });
    let wells = 0;
    while (wells < 3 && child.exitCode === null) wells = (await validateNgff(store, "plate")).wells;
    expect(wells).toBeGreaterThanOrEqual(3);
    child.kill("SIGKILL");
    await end;
    const report = await validateNgff(store, "plate");
    expect(report.violations.filter(({ level }) => level === "error")).toEqual([]);
    expect(report.wells).toBeGreaterThanOrEqual(wells);
    const listed = await (await batchFiles(store)).list("plate");
    expect([...listed.keys()].filter((name) => name.endsWith(".tif"))).toHaveLength(2 * report.wells);
  });
});
