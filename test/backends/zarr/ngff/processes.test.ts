import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../../../backends/disk/store.ts";
import { batchFiles, validateNgff } from "../../../../backends/zarr/ngff/index.ts";
import { repository } from "../../../structure/source-files.ts";
import { requireBuild } from "../../../support/built.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-plates-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** A process of its own that saves wells of rows `rows`, columns 1 to `columns`, and one field of the well Z/1. */
function startSaver(rows: string, columns: number, field: string): ChildProcess {
  requireBuild();
  const code = `
    import { zeros } from "sluice";
    import { createRegistry } from "sluice/registry";
    import { saveBatch } from "sluice/backends/zarr/ngff";
    const store = await createRegistry().openStore("disk", { root: ${JSON.stringify(root)}, durability: "none" });
    const save = (row, column, field) => {
      const coordinates = ["w1", "w2"].map((c) => ({ c, field }));
      const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row, column };
      const paths = coordinates.map(({ c }) => "plate/" + row + column + "_s" + field + "_" + c + ".tif");
      return saveBatch(store, paths.map(() => zeros([8, 8], "uint8")), paths, { layout });
    };
    await save("Z", 1, "${field}");
    for (const row of "${rows}") for (let column = 1; column <= ${columns}; column++) await save(row, column, "1");
    await store.close();
  `;
  const stdio = ["ignore", "ignore", "inherit"] as const;
  return spawn(process.execPath, ["--input-type=module", "-e", code], { cwd: repository, stdio: [...stdio] });
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code));
  });
}

describe("processes that save wells of one plate at once", () => {
  it("lose none of each other's: not a well, not a field, not a file", { timeout: 120_000 }, async () => {
    const savers = [
      ["AB", "1"],
      ["CD", "2"],
      ["EF", "3"],
    ] as const;
    const codes = await Promise.all(savers.map(([rows, field]) => ended(startSaver(rows, 4, field))));
    expect(codes).toEqual([0, 0, 0]);
    await using store = new DiskStore({ root, durability: "none" });
    const report = await validateNgff(store, "plate");
    expect(report).toMatchObject({ isValid: true, wells: 25, images: 27 });
    const files = await (await batchFiles(store)).list("plate");
    expect([...files.keys()].filter((name) => name.endsWith(".tif"))).toHaveLength(2 * 27);
  });

  it("leave a plate that holds up when one is killed", { timeout: 120_000 }, async () => {
    const child = startSaver("ABCDEFGH", 99, "1");
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
