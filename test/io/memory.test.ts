import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bundle } from "../support/bundle.ts";

const MIB = 1 << 20;

test("copying and comparing 1 GiB takes at most 64 MiB, whether it is one value or many", async () => {
  const child = await bundle(new URL("children/copy-much.ts", import.meta.url));
  const root = await mkdtemp(join(tmpdir(), "sluice-much-"));
  try {
    for (const name of ["from/many", "to", "warm-up"]) await mkdir(join(root, name), { recursive: true });
    const make = async (name: string, byteLength: number) => {
      await writeFile(join(root, name), name);
      await truncate(join(root, name), byteLength);
    };
    await make("warm-up/first.bin", MIB);
    await make("from/long.bin", 512 * MIB);
    for (let i = 0; i < 128; i++) await make(`from/many/${i}.bin`, 4 * MIB);
    const folders = ["from", "to", "warm-up"].map((name) => join(root, name));
    const { stdout } = await promisify(execFile)(process.execPath, [child.path, ...folders]);
    const { afterCopy, afterSync, copied, equal } = JSON.parse(stdout) as Record<string, number>;
    expect([copied, equal]).toEqual([129, 129]);
    expect((await stat(join(root, "to/long.bin"))).size).toBe(512 * MIB);
    expect(afterCopy).toBeLessThan(64 * MIB);
    expect(afterSync).toBeLessThan(64 * MIB);
  } finally {
    await rm(root, { recursive: true, force: true });
    await child.remove();
  }
}, 120_000);
