/** What happens to a folder: full disks, damage, other versions, what is left over, and clocks that are set. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Entry, LiveEngine } from "../../../src/live/engine.ts";
import { type FileEngineOptions, type MachineTime, openFileEngine } from "../../../src/live/engines/file/index.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { whyNoMount } from "../../support/mounts.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const SCAN = "esrf:scan:01JD0000000000000000000001";
const streams = { a: { name: "a", key: KEY, encoding: { type: "json" }, info: {} } } as const;

const noMount = whyNoMount();
const why = noMount ? ` (not tried: ${noMount})` : "";

let root: string;
const engines: LiveEngine[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-live-faults-"));
});
afterEach(async () => {
  await closeAll();
  await rm(root, { recursive: true, force: true });
});

async function connect(options: Partial<FileEngineOptions> = {}): Promise<LiveEngine> {
  const engine = await openFileEngine({ root, ...options });
  engines.push(engine);
  return engine;
}

async function closeAll(): Promise<void> {
  await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
}

const entry = (index: number, bytes = 4): Entry => ({ index, length: 1, payload: new Uint8Array(bytes).fill(index) });

async function append(engine: LiveEngine, from: number, to: number, bytes?: number): Promise<void> {
  for (let index = from; index < to; index++) await engine.append(KEY, [entry(index, bytes)]);
}

async function segmentFiles(): Promise<string[]> {
  const names = await readdir(join(root, "segments"), { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith(".seg")).sort();
}

/** Runs SQL on the index while nobody has it open. */
async function sql(text: string): Promise<void> {
  const driver = await openSqlite(join(root, "index.db"));
  driver.exec(text);
  driver.close();
}

describe("a folder", () => {
  it("has an index that shrinks, and says whose it is", async () => {
    await append(await connect(), 0, 1);
    await closeAll();
    const driver = await openSqlite(join(root, "index.db"), { readOnly: true });
    const value = (name: string) => Object.values(driver.all(`PRAGMA ${name}`)[0] ?? {})[0];
    expect([value("auto_vacuum"), value("application_id"), value("user_version")]).toEqual([2, 0x534c4956, 1]);
    expect(driver.all("SELECT first, points, entries FROM entries")).toEqual([{ first: 0, points: 1, entries: 1 }]);
    driver.close();
  });

  it("keeps scans and points when all have closed it", async () => {
    const engine = await connect();
    await engine.createScan({ key: SCAN, identity: { name: "a" }, info: {} });
    await append(engine, 0, 3, 30_000);
    await closeAll();
    const again = await connect();
    expect((await again.getScan(SCAN))?.identity).toEqual({ name: "a" });
    expect((await again.range(KEY, 0, 9)).entries.map(({ payload }) => payload[0])).toEqual([0, 1, 2]);
    await append(again, 3, 4, 30_000);
    expect((await again.scansAfter("oldest", { timeoutMs: 0 })).scans).toEqual([{ tag: "1-0", key: SCAN }]);
  });

  it("gives the space of whole segment files back, also under a reader that has them open", async () => {
    const engine = await connect({ segmentBytes: 100_000 });
    const reader = await connect();
    await append(engine, 0, 20, 40_000);
    expect(await segmentFiles()).toHaveLength(7);
    expect((await reader.range(KEY, 0, 1)).entries).toHaveLength(1);
    const { bytes } = await engine.usage();
    expect(await engine.trim(KEY, 10)).toBe(10);
    expect(await segmentFiles()).toHaveLength(4);
    expect((await engine.usage()).bytes).toBeLessThan(bytes - 300_000);
    const { entries, bounds } = await reader.range(KEY, 0, 20);
    expect([entries[0]?.index, entries.length, bounds.floor]).toEqual([10, 10, 10]);
    await engine.seal(KEY);
    await engine.trim(KEY, 20);
    expect(await segmentFiles()).toEqual([]);
    expect((await engine.bounds([KEY]))[0]).toMatchObject({ floor: 20, length: 20 });
  });

  it("gives the space of a deleted scan back while somebody reads it, and the reader is told", async () => {
    const engine = await connect();
    await engine.createScan({ key: SCAN, identity: {}, info: {} });
    await engine.transition(SCAN, { from: [0], to: 1, streams });
    await append(engine, 0, 100, 20_000);
    const reader = await connect();
    const reading = (async () => {
      for (;;) {
        const { entries, bounds } = await reader.range(KEY, 0, 100, { maxBytes: 200_000 });
        expect(entries[0]?.index ?? bounds.length).toBe(bounds.floor);
        if (bounds.sealed) return bounds;
      }
    })();
    await engine.deleteScan(SCAN);
    expect(await reading).toMatchObject({ floor: 100, length: 100, sealed: true });
    expect(await segmentFiles()).toEqual([]);
  });

  it("is swept of what dead processes left: files without a row, and streams of scans long deleted", async () => {
    let millis = 0;
    const time: MachineTime = { boot: "1", now: () => millis, wall: () => millis };
    const engine = await connect({ time });
    await engine.createScan({ key: SCAN, identity: {}, info: {} });
    await engine.transition(SCAN, { from: [0], to: 1, streams });
    await append(engine, 0, 2, 30_000);
    const [kept] = await segmentFiles();
    await mkdir(join(root, "segments", "77"));
    await writeFile(join(root, "segments", "77", "123.seg"), "left over");
    await writeFile(join(root, "segments", "note.txt"), "of somebody");
    await connect({ time });
    expect(await segmentFiles()).toEqual([kept]);
    expect(existsSync(join(root, "segments", "note.txt"))).toBe(true);
    await engine.deleteScan(SCAN);
    const [bounds] = await (await connect({ time })).bounds([KEY]);
    expect(bounds).toMatchObject({ length: 2, sealed: true });
    millis = 10_001;
    const [forgotten] = await (await connect({ time })).bounds([KEY]);
    expect(forgotten).toEqual({ floor: 0, length: 0, sealed: false, durable: 0 });
  });

  it("lets a stream change its writer and come back, and never writes to a segment that was removed", async () => {
    const [one, other] = [await connect(), await connect()];
    await append(one, 0, 2, 30_000);
    await append(other, 2, 4, 30_000);
    await other.trim(KEY, 3);
    await append(one, 4, 6, 30_000);
    const { entries } = await other.range(KEY, 0, 9);
    expect(entries.map(({ index, payload }) => [index, payload[0]])).toEqual([3, 4, 5].map((i) => [i, i]));
  });
});

describe("a folder that cannot be used", () => {
  it.each([
    ["no database", (bytes: Buffer) => bytes.fill(0x55), "CORRUPT"],
    ["damaged in its first page", (bytes: Buffer) => bytes.fill(0xff, 100, 2000), "CORRUPT"],
  ])("is named and left alone: an index that is %s", async (_name, damage, code) => {
    await append(await connect(), 0, 100);
    await closeAll();
    const path = join(root, "index.db");
    const damaged = damage(await readFile(path));
    await writeFile(path, damaged);
    await expect(connect()).rejects.toMatchObject({ code, message: expect.stringContaining(path) });
    expect(await readFile(path)).toEqual(damaged);
  });

  it("of a newer version is refused, and of another program too", async () => {
    await connect();
    await closeAll();
    await sql("PRAGMA user_version = 2");
    await expect(connect()).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(connect({ readOnly: true })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await rm(join(root, "index.db"));
    await sql("CREATE TABLE runs (uid TEXT)");
    await expect(connect()).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("says which payload is damaged, and gives all others", async () => {
    const engine = await connect();
    await append(engine, 0, 3, 30_000);
    const [name] = await segmentFiles();
    const path = join(root, "segments", name as string);
    const file = await open(path, "r+");
    await file.write(Buffer.of(99), 0, 1, (await stat(path)).size - 1);
    await file.close();
    expect((await engine.range(KEY, 0, 2)).entries).toHaveLength(2);
    await expect(engine.range(KEY, 2, 3)).rejects.toMatchObject({ code: "CORRUPT" });
    await rm(path);
    const other = await connect();
    await expect(other.range(KEY, 0, 1)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("can be read without a right to write, and follows those who write", async () => {
    await expect(connect({ readOnly: true })).rejects.toMatchObject({ code: "NOT_FOUND" });
    const engine = await connect();
    await append(engine, 0, 2, 30_000);
    const reader = await connect({ readOnly: true });
    expect((await reader.range(KEY, 0, 9)).entries).toHaveLength(2);
    const waiting = reader.wait(new Map([[KEY, 2]]));
    await append(engine, 2, 3);
    expect((await waiting).get(KEY)?.bounds.length).toBe(3);
    for (const call of [
      reader.append(KEY, [entry(3)]),
      reader.seal(KEY),
      reader.trim(KEY, 1),
      reader.createScan({ key: SCAN, identity: {}, info: {} }),
    ]) {
      await expect(call).rejects.toMatchObject({ code: "READ_ONLY" });
    }
    expect(await reader.closeLost()).toEqual([]);
  });
});

describe("a full disk", () => {
  it.skipIf(noMount !== undefined)(
    `refuses what does not fit, lets scans end and old data go, and then takes it${why}`,
    async () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", root]);
      try {
        for (const bytes of [2000, 200_000]) {
          const engine = await connect({ segmentBytes: 1_000_000 });
          await engine.createScan({ key: SCAN, identity: {}, info: {} });
          await engine.transition(SCAN, { from: [0], to: 1, streams });
          let index = 0;
          const fill = async () => {
            for (; index < 20_000; index++) await engine.append(KEY, [entry(index, bytes)]);
          };
          await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE" });
          expect((await engine.bounds([KEY]))[0]?.length).toBe(index);
          await engine.trim(KEY, index - 1);
          await append(engine, index, index + 2, bytes);
          const [last] = (await engine.range(KEY, index + 1, index + 2)).entries;
          expect(Buffer.compare(last?.payload ?? Buffer.of(), entry(index + 1, bytes).payload)).toBe(0);
          index += 2;
          await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE" });
          await (await connect()).bounds([KEY]);
          expect((await engine.transition(SCAN, { from: [1], to: 4, endReason: "FAILURE" })).state).toBe(4);
          expect((await engine.bounds([KEY]))[0]).toMatchObject({ sealed: true, length: index });
          await engine.deleteScan(SCAN);
          await closeAll();
          for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
        }
      } finally {
        await closeAll();
        execFileSync("umount", [root]);
      }
    },
  );
});

describe("clocks", () => {
  /** Two processes of one machine: one count since its start, and a wall clock that anybody may set. */
  function machine() {
    const state = { boot: "first", uptime: 1000, wall: 1_700_000_000_000 };
    const time: MachineTime = {
      get boot() {
        return state.boot;
      },
      now: () => state.uptime,
      wall: () => state.wall,
    };
    return { state, time };
  }

  it("that are set back or forth end no lease and keep none alive", async () => {
    const { state, time } = machine();
    const [one, other] = [await connect({ time }), await connect({ time })];
    await one.createScan({ key: SCAN, identity: {}, info: {}, lease: { owner: "me", ms: 30_000 } });
    for (const jump of [86_400_000, -2 * 86_400_000]) {
      state.wall += jump;
      expect(await other.closeLost()).toEqual([]);
      expect((await other.getScan(SCAN))?.lease?.remainingMs).toBe(30_000);
    }
    state.uptime += 30_001;
    expect(await other.closeLost()).toEqual([SCAN]);
    expect((await one.getScan(SCAN))?.endReason).toBe("LOST");
  });

  it("that begin anew with the machine end the leases of before, and keep times to live by the wall", async () => {
    const { state, time } = machine();
    const kept = SCAN.replace(/1$/, "2");
    const engine = await connect({ time });
    await engine.createScan({ key: SCAN, identity: {}, info: {}, lease: { owner: "me", ms: 30_000 } });
    await engine.createScan({ key: kept, identity: {}, info: {} });
    await engine.expire(kept, 86_400_000);
    await closeAll();
    for (const boot of ["second", "first"]) {
      // Also where the system does not say that it has started anew: times that began later than now cannot be of this run.
      Object.assign(state, { boot, uptime: 500 });
      const again = await connect({ time });
      expect((await again.getScan(kept))?.key).toBe(kept);
      expect((await again.getScan(SCAN))?.lease?.remainingMs ?? 0).toBe(0);
      await closeAll();
    }
    const again = await connect({ time });
    expect(await again.closeLost()).toEqual([SCAN]);
    state.wall += 86_400_001;
    expect(await again.getScan(kept)).toBeUndefined();
    expect(await again.closeLost()).toEqual([]);
    expect((await again.search({})).keys).toEqual([SCAN]);
  });

  it("of this machine are the same in every process", async () => {
    const engine = await connect();
    await engine.createScan({ key: SCAN, identity: {}, info: {}, lease: { owner: "me", ms: 600_000 } });
    const left = (await (await connect()).getScan(SCAN))?.lease?.remainingMs;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(600_000);
  });
});

describe("looking for what others have written", () => {
  it("happens as often as was said while somebody waits, and not at all when nobody does", async () => {
    const clock = new FakeClock();
    const [writer, reader] = [await connect(), await connect({ clock, pollMs: 50 })];
    expect(clock.pending).toBe(0);
    const waits = [0, 1].map(() => reader.wait(new Map([[KEY, 0]])));
    await expect.poll(() => clock.pending).toBe(1);
    await append(writer, 0, 1);
    await clock.advance(49);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    for (const wait of waits) expect((await wait).get(KEY)?.bounds.length).toBe(1);
    expect(clock.pending).toBe(0);
  });
});
