/** What happens when the connection or the server goes away: nothing is lost, nothing comes twice, nobody waits for ever. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine, type RedisEngineOptions } from "../../../src/live/engines/redis/index.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const SCAN = "esrf:scan:01JD0000000000000000000001";

const entry = (index: number) => ({ index, length: 1, payload: Uint8Array.of(index & 0xff, index >> 8) });
const numberIn = (payload: Uint8Array) => (payload[0] as number) + 256 * (payload[1] as number);

/** All points of a stream, as a reader that follows it sees them. */
async function follow(engine: LiveEngine, stream = KEY): Promise<number[]> {
  const seen: number[] = [];
  for (let next = 0; ; ) {
    const page = (await engine.wait(new Map([[stream, next]]))).get(stream);
    if (page === undefined) continue;
    const { entries, bounds } =
      page.entries.length > 0 ? page : await engine.range(stream, next, Number.POSITIVE_INFINITY);
    for (const { index, payload } of entries) {
      expect(index).toBe(next);
      seen.push(numberIn(payload));
      next = index + 1;
    }
    if (bounds.sealed && next >= bounds.length) return seen;
  }
}

describe.skipIf(!hasRedis)("redis, when something goes away", () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  const engines: LiveEngine[] = [];
  const open = async (options: RedisEngineOptions = {}) => {
    const engine = await openRedisEngine({ url: `redis://127.0.0.1:${proxy.port}`, retryDelayMs: 5, ...options });
    engines.push(engine);
    return engine;
  };
  beforeAll(async () => {
    server = await startRedis({ isDurable: true });
  });
  beforeEach(async () => {
    proxy = await startTcpProxy(server.port);
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
    await proxy.close();
    await rawReply(server, "FLUSHALL");
  });
  afterAll(async () => {
    await server.stop();
  });

  it("an append whose answer was lost is there once, and resolves", async () => {
    const engine = await open();
    await engine.append(KEY, [entry(0)]);
    for (let index = 1; index < 20; index++) {
      proxy.loseNextAnswer();
      await engine.append(KEY, [entry(index)]);
    }
    expect((await engine.range(KEY, 0, 100)).entries.map(({ payload }) => numberIn(payload))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  it("of appends that are not awaited, with cuts in between, none is lost, doubled or out of order", async () => {
    const engine = await open();
    const reading = follow(await open());
    const count = 3000;
    const sent: Promise<void>[] = [];
    for (let index = 0; index < count; index++) {
      sent.push(engine.append(KEY, [entry(index)]));
      if (index % 500 === 250) proxy.cut();
      if (index % 400 === 100) proxy.loseNextAnswer();
      if (index % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent);
    expect(await engine.seal(KEY)).toBe(count);
    expect(await reading).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it("what another writer has appended is not taken for one's own", async () => {
    const [engine, other] = [await open(), await openRedisEngine({ url: server.url() })];
    engines.push(other);
    await engine.append(KEY, [entry(0)]);
    proxy.cut();
    await other.append(KEY, [{ ...entry(1), payload: Uint8Array.of(99, 99) }]);
    await expect(engine.append(KEY, [entry(1)])).rejects.toMatchObject({ code: "CONFLICT", index: 1, length: 2 });
  });

  it("steps whose answers were lost are made once, and answered as if nothing had been", async () => {
    const engine = await open();
    proxy.loseNextAnswer();
    const { tag } = await engine.createScan({ key: SCAN, identity: { name: "a" }, info: {} });
    expect(await engine.scansAfter("oldest", { timeoutMs: 0 })).toEqual({
      scans: [{ tag, key: SCAN }],
      tag,
      hasGap: false,
    });
    proxy.loseNextAnswer();
    expect((await engine.transition(SCAN, { from: [0], to: 1 })).revision).toBe(1);
    proxy.loseNextAnswer();
    expect(await engine.deleteScan(SCAN)).toBe(true);
    expect(await engine.deleteScan(SCAN)).toBe(false);
  });

  it("a server that is killed and started again, with its log, has everything that was acknowledged; readers go on", async () => {
    const engine = await open();
    const reading = follow(await open());
    let acknowledged = 0;
    const count = 600;
    const writing = (async () => {
      for (let index = 0; index < count; index++) {
        await engine.append(KEY, [entry(index)]);
        acknowledged = index + 1;
      }
    })();
    for (let kills = 0; kills < 3; kills++) {
      const until = (kills + 1) * 120;
      while (acknowledged < until) await engine.bounds([KEY]);
      await server.kill();
      await server.start();
      const [bounds] = await engine.bounds([KEY]);
      expect(bounds?.length).toBeGreaterThanOrEqual(until);
    }
    await writing;
    await engine.seal(KEY);
    expect(await reading).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it("functions that the server has forgotten are loaded again", async () => {
    for (const scripts of ["functions", "scripts"] as const) {
      const engine = await open({ scripts });
      const stream = `${KEY}${scripts}`;
      await engine.append(stream, [entry(0)]);
      await rawReply(server, "FUNCTION", "FLUSH");
      await rawReply(server, "SCRIPT", "FLUSH");
      await Promise.all([1, 2, 3].map((index) => engine.append(stream, [entry(index)])));
      await rawReply(server, "FUNCTION", "FLUSH");
      await rawReply(server, "SCRIPT", "FLUSH");
      expect((await engine.bounds([stream]))[0]?.length).toBe(4);
    }
  });

  it("one who is not there in time is an error that can be tried again; one who waits is freed too", async () => {
    const engine = await open({ patienceMs: 100 });
    const waiting = engine.wait(new Map([[KEY, 0]]));
    waiting.catch(() => {});
    await engine.bounds([KEY]);
    await server.kill();
    const away = { code: "TIMED_OUT", retryable: true };
    await expect(engine.append(KEY, [entry(0)])).rejects.toMatchObject(away);
    await expect(engine.bounds([KEY])).rejects.toMatchObject(away);
    await expect(waiting).rejects.toMatchObject(away);
    expect((await engine.wait(new Map([[KEY, 0]]), { timeoutMs: 5 })).size).toBe(0);
    await server.start();
    await engine.append(KEY, [entry(0)]);
    expect((await engine.wait(new Map([[KEY, 0]]))).get(KEY)?.bounds.length).toBe(1);
  });

  it("no server at all is said at once", async () => {
    const { port } = proxy;
    await proxy.close();
    await expect(openRedisEngine({ url: `redis://127.0.0.1:${port}` })).rejects.toMatchObject({ code: "TIMED_OUT" });
    proxy = await startTcpProxy(server.port);
  });

  it("however many wait, for whatever, there are two connections, and none is held once they are gone", async () => {
    const engine = await open();
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [
      ...Array.from({ length: 50 }, (_, i) => engine.wait(new Map([[`${KEY}${i}`, 0]]), { signal })),
      engine.scansAfter("now", { signal }),
    ].map((wait) => wait.catch(({ code }) => code));
    await engine.append(`${KEY}x`, [entry(0)]);
    expect((await engine.wait(new Map([[`${KEY}x`, 0]]))).size).toBe(1);
    const blocked = async () => Number(/blocked_clients:(\d+)/.exec(await rawReply(server, "INFO", "clients"))?.[1]);
    while ((await blocked()) !== 1);
    expect(proxy.connections).toBe(2);
    controller.abort();
    expect(new Set(await Promise.all(waits))).toEqual(new Set(["ABORTED"]));
    while ((await blocked()) !== 0);
  });
});

describe.skipIf(!hasRedis)("redis that is full", () => {
  it("refuses the append that does not fit, takes it after a trim, and lets scans be closed meanwhile", async () => {
    const server = await startRedis({ args: ["--maxmemory", "24mb", "--maxmemory-policy", "noeviction"] });
    const engine = await openRedisEngine({ url: server.url() });
    try {
      expect(engine.capabilities.limitsMemory).toBe(true);
      await engine.createScan({ key: SCAN, identity: {}, info: {} });
      const header = { name: "a", key: KEY, encoding: { type: "json" }, info: {} } as const;
      await engine.transition(SCAN, { from: [0], to: 1, streams: { a: header } });
      const payload = new Uint8Array(1 << 19);
      let index = 0;
      const fill = async () => {
        for (; index < 100; index++) await engine.append(KEY, [{ index, length: 1, payload }]);
      };
      await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE" });
      expect((await engine.bounds([KEY]))[0]?.length).toBe(index);
      const { bytes, limit } = await engine.usage();
      expect(bytes / (limit as number)).toBeGreaterThan(0.8);
      await engine.trim(KEY, index - 2);
      await engine.append(KEY, [{ index, length: 1, payload }]);
      await expect(fill()).rejects.toMatchObject({ code: "CONFLICT" });
      index++;
      await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE" });
      expect((await engine.transition(SCAN, { from: [1], to: 4, endReason: "FAILURE" })).state).toBe(4);
      expect((await engine.bounds([KEY]))[0]).toMatchObject({ sealed: true, length: index });
    } finally {
      await engine[Symbol.asyncDispose]();
      await server.stop();
    }
  });

  it("and would remove keys by itself, is refused", async () => {
    const server = await startRedis({ args: ["--maxmemory", "24mb", "--maxmemory-policy", "allkeys-lru"] });
    try {
      await expect(openRedisEngine({ url: server.url() })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    } finally {
      await server.stop();
    }
  });
});
