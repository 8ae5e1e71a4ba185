/**
 * The clock of the server is set, or the server was away. Setting it for real takes the machine's; all that the engine
 * knows of time is in its keys, and setting those back is, for it, the same as a clock that is set forward.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";

const HOUR = 3_600_000;
const LEASE_MS = 4000;
const [SILENT, ACTIVE] = ["esrf:scan:01JD0000000000000000000001", "esrf:scan:01JD0000000000000000000002"] as const;

/** Adds to every time that has to do with leases. */
const shift = `
local by = tonumber(ARGV[1])
redis.call('SET', 'sluice:seen', string.format('%.0f', tonumber(redis.call('GET', 'sluice:seen')) + by))
for _, key in ipairs(redis.call('ZRANGE', 'sluice:leases', 0, -1)) do
  local ends = tonumber(redis.call('ZINCRBY', 'sluice:leases', by, key))
  redis.call('HSET', 'sluice:' .. key, 'expires', string.format('%.0f', ends))
end
return 'done'`;

describe.skipIf(!hasRedis)("redis, when the clock of the server jumps", () => {
  let server: RedisServer;
  let engine: LiveEngine;
  beforeAll(async () => {
    server = await startRedis({ isDurable: true });
  });
  beforeEach(async () => {
    engine = await openRedisEngine({ url: server.url() });
    const scan = { identity: {}, info: {} };
    await engine.createScan({ key: SILENT, ...scan, lease: { owner: "gone", ms: LEASE_MS } });
    await engine.createScan({ key: ACTIVE, ...scan, lease: { owner: "here", ms: 30_000 } });
  });
  afterEach(async () => {
    await engine[Symbol.asyncDispose]();
    await rawReply(server, "FLUSHALL");
  });
  afterAll(async () => {
    await server.stop();
  });

  const setClock = async (ms: number) => {
    expect(await rawReply(server, "EVAL", shift, "0", String(-ms))).toContain("done");
  };
  const closed: string[] = [];
  const closeLost = async () => {
    closed.push(...(await engine.closeLost()));
    await engine.renewLease(ACTIVE, "here", 30_000);
    return closed.splice(0).length > 0;
  };

  it.each([
    ["forward", HOUR],
    ["back", -HOUR],
    ["on, while it was away,", 120_000],
  ])("%s no scan is lost by it, and one whose writer is silent is closed in its time all the same", async (_, ms) => {
    await setClock(ms);
    closed.push(...(await engine.closeLost()));
    expect(closed).not.toContain(ACTIVE);
    await expect(engine.renewLease(ACTIVE, "other", 1000)).rejects.toMatchObject({ code: "CONFLICT" });
    await engine.renewLease(ACTIVE, "here", 30_000);
    expect((await engine.getScan(SILENT))?.lease?.remainingMs ?? 0).toBeLessThanOrEqual(LEASE_MS);
    await expect.poll(closeLost, { timeout: 30_000 }).toBe(true);
    expect(await engine.getScan(SILENT)).toMatchObject({ state: 4, endReason: "LOST" });
    expect(await engine.getScan(ACTIVE)).toMatchObject({ state: 0 });
  });

  it("forward again and again, silence does not become longer each time", async () => {
    await setClock(HOUR);
    expect(await engine.closeLost()).toEqual([]);
    await engine.renewLease(ACTIVE, "here", 30_000);
    await setClock(HOUR);
    expect(await engine.closeLost()).toEqual([SILENT]);
  });

  it("a server that is killed and comes back with its log keeps those who renew", async () => {
    await server.kill();
    await server.start();
    await engine.renewLease(ACTIVE, "here", 30_000);
    expect(await engine.closeLost()).not.toContain(ACTIVE);
  });
});
