import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { updateJson } from "../../../src/io/update-json.ts";
import { type Bundle, bundle } from "../../support/bundle.ts";
import { freshDisk } from "../../support/byte-stores.ts";

/** Processes that are killed, half of them at each durability, and as many that count together. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 40);

/** Large enough that a process spends its time in the middle of a write. */
const BYTE_LENGTH = 16 << 20;

/** The process is killed at a random moment within this time after its first write. */
const WINDOW_MS = 60;

/** Processes that count at the same time. */
const COUNTERS = 4;

let overwriter: Bundle;
let counter: Bundle;
beforeAll(async () => {
  overwriter = await bundle(new URL("children/overwrite.ts", import.meta.url));
  counter = await bundle(new URL("children/increment.ts", import.meta.url));
}, 60_000);
afterAll(async () => {
  await overwriter.remove();
  await counter.remove();
});

describe.each(["full", "none"] as const)(
  "a process killed while it overwrites and creates values, durability %s",
  (durability) => {
    test(
      `leaves them whole, and none older than it said, in ${TRIALS / 2} trials; leftovers are found and removed`,
      async () => {
        const { root, store, side, dispose } = await freshDisk();
        let interrupted = 0;
        let next = 0;
        for (let trial = 0; trial < TRIALS / 2; trial++) {
          const output = await killAtRandom(overwriter, [root, durability, String(BYTE_LENGTH), String(next)]);
          const said = Number(output.at(-1));
          const value = await readFile(join(root, "folder/value"));
          expectWhole(value, BYTE_LENGTH);
          // The last write that it told of, or one later that it had no time to tell of.
          expect([said % 251, (said + 1) % 251]).toContain(value[0]);

          // It tells of each number twice: when it has overwritten, and when it has created.
          const created = (await side.keys()).filter((key) => /^created\/\d\/\d+$/.test(key));
          const numbers = created.map((key) => Number(key.split("/")[2])).sort((a, b) => a - b);
          const toldOf = output.filter((line, i) => line === output[i - 1]).map(Number);
          expect(numbers.slice(0, toldOf.length)).toEqual(toldOf);
          expect(numbers.slice(toldOf.length)).toEqual(numbers.length > toldOf.length ? [said] : []);
          for (const key of created) {
            const bytes = await readFile(join(root, key));
            expectWhole(bytes, BYTE_LENGTH / 8);
            expect(bytes[0]).toBe(Number(key.split("/")[2]) % 251);
          }
          next = said + 2;

          const values = ["folder/value", ...created];
          const hidden = (await side.keys()).filter((key) => !values.includes(key));
          interrupted += hidden.length;
          const removed = await store.removeLeftovers();
          expect(removed.map((leftover) => leftover.path).sort()).toEqual(hidden.sort());
          expect((await side.keys()).sort()).toEqual(values.sort());
          await rm(join(root, "created"), { recursive: true, force: true });
        }
        // Otherwise the processes were killed between writes only, and nothing was tried.
        expect(interrupted).toBeGreaterThan(0);
        await dispose?.();
      },
      60_000 + TRIALS * 1_500,
    );
  },
);

describe("processes that count in one document, each killed in the middle", () => {
  test(
    `lose no step that was told of in ${TRIALS} trials; the document is never torn, and no lock stays`,
    async () => {
      const { root, store, dispose } = await freshDisk();
      const path = join(root, "shared/count.json");
      let told = 0;
      let killed = 0;
      const slot = async () => {
        while (killed < TRIALS) {
          killed++;
          const output = await killAtRandom(counter, [root]);
          told += output.length;
          // Read in the middle of what the others do.
          expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ count: expect.any(Number) });
        }
      };
      await Promise.all(Array.from({ length: COUNTERS }, slot));
      // Some of the dead may have had no time to tell of their last step.
      const { value } = await updateJson<{ count: number }>(store, "shared/count.json", ({ count }) => ({ count }));
      expect(value.count).toBeGreaterThanOrEqual(told);
      expect(value.count).toBeLessThanOrEqual(told + killed);
      expect(told).toBeGreaterThan(killed);
      await store.removeLeftovers();
      expect(await readdir(join(root, "shared"))).toEqual(["count.json"]);
      await dispose?.();
    },
    60_000 + TRIALS * 1_000,
  );
});

function expectWhole(value: Buffer, byteLength: number): void {
  expect(value.length).toBe(byteLength);
  expect(value.equals(new Uint8Array(byteLength).fill(value[0] as number))).toBe(true);
}

/** Starts a child, kills it within the window after its first output, and answers the lines that it wrote. */
async function killAtRandom(child: Bundle, args: readonly string[]): Promise<string[]> {
  const running = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  let timer: NodeJS.Timeout | undefined;
  running.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
    timer ??= setTimeout(() => running.kill("SIGKILL"), randomInt(WINDOW_MS));
  });
  const signal = await new Promise((resolve) => running.on("close", (_code, by) => resolve(by)));
  clearTimeout(timer);
  expect(signal, output).toBe("SIGKILL");
  return output.trimEnd().split("\n");
}
