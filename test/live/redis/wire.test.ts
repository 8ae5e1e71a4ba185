/** Streams as they lie in Redis, byte for byte: what blissdata writes, and reads. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { packShapedBytes } from "../../../src/live/encoding/message-pack.ts";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import { isPythonExpected, runPython } from "../../support/python.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const MAX = "18446744073709551615";

const bytesOf = (...values: readonly number[]) => Uint8Array.from(values);
const doubles = (...values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer);
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Replies of the protocol, written out. */
const bulk = (bytes: string) => `$${bytes.length}\r\n${bytes}\r\n`;
const list = (...items: readonly string[]) => `*${items.length}\r\n${items.join("")}`;
const entryOf = (id: string, ...fields: readonly string[]) => list(bulk(id), list(...fields.map(bulk)));

describe.skipIf(!hasRedis)("a stream in Redis", () => {
  let server: RedisServer;
  let engine: LiveEngine;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(async () => {
    engine = await openRedisEngine({ url: server.url() });
  });
  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    await rawReply(server, "FLUSHALL");
  });
  afterAll(async () => {
    await server.stop();
  });

  it("has an entry `<index>-1` for each batch, whose `len` is left out for one point, and a seal with the length", async () => {
    await engine.append(KEY, [
      { index: 0, length: 1, payload: bytesOf(1, 2) },
      { index: 1, length: 3, payload: bytesOf(3, 4, 13, 10, 0, 255) },
    ]);
    await engine.append(KEY, [{ index: 4, length: 1, payload: bytesOf() }]);
    await engine.seal(KEY);
    expect(await rawReply(server, "XRANGE", KEY, "-", "+")).toBe(
      list(
        entryOf("0-1", "payload", "\u0001\u0002"),
        entryOf("1-1", "payload", "\u0003\u0004\r\n\u0000\u00ff", "len", "3"),
        entryOf("4-1", "payload", ""),
        entryOf(`${MAX}-${MAX}`, "id", "5"),
      ),
    );
  });

  it("that is empty is sealed with the length 0, once, by whoever comes", async () => {
    const other = await openRedisEngine({ url: server.url() });
    expect(await Promise.all([engine.seal(KEY), other.seal(KEY), engine.seal(KEY)])).toEqual([0, 0, 0]);
    expect(await rawReply(server, "XRANGE", KEY, "-", "+")).toBe(list(entryOf(`${MAX}-${MAX}`, "id", "0")));
    await other[Symbol.asyncDispose]();
  });

  it("that another program writes by XADD is read, and what it must not write is found", async () => {
    await rawReply(server, "XADD", KEY, "0-1", "payload", "ab", "len", "2");
    await rawReply(server, "XADD", KEY, "2-1", "payload", "c");
    const { entries, bounds } = await engine.range(KEY, 1, 3);
    expect(entries.map(({ index, length, payload }) => [index, length, String(payload)])).toEqual([
      [0, 2, "ab"],
      [2, 1, "c"],
    ]);
    expect(bounds).toEqual({ floor: 0, length: 3, sealed: false, durable: 0 });
    await rawReply(server, "XADD", KEY, "3-1", "other", "x");
    await expect(engine.range(KEY, 0, 4)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("keeps indexes beyond 2^32 exact", async () => {
    const index = 2 ** 52 + 1;
    await rawReply(server, "XADD", KEY, `${index}-1`, "payload", "a");
    await engine.append(KEY, [{ index: index + 1, length: 2, payload: bytesOf(1, 2) }]);
    expect(await engine.seal(KEY)).toBe(index + 3);
    expect((await engine.range(KEY, index + 2, index + 3)).entries.map((entry) => entry.index)).toEqual([index + 1]);
  });

  it("names of functions and of keys are the engine's own; what others have there stays", async () => {
    await rawReply(
      server,
      "FUNCTION",
      "LOAD",
      "#!lua name=mylib\nredis.register_function('seal_stream', function() return 1 end)",
    );
    await engine.append(KEY, [{ index: 0, length: 1, payload: bytesOf(1) }]);
    expect(await rawReply(server, "FCALL", "seal_stream", "0")).toBe(":1\r\n");
    expect(await rawReply(server, "KEYS", "*")).toBe(list(bulk(KEY)));
    await engine.createScan({ key: "esrf:scan:01JD0000000000000000000001", identity: { name: "a" }, info: {} });
    const keys = [...(await rawReply(server, "KEYS", "*")).matchAll(/\r\n([^$*\r]+)\r\n/g)].map(
      ([, key]) => key as string,
    );
    expect(keys.filter((key) => !key.startsWith("sluice:"))).toEqual([KEY]);
    await rawReply(server, "FUNCTION", "FLUSH");
  });

  it("the state of a scan is a stream of its states", async () => {
    const key = "esrf:scan:01JD0000000000000000000002";
    await engine.createScan({ key, identity: {}, info: {} });
    await engine.transition(key, { from: [0], to: 1 });
    await engine.transition(key, { from: [1], to: 4 });
    const reply = await rawReply(server, "XRANGE", `sluice:state:${key}`, "-", "+");
    expect([...reply.matchAll(/\$5\r\nstate\r\n\$1\r\n(\d)\r\n/g)].map(([, state]) => state)).toEqual(["0", "1", "4"]);
  });

  describe.skipIf(!isPythonExpected)("for blissdata's own classes", () => {
    it("decodes to the points that were sent: numbers, points of varying shape, JSON; and its length is the sealed one", async () => {
      const numbers = `${KEY}A`;
      const varying = `${KEY}B`;
      const json = `${KEY}C`;
      await engine.append(numbers, [
        { index: 0, length: 1, payload: doubles(0.5) },
        { index: 1, length: 3, payload: doubles(1.5, 2.5, 3.5) },
      ]);
      await engine.seal(numbers);
      await engine.append(varying, [
        { index: 0, length: 1, payload: packShapedBytes([2], bytesOf(1, 2)) },
        { index: 1, length: 2, payload: packShapedBytes([300], new Uint8Array(600).fill(7)) },
      ]);
      await engine.append(json, [
        { index: 0, length: 1, payload: text({ a: [1, null] }) },
        { index: 1, length: 1, payload: text("é") },
      ]);
      expect(runPython("blissdata_streams.py", "read", server.url(), numbers, varying, json)).toEqual({
        numbers: { length: 4, sealed: true, all: [0.5, 1.5, 2.5, 3.5], middle: [1.5, 2.5], last: 3.5 },
        varying: { length: 3, sealed: false, shapes: [[2], [300], [300]], first: [1, 2] },
        json: { length: 2, sealed: false, all: [{ a: [1, null] }, "é"] },
      });
    });

    it("is what they write, and what they write is read", async () => {
      const keys = ["A", "B", "C"].map((name) => `${KEY}${name}`);
      expect(runPython("blissdata_streams.py", "write", server.url(), ...keys)).toBe("written");
      const pages = await Promise.all(keys.map((key) => engine.range(key, 0, 10)));
      const read = pages.map(({ entries }) =>
        entries.map(({ index, length, payload }) => [index, length, Buffer.from(payload).toString("latin1")]),
      );
      const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
      const sent = [
        [
          [0, 1, latin1(doubles(0.5))],
          [1, 3, latin1(doubles(1.5, 2.5, 3.5))],
        ],
        [
          [0, 1, latin1(packShapedBytes([2], bytesOf(1, 2)))],
          [1, 2, latin1(packShapedBytes([300], new Uint8Array(600).fill(7)))],
        ],
        [
          [0, 1, '{"a": [1, null]}'],
          [1, 1, '"\\u00e9"'],
        ],
      ];
      expect(read).toEqual(sent);
    });
  });
});
