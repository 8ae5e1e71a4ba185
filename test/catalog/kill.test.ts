/** Processes that are killed while they write runs, and processes that write the same file. */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "../../src/catalog/database.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { type Bundle, bundle, installed } from "../support/bundle.ts";
import { arrayBeside, newBeamtime, rowsOf } from "./beamtime-folder.ts";

/** Processes that are killed. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 20);

/** A process is killed at a random moment within this time after its run began. */
const WINDOW_MS = 150;

/** Processes that write one file at the same time, events of each, and connections that read meanwhile. */
const WRITERS = 2;
const EVENTS = Number(process.env.SLUICE_WRITER_EVENTS ?? 300);
const READERS = 5;

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("children/write-run.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());

/** Starts a child, kills it within the window after its first lines, and answers what it said. */
async function killAtRandom(path: string, afterLines: number): Promise<{ run: string; committed: number }> {
  const running = spawn(process.execPath, [child.path, path], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  let timer: NodeJS.Timeout | undefined;
  running.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
    if (output.split("\n").length <= afterLines) return;
    timer ??= setTimeout(() => running.kill("SIGKILL"), randomInt(WINDOW_MS));
  });
  const [, signal] = await once(running, "close");
  clearTimeout(timer);
  expect(signal, output).toBe("SIGKILL");
  const [run = "", ...lines] = output.split("\n").slice(0, -1);
  return { run, committed: Number(lines.at(-1) ?? 0) };
}

/** Looks at what a killed writer left: events without gaps, and behind every reference the image of its event. */
async function expectWhole(path: string, run: string, atLeast: number): Promise<void> {
  const [row] = await rowsOf<{ exit_status: string; num_events: number }>(
    path,
    `SELECT exit_status, num_events FROM runs WHERE uid = '${run}'`,
  );
  const events = await rowsOf<{ seq_num: number; data: string }>(
    path,
    `SELECT seq_num, data FROM events e JOIN streams s ON e.stream_uid = s.uid WHERE s.run_uid = '${run}' ORDER BY seq_num`,
  );
  expect(row).toEqual({ exit_status: "lost", num_events: events.length });
  expect(events.length).toBeGreaterThanOrEqual(atLeast);
  expect(events.map(({ data }) => JSON.parse(data).i)).toEqual(events.map((_, index) => index + 1));
  const images = await rowsOf<{ zarr_group: string; index_in_stack: number; seq_num: number }>(
    path,
    "SELECT i.zarr_group, i.index_in_stack, e.seq_num FROM image_refs i JOIN events e ON i.event_uid = e.uid " +
      `JOIN streams s ON e.stream_uid = s.uid WHERE s.run_uid = '${run}' ORDER BY i.index_in_stack`,
  );
  expect(images.length).toBeGreaterThanOrEqual(Math.floor(atLeast / 3));
  expect(images.map((image) => image.index_in_stack)).toEqual(images.map((_, index) => index));
  if (images.length === 0) return;
  const array = await arrayBeside(path, `runs/${run}/cam`);
  expect(array.shape[0]).toBeGreaterThanOrEqual(images.length);
  for (const { index_in_stack: index, seq_num: event } of images) {
    const { data } = await array.frame(index);
    expect(new Set(data as Uint32Array)).toEqual(new Set([event]));
  }
}

describe("case 55: a process killed while events and images arrive", () => {
  test(
    `leaves all that was committed, its run marked lost, and no reference to nothing, in ${TRIALS} trials`,
    async () => {
      const path = await newBeamtime();
      let committed = 0;
      for (let trial = 0; trial < TRIALS; trial++) {
        // Every second one has said that something is committed: on a busy machine the window may be over before.
        const told = await killAtRandom(path, 1 + (trial % 2));
        committed += told.committed;
        const next = new RunWriter(path, { name: "PS" });
        await next.open();
        expect(next.lostRuns).toEqual([told.run]);
        await next.close();
        await expectWhole(path, told.run, told.committed);
      }
      expect(await rowsOf(path, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
      expect(await rowsOf(path, "PRAGMA foreign_key_check")).toEqual([]);
      expect(await rowsOf(path, "SELECT * FROM writers")).toEqual([]);
      // Otherwise all were killed before they had committed anything, and nothing was tried.
      expect(committed).toBeGreaterThan(0);
    },
    60_000 + TRIALS * 5_000,
  );
});

describe("case 57: processes that write one file", () => {
  test(`all find their events there, none is taken for gone, and ${READERS} readers see them come`, async () => {
    const path = await newBeamtime();
    await new RunWriter(path, { name: "PS" }).use(async () => {});
    const args = [child.path, path, "25", String(EVENTS)];
    const processes = Array.from({ length: WRITERS }, () =>
      spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] }),
    );
    for (const running of processes) running.stdout.resume();
    const ended = Promise.all(processes.map((running) => once(running, "close")));
    let isOver = false;
    const readers = Array.from({ length: READERS }, async () => {
      const database = await openDatabase(path, { readOnly: true });
      const seen = new Set<number>();
      for (let last = 0; !isOver; last = Math.max(...seen)) {
        // Whole groups, none of them ever gone again, and behind each reference an event.
        const [{ events, dangling } = { events: 0, dangling: 0 }] = await database.all<{
          events: number;
          dangling: number;
        }>(
          "SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM image_refs " +
            "WHERE event_uid NOT IN (SELECT uid FROM events)) AS dangling",
        );
        expect(dangling).toBe(0);
        expect(events).toBeGreaterThanOrEqual(last);
        seen.add(events);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await database.close();
      return seen.size;
    });
    const ends = await ended;
    isOver = true;
    expect(ends.map(([code]) => code)).toEqual(processes.map(() => 0));
    for (const states of await Promise.all(readers)) expect(states).toBeGreaterThan(1);
    const runs = await rowsOf(path, "SELECT exit_status, num_events FROM runs");
    expect(runs).toEqual(processes.map(() => ({ exit_status: "success", num_events: EVENTS })));
    const images = WRITERS * Math.floor(EVENTS / 25);
    expect(await rowsOf(path, "SELECT count(*) AS n FROM image_refs")).toEqual([{ n: images }]);
    expect(await rowsOf(path, "SELECT count(*) AS n FROM samples")).toEqual([{ n: 1 }]);
  }, 240_000);
});
