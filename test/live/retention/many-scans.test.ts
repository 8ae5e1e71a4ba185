/** Many scans: what retention remembers of them, and how often it asks. */
import { expect, test } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../../src/live/engines/memory-store.ts";
import { Retention } from "../../../src/live/retention/retention.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { runModule } from "../../support/built.ts";

const SCANS = 10_000;
/** Where each costs a few calls of the engine. */
const CLOSED_SCANS = 2000;

test("closed scans are read once, and again when there is something to do", async () => {
  const clock = new FakeClock();
  const engine = new MemoryEngine(new MemoryLiveStore({ clock }));
  const store = new DataStore(engine, { clock });
  let reads = 0;
  const { getScan, bounds } = engine;
  engine.getScan = (...args) => {
    reads++;
    return getScan.apply(engine, args);
  };
  let questions = 0;
  engine.bounds = (...args) => {
    questions++;
    return bounds.apply(engine, args);
  };
  for (let number = 0; number < CLOSED_SCANS; number++) {
    const scan = await store.createScan({ number }, { leaseMs: 0 });
    const writer = await scan.createStream("data", { dtype: "float64" });
    await scan.prepare();
    await writer.send(number);
    await scan.close();
  }
  const policy = { maxAgeMs: 3_600_000, closedScanMs: 7_200_000, lossy: true };
  const cleaning = new Retention(engine, policy, { clock });
  reads = questions = 0;
  expect(await cleaning.pass()).toMatchObject({ scans: CLOSED_SCANS, points: 0, failed: [] });
  expect([reads, questions]).toEqual([CLOSED_SCANS, CLOSED_SCANS]);
  await cleaning.pass();
  expect([reads, questions]).toEqual([CLOSED_SCANS, CLOSED_SCANS]);
  await clock.advance(3_600_000);
  expect(await cleaning.pass()).toMatchObject({ points: CLOSED_SCANS });
  expect([reads, questions]).toEqual([CLOSED_SCANS, 2 * CLOSED_SCANS]);
  await cleaning.pass();
  expect(questions).toBe(2 * CLOSED_SCANS);
  await clock.advance(3_600_000);
  expect(await cleaning.pass()).toMatchObject({ scans: 0, failed: [] });
  expect((await engine.usage()).bytes).toBe(0);
}, 120_000);

test("what scans hold is not held: headers of 200 MB pass through a heap of 64 MiB", () => {
  const { code, output, errors } = runModule(
    `
    import { Retention } from "sluice/live";
    const header = (key) => ({
      key, identity: {}, info: { text: key.padEnd(20_000, "x") + Math.random() }, state: 2, revision: 1, createdAt: 0,
      streams: { data: { name: "data", key: "stream of " + key, encoding: { type: "json" }, info: {} } },
    });
    const engine = {
      capabilities: {},
      closeLost: async () => [],
      scansAfter: async (after, { limit }) => {
        const from = after === "oldest" ? 0 : Number(after);
        const count = Math.min(limit, ${SCANS} - from);
        const scans = Array.from({ length: count }, (_, i) => ({ tag: String(from + i + 1), key: "esrf:scan:" + (from + i) }));
        return { scans, tag: String(from + count), hasGap: false };
      },
      getScan: async (key) => JSON.parse(JSON.stringify(header(key))),
      bounds: async (keys) => keys.map(() => ({ floor: 0, length: 100, sealed: false, durable: 0 })),
      usage: async () => ({ bytes: 1, limit: 100 }),
    };
    const cleaning = new Retention(engine, { maxAgeMs: 1000 });
    for (let pass = 0; pass < 2; pass++) console.log((await cleaning.pass()).scans);
  `,
    ["--max-old-space-size=64"],
  );
  expect([code, output], errors).toEqual([0, `${SCANS}\n${SCANS}\n`]);
}, 120_000);
