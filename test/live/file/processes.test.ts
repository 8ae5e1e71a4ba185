/** Several processes on one folder: writers that are killed, readers of every pace. `SLUICE_LIVE_MINUTE=1`: a full minute. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { type FileEngineOptions, openFileEngine } from "../../../src/live/engines/file/index.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { payloadOf, whyWrong } from "./payloads.ts";

const STREAM = "esrf:stream:01JD0000000000000000000001";

/** Processes that are killed in the middle of appends. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 8);

/** A process is killed at a random moment within this time after its first line. */
const WINDOW_MS = 120;

const isMinute = process.env.SLUICE_LIVE_MINUTE !== undefined;

/** Readers of different paces, over processes. */
const [READING_PROCESSES, READERS] = isMinute ? [5, 10] : [2, 5];

let child: Bundle;
let root: string;
const engines: LiveEngine[] = [];
const running: ChildProcess[] = [];

async function connect(options: Partial<FileEngineOptions> = {}): Promise<LiveEngine> {
  const engine = await openFileEngine({ root, ...options });
  engines.push(engine);
  return engine;
}

function start(...args: readonly string[]) {
  const process_ = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(process_);
  const lines: string[] = [];
  const reader = createInterface({ input: process_.stdout });
  reader.on("line", (line) => lines.push(line));
  return { process: process_, lines, firstLine: once(reader, "line"), end: once(process_, "close") };
}

beforeAll(async () => {
  child = await bundle(new URL("children/live-process.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-live-processes-"));
});
afterEach(async () => {
  for (const process_ of running.splice(0)) process_.kill("SIGKILL");
  await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
  await rm(root, { recursive: true, force: true });
});

async function expectAll(engine: LiveEngine, atLeast: number): Promise<number> {
  const [bounds] = await engine.bounds([STREAM]);
  expect(bounds?.length).toBeGreaterThanOrEqual(atLeast);
  let next = 0;
  while (next < (bounds?.length ?? 0)) {
    const { entries } = await engine.range(STREAM, next, Number.MAX_SAFE_INTEGER, { maxBytes: 1_000_000 });
    for (const { index, payload } of entries) {
      expect(index).toBe(next++);
      expect(whyWrong(index, payload)).toBeUndefined();
    }
  }
  return next;
}

describe("a producer that is killed", () => {
  it("has lost nothing that was acknowledged, and the next one goes on where it was, while others read", async () => {
    const reader = await connect();
    let waitedFor = 0;
    const reading = (async () => {
      for (;;) {
        const page = (await reader.wait(new Map([[STREAM, waitedFor]]))).get(STREAM);
        waitedFor = page?.bounds.length ?? waitedFor;
        if (page?.bounds.sealed) return waitedFor;
      }
    })();
    let acknowledged = 0;
    for (let trial = 0; trial < TRIALS; trial++) {
      const writer = start("write", root, STREAM, "100000");
      await writer.firstLine;
      await new Promise((resolve) => setTimeout(resolve, randomInt(WINDOW_MS)));
      writer.process.kill("SIGKILL");
      await writer.end;
      expect(Number(writer.lines[0])).toBeGreaterThanOrEqual(acknowledged);
      acknowledged = Number(writer.lines.at(-1));
      await expectAll(await connect(), acknowledged);
    }
    const length = await reader.seal(STREAM);
    expect(length).toBeGreaterThan(0);
    expect(await reading).toBe(length);
  });
});

describe("one writer and readers of different paces in other processes", () => {
  it(
    "all read the same, and all leave at the end",
    async () => {
      const readers = Array.from({ length: READING_PROCESSES }, () => start("read", root, STREAM, String(READERS)));
      await Promise.all(readers.map(({ firstLine }) => firstLine));
      const engine = await connect({ segmentBytes: 1_000_000 });
      const end = performance.now() + 60_000;
      let index = 0;
      const isOver = () => (isMinute ? performance.now() > end : index >= 600);
      while (!isOver()) {
        const sent: Promise<void>[] = [];
        for (const stop = index + 1 + (index % 13); index < stop; index++) {
          sent.push(engine.append(STREAM, [{ index, length: 1, payload: payloadOf(index) }]));
        }
        await Promise.all(sent);
        // A minute of what the slowest of fifty readers can follow on two cores.
        if (isMinute) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await engine.seal(STREAM)).toBe(index);
      await Promise.all(readers.map((reader) => reader.end));
      for (const { lines } of readers) expect(JSON.parse(lines[1] ?? "")).toEqual(Array(READERS).fill(index));
    },
    isMinute ? 300_000 : 60_000,
  );

  it("two processes that write one stream leave each index to one of them", async () => {
    const one = start("write", root, STREAM, "200");
    const other = start("write", root, STREAM, "200");
    await Promise.all([one.end, other.end]);
    const done = [one, other].map(({ lines }) => Number(lines.at(-1)));
    expect(await expectAll(await connect(), Math.max(...done))).toBe(Math.max(...done));
  });
});
