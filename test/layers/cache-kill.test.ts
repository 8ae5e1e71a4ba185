import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CacheStore } from "../../src/layers/cache.ts";
import { pattern } from "../../src/testing/byte-store-checks.ts";
import { type Bundle, bundle } from "../support/bundle.ts";
import { freshDisk } from "../support/byte-stores.ts";

/** Processes that are killed while they fill the cache. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 16);
const KEYS = 6;
/** Large enough that a process spends much of its time in the middle of an entry. */
const BYTE_LENGTH = 8 << 20;
/** Room for half of the values: whoever fills the cache evicts as well. */
const MAX_BYTES = 28 << 20;
/** The process is killed at a random moment within this time after its first reads. */
const WINDOW_MS = 60;

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("children/fill-cache.ts", import.meta.url));
}, 60_000);
afterAll(() => child.remove());

it(
  `a cache on disk whose process is killed serves nothing torn and keeps to its bound, in ${TRIALS} trials`,
  async () => {
    const [values, medium] = [await freshDisk(), await freshDisk({ durability: "none" })];
    const right = Array.from({ length: KEYS }, (_, key) => pattern(BYTE_LENGTH, key));
    for (const [key, value] of right.entries()) await values.side.put(String(key), value);
    let [hits, interrupted] = [0, 0];
    for (let trial = 0; trial < TRIALS; trial++) {
      const isWriting = async () => (await medium.side.keys()).some((key) => !/^entries\/..\/[\da-f]{62}$/.test(key));
      const args = [values.root, medium.root, String(KEYS), String(MAX_BYTES), String(trial)];
      await killAtRandom(args, trial % 2 === 0 ? isWriting : undefined);
      const entries = [];
      for await (const entry of medium.store.list({ prefix: "entries/" })) entries.push(entry);
      expect(entries.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThanOrEqual(MAX_BYTES);
      interrupted += (await medium.store.removeLeftovers()).length;

      const cache = new CacheStore(values.store, {
        medium: medium.store,
        maxBytes: MAX_BYTES,
        maxValueBytes: BYTE_LENGTH,
      });
      // To and fro: what was read last is read first, before it is evicted.
      const order = [...right.entries()];
      for (const [key, value] of trial % 2 === 0 ? order : order.reverse()) {
        expect(Buffer.compare(await cache.read(String(key)), value)).toBe(0);
      }
      expect(cache.counts.mediumFailures).toBe(0);
      expect(cache.byteLength).toBeLessThanOrEqual(MAX_BYTES);
      hits += cache.counts.hits;
    }
    // Otherwise nothing was found again, or nobody was killed in the middle of an entry, and nothing was tried.
    expect(hits).toBeGreaterThan(0);
    expect(interrupted).toBeGreaterThan(0);
    for (const one of [values, medium]) await one.dispose?.();
  },
  60_000 + TRIALS * 2_000,
);

/**
 * Starts the child and kills it within the window after it has read something.
 *
 * @param when - Waited for in between: half of the processes are to die in the middle of an entry.
 */
async function killAtRandom(args: readonly string[], when: () => Promise<boolean> = async () => true): Promise<void> {
  const running = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.stdout.resume();
  const ended = new Promise((resolve) => running.on("close", (_code, by) => resolve(by)));
  await once(running.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, randomInt(WINDOW_MS)));
  while (running.exitCode === null && !(await when()));
  running.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
}
