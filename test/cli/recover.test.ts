import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { ZarrWriter } from "../../backends/zarr/writer.ts";
import { zeros } from "../../src/core/nd-array.ts";
import { scratchFolder, sluice } from "./command.ts";

/** A store whose writer ended in the middle of a shard, with so many frames announced. */
async function leave(folder: string, frames: number): Promise<void> {
  const root = join(folder, "run.zarr");
  const store = new DiskStore({ root });
  const writer = new ZarrWriter("run", async () => store, { uri: pathToFileURL(root).href });
  writer.updateSource("cam", "uint16", [8, 8]);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  for (let i = 0; i < frames; i++) await sink.write(zeros([8, 8], "uint16"));
  for await (const count of writer.observeIndicesWritten({ name: "cam" })) if (count === frames) break;
  await store.close();
  await expect(writer.close()).rejects.toThrow();
}

it("sluice recover says what an open shard has, and stores it with --finish", async () => {
  const folder = scratchFolder({});
  await leave(folder, 7);
  const shard = "run.zarr/cam/c/0/0/0";
  const found = await sluice(["recover", folder]);
  expect(found.output).toContain(`${shard}  7 frames\n`);
  expect(found.output).toContain(
    "1 shard under way when a process was killed, with 7 frames; --finish stores and shows them\n",
  );
  expect(found.output).toMatch(/0 leftovers, .*found\n$/);
  expect(existsSync(join(folder, shard))).toBe(false);
  const finished = await sluice(["recover", folder, "--finish"]);
  expect(finished.output).toContain("finished with 7 frames\n");
  expect(existsSync(join(folder, shard))).toBe(true);
  expect((await sluice(["recover", folder, "--finish"])).output).toBe("0 leftovers, 0 B, found\n");
  expect((await sluice(["info", join(folder, "run.zarr")])).output).toContain("7");
});

it("sluice recover of a folder that is not there says so, and not that nothing was lost", async () => {
  const { code, output, errors } = await sluice(["recover", join(scratchFolder({}), "misspelt")]);
  expect([code, output]).toEqual([1, ""]);
  expect(errors).toMatch(/NOT_FOUND: No ".*misspelt" to look through/);
});

it("sluice recover --remove finishes open shards, and removes none", async () => {
  const folder = scratchFolder({});
  await leave(folder, 3);
  const { output } = await sluice(["recover", folder, "--remove", "--json"]);
  const shard = { key: expect.stringContaining("cam/c/0/0/0"), kind: "shard", frames: 3, lostFrames: 0 };
  expect(JSON.parse(output)).toMatchObject({ removed: true, leftovers: [], arrays: [shard] });
  expect(existsSync(join(folder, "run.zarr/cam/c/0/0/0"))).toBe(true);
});
