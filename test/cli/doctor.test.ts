import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repository } from "../structure/source-files.ts";
import { scratchFolder, sluice } from "./command.ts";

describe("sluice doctor", () => {
  it("reports Node, packages that really load, backends, and what a folder can take; leaves nothing there", async () => {
    const folder = scratchFolder();
    const { output, code } = await sluice(["doctor", folder, "--json"]);
    expect(code).toBe(0);
    const report = JSON.parse(output);
    expect(report.node).toEqual({ version: process.versions.node, supported: true });
    const sharp = JSON.parse(readFileSync(join(repository, "node_modules/sharp/package.json"), "utf8"));
    expect(report.packages).toContainEqual(expect.objectContaining({ name: "sharp", version: sharp.version }));
    const { optionalDependencies, peerDependencies } = JSON.parse(
      readFileSync(join(repository, "package.json"), "utf8"),
    );
    expect(report.packages.map(({ name }: { name: string }) => name).sort()).toEqual(
      Object.keys({ ...optionalDependencies, ...peerDependencies }).sort(),
    );
    for (const { name, range, version } of report.packages) {
      if (!(name in peerDependencies)) continue;
      expect(version, name).toMatch(/^\d/);
      expect(peerDependencies[name].startsWith(range), name).toBe(true);
    }
    expect(report.backends.map((backend: { key: string }) => backend.key)).toEqual(
      expect.arrayContaining(["disk", "memory", "tiff", "zarr"]),
    );
    expect(report.disk).toMatchObject({ folder, byteLength: 128 * 2 ** 20 });
    expect(report.disk.writeSeconds).toBeGreaterThan(0);
    expect(report.disk.freeBytes).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("fails with one line for a folder that takes nothing", async () => {
    const { code, errors } = await sluice(["doctor", join(scratchFolder(), "missing")]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^sluice: NOT_FOUND: Nothing can be written to .*ENOENT.*\n$/);
  });

  it("says how another store is measured", async () => {
    const { code, errors } = await sluice(["doctor", "s3://bucket/folder"]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^sluice: UNSUPPORTED: .*--backend NAME\n$/);
  });
});
