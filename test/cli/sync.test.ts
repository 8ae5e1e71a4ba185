import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratchFolder, sluice } from "./command.ts";

describe("sluice sync", () => {
  it("copies what is missing, tells what is equal, and deletes only when told", async () => {
    const from = scratchFolder({ "a.txt": "alpha", "b.txt": "beta" });
    const to = scratchFolder({ "a.txt": "alpha", "old.txt": "old" });
    const run = async (...flags: string[]) => {
      const { output, code } = await sluice(["sync", from, to, "--json", ...flags]);
      expect(code).toBe(0);
      const { items } = JSON.parse(output) as { items: { path: string; status: string }[] };
      return items.map((item) => `${item.path} ${item.status}`);
    };
    expect(await run("--delete", "--dry-run")).toEqual(["a.txt equal", "b.txt copied", "old.txt deleted"]);
    expect(existsSync(join(to, "b.txt"))).toBe(false);
    expect(await run()).toEqual(["a.txt equal", "b.txt copied"]);
    expect(readFileSync(join(to, "b.txt"), "utf8")).toBe("beta");
    expect(existsSync(join(to, "old.txt"))).toBe(true);
    expect(await run("--delete")).toEqual(["a.txt equal", "b.txt equal", "old.txt deleted"]);
    expect(existsSync(join(to, "old.txt"))).toBe(false);
  });

  it("names what failed, tries the rest, deletes nothing, and answers 1", async () => {
    const from = scratchFolder({ "a.txt": "alpha", "b.txt": "beta" });
    const to = scratchFolder({ "old.txt": "old" });
    mkdirSync(join(to, "a.txt"));
    const { code, errors, output } = await sluice(["sync", from, to, "--delete"]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^a\.txt: /m);
    expect(output).toContain("1 file, 4 B; 0 equal already");
    expect(readFileSync(join(to, "old.txt"), "utf8")).toBe("old");
  });
});

describe("sluice recover", () => {
  it("finds arrays that a killed process was saving, and removes them", async () => {
    const folder = scratchFolder({});
    const left = join(folder, "plate/.sluice-new-0123456789abcdef.A01");
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, "zarr.json"), "{}");
    writeFileSync(join(folder, "plate/zarr.json"), "{}");
    const found = await sluice(["recover", folder, "--older-than", "0"]);
    expect(found.output).toMatch(
      /plate\/\.sluice-new-0123456789abcdef\.A01 {2}unfinished\n1 array under way when a process was killed, found\n/,
    );
    const gone = await sluice(["recover", join(folder, "plate"), "--older-than", "0", "--remove"]);
    expect(gone.output).toContain("1 array under way when a process was killed, removed");
    expect(readdirSync(join(folder, "plate"))).toEqual(["zarr.json"]);
    // A young one may be under way still.
    mkdirSync(left);
    writeFileSync(join(left, "zarr.json"), "{}");
    expect((await sluice(["recover", folder])).output).toBe("0 leftovers, 0 B, found\n");
  });

  it("lists what is left over and removes it when told; values and files of live processes stay", async () => {
    const folder = scratchFolder({ "value.txt": "value" });
    const left = ".sluice-tmp-elsewhere.12.34.abc";
    writeFileSync(join(folder, left), "half");
    expect((await sluice(["recover", folder])).output).toBe("0 leftovers, 0 B, found\n");
    const old = new Date(Date.now() - 3 * 3_600_000);
    utimesSync(join(folder, left), old, old);
    const { output } = await sluice(["recover", folder, "--older-than", "1"]);
    expect(output).toBe(`${join(folder, left)}  4 B\n1 leftover, 4 B, found; --remove removes what is listed\n`);
    const only = { use: "disk", root: ".", layers: [{ use: "read-only" }] };
    writeFileSync(join(folder, "s.json"), JSON.stringify({ session: "s", backends: { only } }));
    const below = (...args: string[]) =>
      sluice(["recover", "only:", "--older-than", "1", "--session", "s.json", ...args], folder);
    expect((await below()).output).toBe(output);
    expect((await below("--remove")).errors).toContain("READ_ONLY");
    expect(existsSync(join(folder, left))).toBe(true);
    await sluice(["recover", folder, "--older-than", "1", "--remove"]);
    expect(existsSync(join(folder, left))).toBe(false);
    expect(readFileSync(join(folder, "value.txt"), "utf8")).toBe("value");
    const memory = await sluice(["recover", "mem:a"]);
    expect([memory.code, memory.errors]).toEqual([1, expect.stringContaining("UNSUPPORTED")]);
  });
});
