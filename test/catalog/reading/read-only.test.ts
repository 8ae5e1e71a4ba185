import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { repository } from "../../structure/source-files.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { requireBuild } from "../../support/built.ts";
import { whyNoMount } from "../../support/mounts.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { newBeamtime } from "../beamtime-folder.ts";

const noMount = whyNoMount();
if (noMount !== undefined) console.warn(`no read-only file system to try: ${noMount}`);

async function closedFile(): Promise<string> {
  const path = await newBeamtime();
  await using file = await BeamtimeFile.make(path);
  await file.run({ uid: "a" });
  await file.events(await file.stream("a"), [{ x: 1 }]);
  return path;
}

/** A file with its log, as a killed process leaves them: a run with some events, of which most are in the log alone. */
async function abandonedFile(): Promise<string> {
  requireBuild();
  const path = await newBeamtime();
  const script = fileURLToPath(new URL("write-run.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const catalog = await Catalog.open(path);
  const [run] = await catalog.recent(1);
  for await (const { seqNum } of run?.follow() ?? []) if (seqNum === 5) break;
  child.kill("SIGKILL");
  await once(child, "exit");
  // A reader that closes last would tidy up: the copy is of before.
  const copy = join(dirname(path), "abandoned.db");
  for (const end of ["", "-wal", "-shm"]) await copyFile(`${path}${end}`, `${copy}${end}`);
  await catalog.close();
  return copy;
}

/** The folder of a file again, at another place, where nothing can be written. */
async function readOnlyFolder(path: string): Promise<string> {
  const place = join(dirname(path), "..", `${basename(dirname(path))}-ro`);
  await mkdir(place);
  execFileSync("mount", ["--bind", dirname(path), place]);
  onTestFinished(() => {
    execFileSync("umount", [place]);
    execFileSync("rmdir", [place]);
  });
  execFileSync("mount", ["-o", "remount,bind,ro", place]);
  return join(place, basename(path));
}

async function runsOf(path: string): Promise<string[]> {
  await using catalog = await Catalog.open(path);
  const runs = await catalog.recent();
  return await Promise.all(runs.map(async (run) => `${run.planName} ${run.status} ${(await run.table()).length > 0}`));
}

describe("a catalogue that is only read", () => {
  it("is the same afterwards, byte for byte", async () => {
    const path = await closedFile();
    const before = await readFile(path);
    expect(await runsOf(path)).toEqual(["scan success true"]);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it("has the events that a killed writer left in its log, and says that the run is lost", async () => {
    expect(await runsOf(await abandonedFile())).toEqual(["follow_me lost true"]);
  });

  it("that is no database, or a damaged one, is named and left as it was", async () => {
    const path = await closedFile();
    const damaged = (await readFile(path)).fill(0x5a, 100, 8000);
    for (const bytes of [Buffer.from("not a database, though long enough to be looked at ".repeat(50)), damaged]) {
      const bad = join(dirname(path), "bad.db");
      await writeFile(bad, bytes);
      const error = await rejectionOf(runsOf(bad));
      expect(error.code).toBe("CORRUPT");
      expect(error.message).toContain("bad.db");
      expect((await readFile(bad)).equals(bytes)).toBe(true);
    }
  });

  it("of something else is not taken for one", async () => {
    const path = await newBeamtime();
    const { openSqlite } = await import("../../../src/sqlite/open.ts");
    const driver = await openSqlite(path);
    driver.exec("CREATE TABLE birds (name TEXT)");
    driver.close();
    expect((await rejectionOf(Catalog.open(path))).code).toBe("INVALID_DATA");
    expect((await rejectionOf(Catalog.open(path, { readOnly: false }))).code).toBe("INVALID_DATA");
  });

  it("of a newer version is refused, with both versions", async () => {
    const path = await closedFile();
    const { openSqlite } = await import("../../../src/sqlite/open.ts");
    const driver = await openSqlite(path);
    driver.exec("PRAGMA user_version = 9");
    driver.close();
    const error = await rejectionOf(Catalog.open(path));
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.message).toMatch(/version 9 .* up to 3/);
  });
});

/** What a user who may write nowhere near a file reads there. */
async function readByOthers(path: string): Promise<string> {
  requireBuild();
  const script =
    "import { Catalog } from 'sluice/catalog'; const catalog = await Catalog.open(process.argv[1]);" +
    "for (const { planName, status } of await catalog.recent()) console.log(planName, status); await catalog.close();";
  // Root may write wherever it likes.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const args = ["--input-type=module", "-e", script, path];
  return execFileSync(process.execPath, args, { cwd: repository, encoding: "utf8", ...user });
}

describe("in a folder that the user may not write to", () => {
  const lock = async (path: string) => {
    for (const end of ["", "-wal", "-shm"]) await chmod(`${path}${end}`, 0o444).catch(() => {});
    await chmod(dirname(path), 0o555);
    onTestFinished(() => chmod(dirname(path), 0o755));
  };

  it("a catalogue that was closed properly is read", async () => {
    const path = await closedFile();
    await lock(path);
    expect(await readByOthers(path)).toBe("scan success\n");
  });

  it("one with a log that was left behind is read, with what is in the log", async () => {
    const path = await abandonedFile();
    await lock(path);
    expect(await readByOthers(path)).toBe("follow_me lost\n");
  });
});

describe.skipIf(noMount !== undefined)("on a file system that cannot be written", () => {
  it("a catalogue that was closed properly is read", async () => {
    expect(await runsOf(await readOnlyFolder(await closedFile()))).toEqual(["scan success true"]);
  });

  it("one with a log that was left behind is read, with what is in the log", async () => {
    const path = await readOnlyFolder(await abandonedFile());
    expect((await stat(`${path}-wal`)).size).toBeGreaterThan(0);
    expect(await runsOf(path)).toEqual(["follow_me lost true"]);
  });

  it("one whose log lacks the index that SQLite would have to make is refused, not read without the log", async () => {
    const path = await abandonedFile();
    await rm(`${path}-shm`);
    const error = await rejectionOf(runsOf(await readOnlyFolder(path)));
    expect(["PERMISSION_DENIED", "READ_ONLY"]).toContain(error.code);
    expect(error.message).toContain("abandoned.db");
  });

  it("one to be written is refused", async () => {
    const path = await readOnlyFolder(await closedFile());
    expect((await rejectionOf(Catalog.open(path, { readOnly: false }))).code).toBe("READ_ONLY");
  });
});
