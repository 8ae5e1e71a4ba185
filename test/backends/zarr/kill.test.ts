import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { type Counts, checkLive, checkRecovered, filesBelow } from "./announced.ts";

/** Recordings that are killed. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 60);

/** A recording is killed within this time after its store is open, a recovery after it began. */
const RECORDING_MS = 120;
const RECOVERY_MS = 40;

let folder = "";
let recorder: Bundle;
let recoverer: Bundle;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-kill-"));
  recorder = await bundle(new URL("children/record.ts", import.meta.url), installed);
  recoverer = await bundle(new URL("children/recover.ts", import.meta.url));
}, 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await recorder.remove();
  await recoverer.remove();
});

/** Runs a child and kills it some time after its first line; answers its lines. */
async function killAfter(child: Bundle, args: readonly string[], delayMs: number): Promise<string[]> {
  const running = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  const started = new Promise<void>((resolve) => {
    running.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      resolve();
    });
  });
  const ended = once(running, "close");
  await Promise.race([started, ended]);
  await Promise.race([wait(delayMs), ended]);
  running.kill("SIGKILL");
  await ended;
  return text.split("\n").slice(0, -1);
}

function announcedIn(lines: readonly string[]): Counts {
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [name = "", count] = line.split(" ");
      return count === undefined ? [] : [[name, Number(count)]];
    }),
  );
}

/** One recording that was killed, with what it announced. */
async function killedRecording(trial: number): Promise<{ root: string; announced: Counts; how: string }> {
  const root = join(folder, `run-${trial}.zarr`);
  const codec = trial % 2 === 0 ? "none" : "blosc-zstd";
  const durability = trial % 4 < 2 ? "full" : "none";
  const framesPerShard = [1, 3, 16, 1000][randomInt(4)] as number;
  const pace = [1, 10, 1000][randomInt(3)] as number;
  const delayMs = randomInt(RECORDING_MS);
  const args = [root, codec, durability, String(framesPerShard), String(pace)];
  const announced = announcedIn(await killAfter(recorder, args, delayMs));
  return { root, announced, how: `${args.slice(1).join(" ")}, killed after ${delayMs} ms` };
}

describe("a recording that is killed", () => {
  it(
    `has every announced frame, live and recovered, also if the recovery is killed, in ${TRIALS} trials`,
    async () => {
      let frames = 0;
      for (let trial = 0; trial < TRIALS; trial++) {
        const { root, announced, how } = await killedRecording(trial);
        const store = new DiskStore({ root });
        try {
          const live = await checkLive(store, announced);
          for (let i = 0; i < 2; i++) await killAfter(recoverer, [root], randomInt(RECOVERY_MS));
          await checkLive(store, live);
          const stored = await checkRecovered(store, live);
          // Nothing is there that could not be read before.
          expect(stored).toEqual(live);
          frames += Object.values(announced).reduce((sum, count) => sum + count, 0);
        } catch (cause) {
          throw new Error(`Trial ${trial} (${how}): ${cause instanceof Error ? cause.message : cause}`, { cause });
        } finally {
          await store.close();
        }
        await rm(root, { recursive: true });
      }
      expect(frames).toBeGreaterThan(TRIALS);
    },
    TRIALS * 20_000,
  );

  it(
    "and whose journal or bytes were damaged then, has the frames before the damage, and no other",
    async () => {
      const trials = Math.ceil(TRIALS / 6);
      for (let trial = 0; trial < trials; trial++) {
        const { root, how } = await killedRecording(1_000_000 + trial);
        for (const path of await filesBelow(root)) {
          const { size } = await stat(path);
          if (!path.includes(".sluice-tmp-") || size < 200) continue;
          const at = randomInt(100, size);
          if (path.endsWith("j") && trial % 2 === 0) {
            await truncate(path, at);
          } else {
            const bytes = await readFile(path);
            bytes[at]! ^= 1 << randomInt(8);
            await writeFile(path, bytes);
          }
        }
        await using store = new DiskStore({ root });
        await checkRecovered(store, {}).catch((cause: unknown) => {
          throw new Error(`Trial ${trial} (${how}): ${cause instanceof Error ? cause.message : cause}`, { cause });
        });
      }
    },
    TRIALS * 5000,
  );
});
