/** Ten thousand scans of several writers, found by one who watches and by one who searches, while points are written too. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFileEngine } from "../../../src/live/engines/file/index.ts";
import { newScanKey } from "../../../src/live/keys.ts";

const SCANS = 10_000;
const WRITERS = 4;

it("ten thousand scans are discovered under load, each once and in order", async () => {
  const root = await mkdtemp(join(tmpdir(), "sluice-live-scans-"));
  const [reader, busy, ...writers] = await Promise.all(
    Array.from({ length: WRITERS + 2 }, () => openFileEngine({ root })),
  );
  try {
    let isCreating = true;
    const points = (async () => {
      for (let index = 0; isCreating; index++) {
        await busy?.append("esrf:stream:load", [{ index, length: 1, payload: new Uint8Array(200) }]);
      }
    })();
    const creating = writers.map(async (engine, writer) => {
      for (let number = 0; number < SCANS / WRITERS; number += 50) {
        const scans = Array.from({ length: 50 }, (_, i) => ({
          key: newScanKey(),
          identity: { name: `w${writer}`, number: number + i },
          info: {},
        }));
        await Promise.all(scans.map((scan) => engine.createScan(scan)));
      }
    });
    const seen: string[] = [];
    let after = "oldest";
    let numbers = 0;
    while (seen.length < SCANS) {
      const page = await reader?.scansAfter(after);
      seen.push(...(page?.scans ?? []).map(({ key }) => key));
      for (const { tag } of page?.scans ?? []) expect(Number.parseInt(tag, 10)).toBe(++numbers);
      after = page?.tag ?? after;
    }
    await Promise.all(creating);
    isCreating = false;
    await points;
    expect(new Set(seen).size).toBe(SCANS);
    expect((await reader?.search({}))?.keys).toEqual(seen);
    expect((await reader?.search({ identity: { name: "w2", number: 77 } }))?.keys).toHaveLength(1);
  } finally {
    await Promise.all([reader, busy, ...writers].map((engine) => engine?.[Symbol.asyncDispose]()));
    await rm(root, { recursive: true });
  }
}, 60_000);
