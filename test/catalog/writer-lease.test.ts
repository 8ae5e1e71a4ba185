/** Runs whose writer is gone, and runs whose writer is only quiet. */
import { spawnSync } from "node:child_process";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { isAlive, thisProcess } from "../../src/catalog/writing-process.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { newBeamtime, rowsOf } from "./beamtime-folder.ts";
import { oldBeamtime } from "./old-beamtime.ts";

const ps = { name: "PS" };
const statusOf = async (path: string, run: string) =>
  (await rowsOf<{ exit_status: string | null }>(path, `SELECT exit_status FROM runs WHERE uid = '${run}'`))[0]
    ?.exit_status;

/** Makes the rows of all writers those of another process. */
async function disguise(path: string, process: string): Promise<void> {
  const driver = await openSqlite(path);
  driver.run("UPDATE writers SET process = ?", [process]);
  driver.close();
}

/** A process that has ended. */
function endedProcess(): string {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  return JSON.stringify([hostname(), pid, "1"]);
}

async function openRun(path: string, options: ConstructorParameters<typeof RunWriter>[2] = {}) {
  const writer = new RunWriter(path, ps, options);
  await writer.open();
  const run = await writer.openRun("scan");
  await writer.openStream("primary", {});
  return { writer, run };
}

describe("a process", () => {
  it("lives, has ended, or is elsewhere", () => {
    expect(isAlive(thisProcess())).toBe(true);
    expect(isAlive(endedProcess())).toBe(false);
    expect(isAlive(JSON.stringify(["elsewhere", 1, "1"]))).toBeUndefined();
  });

  it.skipIf(process.platform === "win32")("of an old number that somebody else has now has ended", () => {
    const [host, pid, started] = JSON.parse(thisProcess()) as [string, number, string];
    expect(isAlive(JSON.stringify([host, pid, `${started}0`]))).toBe(started === "");
  });
});

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

  it("of resonance, which says nothing of its writer, is lost", async () => {
    const path = await newBeamtime();
    await oldBeamtime(path, 2);
    await new RunWriter(path, ps).use(async (writer) => expect(writer.lostRuns).toEqual(["bb"]));
    expect(await statusOf(path, "bb")).toBe("lost");
    expect(await statusOf(path, "aa")).toBe("success");
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
    await clock.advance(25_000);
    expect(await rowsOf(path, "SELECT heartbeat, expires FROM writers")).toEqual([{ heartbeat: 1020, expires: 1050 }]);
    await writer.close();
    await clock.advance(60_000);
    expect(clock.pending).toBe(0);
    expect(await rowsOf(path, "SELECT * FROM writers")).toEqual([]);
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
