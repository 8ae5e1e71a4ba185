import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bundle, bundle } from "../../support/bundle.ts";
import { freshDisk } from "../../support/byte-stores.ts";

/** Processes that are killed, half of them at each durability. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 40);

/** Large enough that a process spends its time in the middle of a write. */
const BYTE_LENGTH = 16 << 20;

/** The process is killed at a random moment within this time after its first write. */
const WINDOW_MS = 60;

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("children/overwrite.ts", import.meta.url));
}, 60_000);
afterAll(() => child.remove());

describe.each(["full", "none"] as const)(
  "a process killed while it overwrites a value, durability %s",
  (durability) => {
    test(
      `leaves it whole, and not older than it said, in ${TRIALS / 2} trials; leftovers are found and removed`,
      async () => {
        const { root, store, side, dispose } = await freshDisk();
        let interrupted = 0;
        let next = 0;
        for (let trial = 0; trial < TRIALS / 2; trial++) {
          const said = await killAtRandom([root, durability, String(BYTE_LENGTH), String(next)]);
          const value = await readFile(join(root, "folder/value"));
          expect(value.length).toBe(BYTE_LENGTH);
          expect(value.equals(new Uint8Array(BYTE_LENGTH).fill(value[0] as number))).toBe(true);
          // The last write that it told of, or one later that it had no time to tell of.
          expect([said % 251, (said + 1) % 251]).toContain(value[0]);
          next = said + 2;

          const hidden = (await side.keys()).filter((key) => key !== "folder/value");
          interrupted += hidden.length;
          const removed = await store.removeLeftovers();
          expect(removed.map((leftover) => leftover.path).sort()).toEqual(hidden.sort());
          expect(await side.keys()).toEqual(["folder/value"]);
        }
        // Otherwise the processes were killed between writes only, and nothing was tried.
        expect(interrupted).toBeGreaterThan(0);
        await dispose?.();
      },
      60_000 + TRIALS * 1_000,
    );
  },
);

/** Starts the child, kills it within the window after its first write, and answers the last write that it told of. */
async function killAtRandom(args: readonly string[]): Promise<number> {
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
  return Number(output.trimEnd().split("\n").at(-1));
}
