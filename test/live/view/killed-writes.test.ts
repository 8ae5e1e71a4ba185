/** Processes that are killed while they write a finished file. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DataStore } from "../../../src/live/data-store.ts";
import { openLive } from "../../../src/live/open.ts";
import { LiveFile } from "../../../src/live/view/live-file.ts";
import { writeHdf5 } from "../../../src/live/view/write-hdf5.ts";
import { writeZarr } from "../../../src/live/view/write-zarr.ts";
import type { WritableScan } from "../../../src/live/writable-scan.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { startScan } from "./scans.ts";

/** Kills of each kind of file. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 2);

/** Points that the draft has before the scan that goes on. */
const POINTS = 20_000;

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("../children/write-finished.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());

let folder: string;
let store: DataStore;
const running = new Set<ChildProcess>();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-killed-"));
  store = await openLive(join(folder, "live"));
});
afterEach(async () => {
  for (const each of running) await kill(each);
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function numbered(file: string, number: number): Promise<WritableScan> {
  const streams = { diode: { dtype: "float64" } } as const;
  const children = { diode: { type: "stream", stream: "diode" } } as const;
  return await startScan(store, { file, number, children, streams });
}

async function filled(file: string, number: number): Promise<void> {
  const scan = await numbered(file, number);
  await scan.writer("diode").send(Float64Array.from({ length: POINTS }, (_, i) => i + number));
  await scan.close();
}

async function drafts(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.includes(".sluice-new-"));
}

/** A process that has begun to write, and that has no end: one of the scans has none. */
async function startWriting(path: string): Promise<ChildProcess> {
  const before = await drafts();
  const isNew = (each: string) => each.startsWith(`.${basename(path)}`) && !before.includes(each);
  const writing = spawn(process.execPath, [child.path, join(folder, "live"), path], { stdio: "inherit" });
  running.add(writing);
  const begun = async () => (await drafts()).some(isNew) || writing.exitCode !== null;
  await expect.poll(begun, { timeout: 60_000 }).toBe(true);
  expect(writing.exitCode).toBe(null);
  return writing;
}

async function kill(writing: ChildProcess): Promise<void> {
  if (writing.exitCode === null && writing.signalCode === null) {
    const closed = once(writing, "close");
    writing.kill("SIGKILL");
    await closed;
  }
  running.delete(writing);
}

/** The groups of the file itself, each of which is whole. */
async function groupsOf(path: string): Promise<readonly string[]> {
  await using file = await LiveFile.open(undefined, path);
  const names = await file.keys();
  for (const name of names) {
    const diode = await file.dataset(`/${name}/diode`);
    expect(await diode.shape(), name).toEqual([POINTS]);
    expect(await diode.at(-1), name).toBe(POINTS - 1 + Number.parseInt(name, 10));
  }
  return names;
}

describe.each([
  ["HDF5", "data.h5", writeHdf5],
  ["Zarr", "data.zarr", writeZarr],
] as const)("A process that is killed while it writes %s", (_, name, write) => {
  it(
    "leaves the file that was there whole, and nothing that the next write does not sweep",
    async () => {
      const path = join(folder, name);
      await using file = await LiveFile.open(store, path);
      await filled(path, 1);
      await write(file);
      await filled(path, 2);
      const open = await numbered(path, 3);
      for (let trial = 0; trial < TRIALS; trial++) {
        const writing = await startWriting(path);
        // Anywhere from its first byte to where it waits for the scan that is open.
        for (let turns = randomInt(50); turns > 0; turns--) await stat(path);
        await kill(writing);
        expect(await groupsOf(path)).toEqual(["1.1"]);
        // Also that of the kill before is swept.
        expect(await drafts()).toHaveLength(1);
      }
      const [left = ""] = await drafts();
      // As it is called where a process was killed while it swept.
      if (name === "data.zarr") await rename(join(folder, left), join(folder, `.sluice-gone-0123456789abcdef.${left}`));
      expect(await write(file, { names: ["2.1"] })).toEqual(["2.1"]);
      expect(await groupsOf(path)).toEqual(["1.1", "2.1"]);
      expect(await drafts()).toEqual([]);
      await open.close();
    },
    60_000 + TRIALS * 60_000,
  );

  it("keeps, while it lives, its own draft and the groups of others who write meanwhile", {
    timeout: 120_000,
  }, async () => {
    const path = join(folder, name);
    await using file = await LiveFile.open(store, path);
    await filled(path, 1);
    const open = await numbered(path, 2);
    const writing = await startWriting(path);
    const ended = once(writing, "close");
    const own = await drafts();
    await writeFile(join(folder, `.other-${name}.sluice-new-x`), "");
    const other = `.${name}.sluice-new-elsewhere.1.1.0123abcd`;
    await writeFile(join(folder, other), "");
    await filled(path, 3);
    expect(await write(file, { names: ["1.1", "3.1"] })).toEqual(["1.1", "3.1"]);
    await store.deleteScan((await store.lastScan()).key);
    expect(await drafts()).toEqual([...own, `.other-${name}.sluice-new-x`, other].sort());
    await open.writer("diode").send(Float64Array.from({ length: POINTS }, (_, i) => i + 2));
    await open.close();
    await ended;
    expect([...(await groupsOf(path))].sort()).toEqual(["1.1", "2.1", "3.1"]);
  });
});
