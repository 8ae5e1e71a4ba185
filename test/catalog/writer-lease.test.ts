/** Runs whose writer is gone, and runs whose writer is only quiet. */
import { spawnSync } from "node:child_process";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { Catalog } from "../../src/catalog/catalog.ts";
import { openDatabase } from "../../src/catalog/database.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { isAlive, thisProcess } from "../../src/catalog/writing-process.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { catalogEngines } from "../support/catalog-engines.ts";
import * as files from "./beamtime-folder.ts";
import { oldBeamtime } from "./old-beamtime.ts";

const ps = { name: "PS" };
/** A process that has ended. */
function endedProcess(): string {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  return JSON.stringify([hostname(), pid, "1"]);
}

describe("a process", () => {
  it("lives, has ended, or is elsewhere", () => {
    expect(isAlive(thisProcess())).toBe(true);
    expect(isAlive(endedProcess())).toBe(false);
    expect(isAlive(JSON.stringify(["elsewhere", 1, "1"]))).toBeUndefined();
  });

  it.each(["", "{", "7", "{}", '["here"]', '["here","1","1"]', '["here",0,"1"]', '["here",1,1]'])(
    "that %j names is none, and that is damage",
    (text) => {
      expect(() => isAlive(text)).toThrow(expect.objectContaining({ code: "CORRUPT" }));
    },
  );

  it.skipIf(process.platform === "win32")("of an old number that somebody else has now has ended", () => {
    const [host, pid, started] = JSON.parse(thisProcess()) as [string, number, string];
    expect(isAlive(JSON.stringify([host, pid, `${started}0`]))).toBe(started === "");
  });
});

describe("an unfinished run of resonance", () => {
  it("says nothing of its writer, and is lost", async () => {
    const path = await files.newBeamtime();
    await oldBeamtime(path, 2);
    await new RunWriter(path, ps).use(async (writer) => expect(writer.lostRuns).toEqual(["bb"]));
    expect(await files.rowsOf(path, "SELECT uid, exit_status FROM runs ORDER BY uid")).toEqual([
      { uid: "aa", exit_status: "success" },
      { uid: "bb", exit_status: "lost" },
    ]);
  });
});

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, rowsOf }) => {
  prepare();

  const statusOf = async (path: string, run: string) =>
    (await rowsOf<{ exit_status: string | null }>(path, `SELECT exit_status FROM runs WHERE uid = '${run}'`))[0]
      ?.exit_status;

  /** Makes the rows of all writers those of another process. */
  async function disguise(path: string, process: string): Promise<void> {
    await using database = await openDatabase(path);
    await database.transaction((transaction) => transaction.run("UPDATE writers SET process = ?", [process]));
  }

  async function openRun(path: string, options: ConstructorParameters<typeof RunWriter>[2] = {}) {
    const writer = new RunWriter(path, ps, options);
    await writer.open();
    const run = await writer.openRun("scan");
    await writer.openStream("primary", {});
    return { writer, run };
  }

  describe("an unfinished run", () => {
    it("of a writer that lives is left alone", async () => {
      const path = await newBeamtime();
      const { writer, run } = await openRun(path);
      const other = new RunWriter(path, ps);
      await other.open();
      expect(other.lostRuns).toEqual([]);
      await other.close();
      expect(await statusOf(path, run)).toBeNull();
      await writer.closeRun();
      await writer.close();
      expect(await statusOf(path, run)).toBe("success");
    });

    it("of a process that has ended is lost, with the events that are there, and listeners hear of it", async () => {
      const path = await newBeamtime();
      const { writer, run } = await openRun(path);
      await writer.writeEvent({});
      await writer.flush();
      await disguise(path, endedProcess());
      const heard: string[] = [];
      const next = new RunWriter(path, ps);
      next.onRunEnd(async (uid) => void heard.push(uid));
      await next.open();
      expect(next.lostRuns).toEqual([run]);
      expect(heard).toEqual([run]);
      await next.close();
      expect(await rowsOf(path, "SELECT exit_status, time_stop, num_events FROM runs")).toEqual([
        { exit_status: "lost", time_stop: null, num_events: 1 },
      ]);
      await writer.close();
    });

    it("of another machine is lost when its writer has been quiet for too long, and not before", async () => {
      const path = await newBeamtime();
      let now = 1000;
      const time = () => now;
      const { writer, run } = await openRun(path, { time, leaseSeconds: 60, clock: new FakeClock() });
      await disguise(path, JSON.stringify(["elsewhere", 1, "1"]));
      now = 1060;
      await new RunWriter(path, ps, { time }).use(async (next) => expect(next.lostRuns).toEqual([]));
      now = 1061;
      await new RunWriter(path, ps, { time }).use(async (next) => expect(next.lostRuns).toEqual([run]));
      // The machine had only slept: the next event brings the run back.
      await writer.writeEvent({});
      await writer.flush();
      expect(await statusOf(path, run)).toBeNull();
      await new RunWriter(path, ps, { time }).use(async (next) => expect(next.lostRuns).toEqual([]));
      await writer.closeRun();
      await writer.close();
      expect(await statusOf(path, run)).toBe("success");
    });

    it("is renewed while nothing is written", async () => {
      const path = await newBeamtime();
      const clock = new FakeClock();
      const { writer } = await openRun(path, { clock, time: () => 1000 + clock.now() / 1000, leaseSeconds: 30 });
      for (const heartbeat of [1010, 1020]) {
        await clock.advance(10_000);
        const signs = () => rowsOf(path, "SELECT heartbeat, expires FROM writers");
        await expect.poll(signs, { timeout: 30_000 }).toEqual([{ heartbeat, expires: heartbeat + 30 }]);
        // The next one is due: a server answers in its own time, whatever the clock says.
        await expect.poll(() => clock.pending, { timeout: 30_000 }).toBe(1);
      }
      await writer.close();
      await clock.advance(60_000);
      expect(clock.pending).toBe(0);
      expect(await rowsOf(path, "SELECT * FROM writers")).toEqual([]);
    });

    it("of a writer whose row is damaged is one that lives as long as the row says, and hides no other", async () => {
      const path = await newBeamtime();
      let now = 1000;
      const time = () => now;
      const { writer, run } = await openRun(path, { time, leaseSeconds: 60, clock: new FakeClock() });
      await disguise(path, "{");
      await using catalog = await Catalog.open(path, { time });
      expect((await catalog.recent()).map(({ uid, status }) => [uid, status])).toEqual([[run, "running"]]);
      now = 1061;
      expect((await catalog.get(run)).status).toBe("lost");
      await new RunWriter(path, ps, { time }).use(async (next) => expect(next.lostRuns).toEqual([run]));
      await writer.close();
    });
  });

  describe("listeners", () => {
    it("hear of each run when it is in the file, until they stop", async () => {
      const path = await newBeamtime();
      const writer = new RunWriter(path, ps);
      await writer.open();
      const heard: unknown[] = [];
      const stop = writer.onRunEnd(async (uid) => void heard.push([uid, await statusOf(path, uid)]));
      const first = await writer.openRun("scan");
      await writer.closeRun();
      stop();
      await writer.openRun("scan");
      await writer.close();
      expect(heard).toEqual([[first, "success"]]);
    });

    it("that throw are heard of, and the run is closed", async () => {
      const path = await newBeamtime();
      const writer = new RunWriter(path, ps);
      await writer.open();
      writer.onRunEnd(() => Promise.reject(new Error("no index")));
      const run = await writer.openRun("scan");
      await expect(writer.closeRun()).rejects.toThrow("no index");
      expect(writer.runUid).toBeUndefined();
      expect(await statusOf(path, run)).toBe("success");
      await writer.close();
    });
  });
});
