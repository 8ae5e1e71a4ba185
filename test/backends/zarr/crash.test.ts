import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { openZarrArray, openZarrGroup } from "../../../backends/zarr/reader.ts";
import { requireBuild } from "../../support/built.ts";
import { keysOf } from "./support.ts";

const script = fileURLToPath(new URL("endless-run.mjs", import.meta.url));

describe("an acquisition whose process is killed", () => {
  let root = "";
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** Runs until so many lines came, then kills. */
  async function runAndKill(codec: string, lines: number): Promise<void> {
    const child = spawn(process.execPath, [script, root, codec], { stdio: ["ignore", "pipe", "inherit"] });
    let seen = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString().split("\n").length - 1;
      if (seen >= lines) child.kill("SIGKILL");
    });
    const [, signal] = await once(child, "exit");
    expect(signal).toBe("SIGKILL");
  }

  for (const codec of ["none", "blosc-zstd"]) {
    for (const lines of [2, 5, 9]) {
      it(`after ${lines}00 frames: what zarr.json shows is there and equal, the open shard is no key (${codec})`, async () => {
        requireBuild();
        root = join(await mkdtemp(join(tmpdir(), "sluice-crash-")), "run.zarr");
        await runAndKill(codec, lines);
        await using store = new DiskStore({ root });
        expect((await openZarrGroup(store)).attributes).toEqual({ run: 7 });
        const keys = await keysOf(store);
        for (const source of ["a", "b"]) {
          const array = await openZarrArray(store, source);
          const frames = array.shape[0]!;
          expect(frames).toBeGreaterThan(0);
          expect(frames % 16).toBe(0);
          const { data } = await array.read();
          let wrong = 0;
          for (let i = 0; i < frames; i++) {
            for (let k = 0; k < 4096; k++) if (data[i * 4096 + k] !== ((i * 31 + (k % 257)) & 0xffff)) wrong++;
          }
          expect(wrong).toBe(0);
          // Nothing but metadata and shards: a shard that was not whole has no name.
          const shards = keys.filter((key) => key.startsWith(`${source}/c/`));
          expect(shards.every((key) => /^[ab]\/c\/\d+\/0\/0$/.test(key))).toBe(true);
          expect(shards.length * 16).toBeGreaterThanOrEqual(frames);
          expect(shards.length * 16).toBeLessThanOrEqual(frames + 16);
        }
      });
    }
  }
});
