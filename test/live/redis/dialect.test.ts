/** Scans that are also kept as blissdata keeps them, and what its own client makes of them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { RunDocuments } from "../../../src/acquire/run-documents.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import { ScanRecorder } from "../../../src/live/scan-recorder.ts";
import { isPythonExpected, runPython, startPython } from "../../support/python.ts";
import { hasRedis, hasRedisStack, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";

const identity = { name: "ascan", number: 7, data_policy: "none", session: "blc1234" };

describe.skipIf(!hasRedis)("a server without modules", () => {
  it("is refused for the dialect blissdata, with what it lacks; the engine's own form needs none", async () => {
    const server = await startRedis();
    try {
      await expect(openRedisEngine({ url: server.url(), dialect: "blissdata" })).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringMatching(/no module ReJSON and no search/),
      });
      await (await openRedisEngine({ url: server.url() }))[Symbol.asyncDispose]();
    } finally {
      await server.stop();
    }
  });
});

describe.skipIf(!hasRedisStack)("the dialect blissdata", () => {
  let server: RedisServer;
  const stores: DataStore[] = [];
  const open = async (options: { dialect?: "blissdata"; database?: number } = { dialect: "blissdata" }) => {
    const { database = 0, ...rest } = options;
    const store = new DataStore(await openRedisEngine({ url: server.url(database), ...rest }));
    stores.push(store);
    return store;
  };
  const json = async (...command: readonly string[]): Promise<unknown> => {
    const reply = await rawReply(server, ...command);
    return JSON.parse(Buffer.from(reply.slice(reply.indexOf("\r\n") + 2, -2), "latin1").toString());
  };
  beforeAll(async () => {
    server = await startRedis({ isStack: true });
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store[Symbol.asyncDispose]()));
    await rawReply(server, "FLUSHALL");
    await rawReply(server, "FUNCTION", "FLUSH");
  });
  afterAll(async () => {
    await server?.stop();
  });

  it("makes an empty database one of blissdata's; any other database than the first is refused", async () => {
    await open();
    expect(await rawReply(server, "GET", "_PROTOCOL_VERSION_")).toBe("$1\r\n1\r\n");
    expect(await rawReply(server, "FT._LIST")).toContain("esrf:scan:index");
    await rawReply(server, "XADD", "s", "4-1", "payload", "x", "len", "3");
    expect(await rawReply(server, "FCALL", "seal_stream", "1", "s")).toBe(":7\r\n");
    expect(await rawReply(server, "FCALL", "seal_stream", "1", "s")).toContain("is already sealed");
    expect(await rawReply(server, "FCALL", "seal_stream", "1", "empty")).toBe(":0\r\n");
    await expect(open({ dialect: "blissdata", database: 3 })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("another version of blissdata's protocol is refused, and left as it is", async () => {
    await rawReply(server, "SET", "_PROTOCOL_VERSION_", "2");
    await expect(open()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(await rawReply(server, "GET", "_PROTOCOL_VERSION_")).toBe("$1\r\n2\r\n");
  });

  it("keeps a document, a history and a state stream for each scan, in step with the scan", async () => {
    const store = await open();
    const scan = await store.createScan(identity, { info: { title: "é", nothing: null, list: [] } });
    const pk = scan.key.slice("esrf:scan:".length);
    const states = async () =>
      [...(await rawReply(server, "XRANGE", `esrf:stream:${pk}`, "-", "+")).matchAll(/\r\n(\d)\r\n/g)].map(
        ([, s]) => s,
      );
    const absent = { proposal: null, collection: null, dataset: null, path: null };
    const document = {
      pk,
      id: { pk, ...identity, ...absent },
      info: { title: "é", nothing: null, list: [] },
      state_stream: { pk, encoding: null, info: null },
      data_streams: {},
    };
    expect(await json("JSON.GET", scan.key)).toEqual(document);
    expect(await states()).toEqual(["0"]);
    expect(await rawReply(server, "XRANGE", "_SCAN_HISTORY_", "-", "+")).toContain(`$3\r\nkey\r\n$36\r\n${scan.key}`);
    await scan.createStream("diode", { dtype: "float64" });
    await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [2, 2] });
    scan.setInfo({ title: "b" });
    await scan.prepare();
    const { diode, camera } = (await store.engine.getScan(scan.key))?.streams ?? {};
    const prepared = {
      ...document,
      info: { title: "b" },
      data_streams: {
        diode: {
          pk: diode?.key.slice("esrf:stream:".length),
          encoding: { type: "numeric", dtype_str: "<f8", shape: [] },
          info: { dtype: "<f8", shape: [] },
        },
        camera: {
          pk: camera?.key.slice("esrf:stream:".length),
          encoding: { type: "json" },
          info: {
            dtype: "<u2",
            shape: [2, 2],
            plugin: "sluice_frames",
            encoding: { type: "frames", dtype: "<u2", shape: [2, 2] },
          },
        },
      },
    };
    expect(await json("JSON.GET", scan.key)).toEqual(prepared);
    await scan.start();
    await scan.stop();
    await scan.close({ endReason: "SUCCESS" });
    expect(await states()).toEqual(["0", "1", "2", "3", "4"]);
    expect(await json("JSON.GET", scan.key, "$.info.end_reason")).toEqual(["SUCCESS"]);
    await store.deleteScan(scan.key);
    for (const key of [scan.key, `esrf:stream:${pk}`]) {
      expect(Number((await rawReply(server, "TTL", key)).slice(1))).toBeLessThanOrEqual(10);
    }
  });

  it("has a data policy for blissdata, and refuses identities that its client could not load", async () => {
    const store = await open();
    const scan = await store.createScan({ name: "ascan", number: 7 });
    expect(await json("JSON.GET", scan.key, "$.id.data_policy")).toEqual(["none"]);
    for (const wrong of [{ name: "ascan" }, { name: "ascan", number: 1.5 }, { number: 1 }]) {
      await expect(store.createScan(wrong)).rejects.toMatchObject({ code: "INVALID_DATA" });
    }
    expect((await store.search({})).keys).toEqual([scan.key]);
  });

  it("is kept up by engines that do not speak it, and a scan without it has no document", async () => {
    const [mirrored, plain] = [await open(), await open({})];
    const scan = await mirrored.createScan(identity, { leaseMs: 1 });
    const other = await plain.createScan(identity);
    await expect.poll(() => plain.engine.closeLost(), { timeout: 30_000 }).toEqual([scan.key]);
    expect(await json("JSON.GET", scan.key, "$.info.end_reason")).toEqual(["LOST"]);
    expect(await rawReply(server, "EXISTS", other.key)).toBe(":0\r\n");
  });

  it("a scan whose document a client of blissdata has deleted goes on", async () => {
    const store = await open();
    const scan = await store.createScan(identity);
    await rawReply(server, "DEL", scan.key);
    await scan.prepare();
    await scan.close();
    expect(await rawReply(server, "EXISTS", scan.key)).toBe(":0\r\n");
  });

  describe.skipIf(!isPythonExpected)("for blissdata's own client", () => {
    it("a scan is found, loaded, read and its state known; a stream that it cannot decode costs that stream only", async () => {
      const store = await open();
      const scan = await store.createScan(identity, { info: { title: "t" } });
      const diode = await scan.createStream("diode", { dtype: "float64" });
      const notes = await scan.createStream("notes", { type: "json" });
      await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [2, 2] });
      await scan.prepare();
      await scan.start();
      await diode.send(Float64Array.of(0.5, 1.5));
      await notes.send({ a: 1 });
      expect(runPython("blissdata_scans.py", "read", server.url(), scan.key)).toEqual({
        key: scan.key,
        state: "STARTED",
        name: "ascan",
        number: 7,
        session: "blc1234",
        info: { title: "t" },
        streams: ["camera", "diode", "notes"],
        values: { diode: [0.5, 1.5], notes: [{ a: 1 }] },
        broken: ["camera"],
        found: [scan.key],
        prefix: [scan.key],
        states: { [scan.key]: "STARTED" },
        last: scan.key,
      });
      await scan.close();
    });

    it("what a recorder of runs makes is a scan there too", async () => {
      const recorder = new ScanRecorder(await open());
      const run = new RunDocuments((document) => recorder.record(document));
      await run.start({ plan_name: "count" });
      await run.describe({ dataKeys: { diode: { source: "adc", dtype: "number", shape: [] } } });
      await run.event("primary", { diode: { value: 0.5, timestamp: 1 } });
      await run.stop("success");
      const { key = "" } = await recorder.endRun();
      expect(runPython("blissdata_scans.py", "read", server.url(), key)).toMatchObject({
        key,
        state: "CLOSED",
        name: "count",
        streams: ["diode", "timer:epoch"],
        values: { diode: [0.5] },
      });
    });

    it("a scan is followed from its creation to its end", async () => {
      const store = await open();
      const follower = startPython("blissdata_scans.py", "follow", server.url());
      expect(await follower.line()).toBe("waiting");
      const scan = await store.createScan(identity);
      const diode = await scan.createStream("diode", { dtype: "int32" });
      await scan.prepare();
      await scan.start();
      for (let i = 0; i < 500; i++) await diode.sendNoWait(i);
      await scan.stop();
      await scan.close({ endReason: "USER_ABORT" });
      expect(await follower.line()).toMatchObject({
        key: scan.key,
        state: "CLOSED",
        info: { end_reason: "USER_ABORT" },
        values: { diode: Array.from({ length: 500 }, (_, i) => i) },
      });
    });

    it("its producers write beside ours, and their streams are read here", async () => {
      expect(runPython("blissdata_scans.py", "init", server.url())).toBe("ready");
      const store = await open();
      await store.createScan(identity);
      const { key } = runPython("blissdata_scans.py", "write", server.url()) as { key: string };
      const { entries, bounds } = await store.engine.range(key, 0, 5);
      expect(bounds).toMatchObject({ length: 5, sealed: true });
      expect(Buffer.concat(entries.map(({ payload }) => payload))).toEqual(
        Buffer.from(Float64Array.of(0, 1, 2, 3, 4).buffer),
      );
    });

    it("a scan that is deleted here is gone there", async () => {
      const store = await open();
      const scan = await store.createScan(identity);
      await store.deleteScan(scan.key, { force: true });
      expect(runPython("blissdata_scans.py", "delete", server.url(), scan.key)).toBe("deleted");
    });
  });
});
