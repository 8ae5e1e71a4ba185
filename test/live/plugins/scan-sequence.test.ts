/** A scan that is made of others. */
import { expect, it } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../../src/live/engines/memory-store.ts";
import { scanSequence } from "../../../src/live/plugins/scan-sequence.ts";
import type { Scan } from "../../../src/live/scan.ts";
import { failureOf } from "../battery/subject.ts";

async function makeSequence() {
  const shared = new MemoryLiveStore();
  const writing = new DataStore(new MemoryEngine(shared));
  const sequence = await writing.createScan({ name: "sequence" }, { info: { is_scan_sequence: true } });
  const writer = await sequence.createStream("scans", scanSequence());
  const blissdata = await sequence.createStream("theirs", { type: "json", info: { plugin: "scan_sequence" } });
  await sequence.prepare();
  const reading = new DataStore(new MemoryEngine(shared));
  const stream = (await reading.loadScan(sequence.key)).stream<readonly Scan[], Scan>("scans");
  return { writing, reading, sequence, writer, blissdata, stream };
}

it("the points of a sequence are scans, as they are when they are read", async () => {
  const { writing, reading, sequence, writer, blissdata, stream } = await makeSequence();
  for (let i = 0; i < 3; i++) {
    const info = { group: sequence.key, index_in_sequence: i };
    const scan = await writing.createScan({ name: `part ${i}` }, { info });
    await writer.send(i === 1 ? scan.key : scan);
    await blissdata.send(scan);
    await scan.close();
  }
  await writer.seal();
  const scans = await stream.slice();
  expect(scans.map(({ identity }) => identity.name)).toEqual(["part 0", "part 1", "part 2"]);
  expect(scans.map(({ info }) => info.group)).toEqual([sequence.key, sequence.key, sequence.key]);
  expect((await stream.at(-1)).stateName).toBe("CLOSED");
  expect((await stream.slice(undefined, undefined, -2)).map(({ info }) => info.index_in_sequence)).toEqual([2, 0]);
  const theirs = (await reading.loadScan(sequence.key)).stream<readonly Scan[], Scan>("theirs");
  expect((await theirs.at(1)).key).toBe(scans[1]?.key);
  const seen: unknown[] = [];
  for await (const view of stream) for await (const scan of view) seen.push(scan.identity.name);
  expect(seen).toEqual(["part 0", "part 1", "part 2"]);
});

it("an event is what blissdata writes", async () => {
  const { writing, writer, stream } = await makeSequence();
  const scan = await writing.createScan({ name: "part" });
  await writer.send(scan);
  const { entries } = await writing.engine.range(stream.key, 0, 1);
  expect(JSON.parse(new TextDecoder().decode(entries[0]?.payload))).toEqual({ key: scan.key });
});

it("what is no scan is refused, and a scan that is gone is said to be", async () => {
  const { writing, writer, stream } = await makeSequence();
  for (const data of ["esrf:scan:x", 3, null, {}]) {
    expect(await failureOf(writer.send(data))).toMatchObject({ code: "INVALID_DATA" });
  }
  const scan = await writing.createScan({ name: "part" });
  await writer.send(scan);
  await writing.deleteScan(scan.key, { force: true });
  expect(await failureOf(stream.at(0))).toMatchObject({ code: "NOT_FOUND" });
});

it("a missing plugin, or one that fails, breaks its own stream and no other", async () => {
  const shared = new MemoryLiveStore();
  const plugins = {
    broken: () => {
      throw new Error("no such file");
    },
    lima: () => ({ open: (_: unknown, { loadScan }: { loadScan: unknown }) => ({ codec: loadScan as never }) }),
  };
  const writing = new DataStore(new MemoryEngine(shared), { plugins });
  const scan = await writing.createScan({ name: "loop" });
  await scan.createStream("good", { dtype: "float64" });
  await scan.createStream("lima", { type: "json", info: { plugin: "lima" } });
  expect(await failureOf(scan.createStream("broken", { type: "json", info: { plugin: "broken" } }))).toMatchObject({
    code: "UNEXPECTED",
  });
  await scan.prepare();
  await scan.writer("good").send(1);
  const loaded = await new DataStore(new MemoryEngine(shared)).loadScan(scan.key);
  expect(await failureOf(loaded.stream("lima").slice())).toMatchObject({
    code: "MISSING_DEPENDENCY",
    message: expect.stringContaining("scan-sequence"),
  });
  expect(await loaded.stream("good").at(0)).toBe(1);
});
