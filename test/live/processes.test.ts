/** A scan around which processes come, are killed, and are followed by others. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLive } from "../../src/live/open.ts";
import { Retention } from "../../src/live/retention/retention.ts";
import { type Bundle, bundle, installed } from "../support/bundle.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis-server.ts";

/** A child, and what it has said. */
interface Running {
  readonly process: ChildProcess;
  readonly lines: string[];
  readonly closed: Promise<unknown[]>;
}

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("./children/write-or-follow.ts", import.meta.url), installed);
}, 60_000);
afterAll(async () => {
  await child.remove();
});

function start(...args: readonly string[]): Running {
  const running = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(running, "close");
  const lines: string[] = [];
  createInterface(running.stdout).on("line", (line) => lines.push(line));
  return { process: running, lines, closed };
}

/** Waits until the child has said so many lines, or one with that number. */
async function until(running: Running, isEnough: (lines: readonly string[]) => boolean): Promise<void> {
  await expect.poll(() => isEnough(running.lines) || running.process.exitCode !== null, { timeout: 60_000 }).toBe(true);
  expect(running.process.exitCode).toBe(null);
}

async function kill(running: Running): Promise<void> {
  running.process.kill("SIGKILL");
  await running.closed;
}

const last = ({ lines }: Running) => Number(lines.at(-1));

async function comeAndGo(location: string): Promise<void> {
  let writing = start("write", location, "producer-1");
  const started: Running[] = [writing];
  try {
    await until(writing, (lines) => lines.length > 20);
    const key = writing.lines[0] as string;
    const follow = (from: number) => {
      const running = start("follow", location, key, String(from));
      started.push(running);
      return running;
    };
    const staying = follow(0);
    let changing = follow(0);
    let acknowledged = 0;
    for (let round = 0; round < 3; round++) {
      await until(changing, (lines) => lines.length > 0 && Number(lines.at(-1)) >= acknowledged);
      await kill(changing);
      await kill(writing);
      acknowledged = last(writing);
      writing = start("write", location, "producer-1", key);
      started.push(writing);
      await until(writing, (lines) => lines.length > 20);
      expect(Number(writing.lines[1])).toBeGreaterThanOrEqual(acknowledged);
      changing = follow(last(changing) + 1);
    }
    await kill(writing);
    await using store = await openLive(location);
    const taken = await store.resumeScan(key, { owner: "producer-1" });
    const { length } = taken.writer("data");
    expect(length).toBeGreaterThan(last(writing));
    await taken.stop();
    await taken.close();
    for (const reader of [staying, changing]) {
      expect(await reader.closed).toEqual([0, null]);
      expect(last(reader)).toBe(length - 1);
    }
  } finally {
    for (const running of started) await kill(running);
  }
}

/** One cleans in this process while another writes. */
async function cleanMeanwhile(location: string): Promise<void> {
  const writing = start("write", location, "producer-1");
  try {
    await until(writing, (lines) => lines.length > 5);
    await using store = await openLive(location);
    const stream = (await store.loadScan(writing.lines[0] as string)).stream("data");
    const cleaning = new Retention(store.engine, { maxPoints: 100, protectedMs: 0, lossy: true });
    for (let pass = 0; (await stream.bounds()).floor < 2000; pass++) {
      expect((await cleaning.pass()).failed).toEqual([]);
      await until(writing, (lines) => lines.length > pass);
    }
    const { floor, length } = await stream.bounds();
    expect(await stream.at(length - 1)).toBe(length - 1);
    expect(length - floor).toBeGreaterThanOrEqual(100);
  } finally {
    await kill(writing);
  }
}

const promise = "loses no point that was acknowledged, and shows none twice, whoever of them is killed";
const cleaned = "is cleaned by one process while another writes it";

describe("a scan in a folder", () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-live-"));
  });
  afterAll(async () => {
    await rm(root, { recursive: true });
  });

  it(promise, () => comeAndGo(join(root, "killed")), 180_000);
  it(cleaned, () => cleanMeanwhile(join(root, "cleaned")), 180_000);
});

describe.skipIf(!hasRedis)("a scan on a server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });

  it(promise, () => comeAndGo(server.url(1)), 180_000);
  it(cleaned, () => cleanMeanwhile(server.url(2)), 180_000);
});
