import { expect, it } from "vitest";
import { DataStore, MemoryEngine, scanStates } from "../../src/live/index.ts";

async function preparedScan() {
  const store = new DataStore(new MemoryEngine());
  const scan = await store.createScan({ name: "count" }, { info: { devices: 1 } });
  const first = await scan.createStream("first", { dtype: "float64" });
  await scan.prepare();
  return { store, scan, first };
}

it("streams that nobody knew of are added while a scan is under way, with the info, in one step", async () => {
  const { store, scan, first } = await preparedScan();
  await scan.start();
  await first.send(1);
  const reader = await store.loadScan(scan.key);
  const waiting = reader.update();
  const writers = await scan.addStreams({ a: { dtype: "int32" }, b: { type: "json" } }, { info: { devices: 3 } });
  expect(await waiting).toBe(true);
  expect([reader.state, reader.streamNames, reader.info]).toEqual([
    scanStates.STARTED,
    ["first", "a", "b"],
    { devices: 3 },
  ]);
  await writers.a?.send(7);
  await first.send(2);
  await scan.stop();
  expect(await reader.stream("a").at(0)).toBe(7);
  expect(await reader.stream("first").length()).toBe(2);
  expect(await reader.stream("b").sealed()).toBe(true);
});

it("streams are added to a scan that is PREPARED or STARTED, all or none of them", async () => {
  const { store, scan } = await preparedScan();
  await expect(scan.addStreams({ fine: { type: "json" }, first: { type: "json" } })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
  });
  expect((await store.loadScan(scan.key)).streamNames).toEqual(["first"]);
  await scan.addStreams({ fine: { type: "json" } });
  await scan.close();
  await expect(scan.addStreams({ late: { type: "json" } })).rejects.toMatchObject({ code: "CONFLICT" });
  const early = await store.createScan({});
  await expect(early.addStreams({ a: { type: "json" } })).rejects.toMatchObject({ code: "CONFLICT" });
});
