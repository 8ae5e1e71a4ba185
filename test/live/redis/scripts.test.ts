/** What single steps do on the server, asked of it directly. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { libraryName } from "../../../src/live/engines/redis/functions.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const SCAN = "esrf:scan:01JD0000000000000000000001";

describe.skipIf(!hasRedis)("a step of redis", () => {
  let server: RedisServer;
  let engine: LiveEngine;
  beforeAll(async () => {
    server = await startRedis();
    engine = await openRedisEngine({ url: server.url() });
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await server?.stop();
  });

  it("takes an append that comes again for made, also if its entries have left since", async () => {
    const payload = (index: number) => new TextEncoder().encode(`point ${index}`);
    for (let index = 0; index < 4; index++) await engine.append(KEY, [{ index, length: 1, payload: payload(index) }]);
    expect(await engine.trim(KEY, 2)).toBe(2);
    const again = (index: number, text: string) =>
      rawReply(server, "FCALL", `${libraryName}_append`, "0", "sluice:", KEY, "", "1", String(index), "1", text);
    expect(await again(1, "point 1")).toBe(":1\r\n");
    expect(await again(2, "point 2")).toBe(":1\r\n");
    expect(await again(2, "of another")).toContain("index");
    expect((await engine.bounds([KEY]))[0]).toMatchObject({ floor: 2, length: 4 });
  });

  it("lets the durable index of a scan that will go by itself go with it", async () => {
    const stream = { name: "a", key: "esrf:stream:01JD0000000000000000000002", encoding: { type: "json" }, info: {} };
    await engine.createScan({ key: SCAN, identity: {}, info: {} });
    await engine.transition(SCAN, { from: [0], to: 1, streams: { a: stream } });
    await engine.append(stream.key, [{ index: 0, length: 3, payload: new Uint8Array(1) }]);
    await engine.setDurable(stream.key, 1);
    await engine.expire(SCAN, 600_000);
    await engine.setDurable(stream.key, 2);
    expect((await engine.bounds([stream.key]))[0]?.durable).toBe(2);
    const left = await rawReply(server, "PTTL", `sluice:durable:${stream.key}`);
    expect(Number(left.slice(1))).toBeGreaterThan(0);
  });
});
