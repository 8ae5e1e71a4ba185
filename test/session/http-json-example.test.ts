import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { requireBuild } from "../support/built.ts";

it("the example of a third party's virtual backend keeps the contract, against a service on loopback", async () => {
  requireBuild();
  const repository = join(import.meta.dirname, "../..");
  const folder = await mkdtemp(join(tmpdir(), "sluice-http-json-"));
  try {
    await mkdir(join(folder, "node_modules"));
    await cp(join(repository, "examples/http-json-source"), folder, { recursive: true });
    await symlink(repository, join(folder, "node_modules/sluice"));
    const { stdout } = await promisify(execFile)(process.execPath, ["--test"], { cwd: folder });
    expect(stdout).toMatch(/# fail 0/);
    expect(Number(/# pass (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(20);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);
