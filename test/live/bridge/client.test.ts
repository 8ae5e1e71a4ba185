import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ndArray } from "../../../src/core/nd-array.ts";
import { LiveBridge, type LiveBridgeOptions } from "../../../src/live/bridge/bridge.ts";
import {
  LiveClient,
  type LiveClientOptions,
  type SocketLike,
  type StreamNews,
} from "../../../src/live/bridge/client.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { importsOf, readSources, resolveImport } from "../../structure/source-files.ts";
import { startTcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";

const Socket = WebSocket as unknown as new (url: string) => SocketLike;

let store: DataStore;
let bridge: LiveBridge;
let proxy: TcpProxy;
const clients: LiveClient[] = [];
beforeEach(() => {
  store = new DataStore(new MemoryEngine());
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  await bridge[Symbol.asyncDispose]();
  await proxy.close();
  await store[Symbol.asyncDispose]();
});

async function connect(options: LiveBridgeOptions = {}, more: LiveClientOptions = {}): Promise<LiveClient> {
  bridge = await LiveBridge.listen(store, options);
  proxy = await startTcpProxy(bridge.port);
  const client = new LiveClient(`http://127.0.0.1:${proxy.port}`, { WebSocket: Socket, ...more });
  clients.push(client);
  return client;
}

async function startedScan(leaseMs = 0) {
  const scan = await store.createScan({ name: "align", number: 1 }, { leaseMs });
  const diode = await scan.createStream("diode", { dtype: "float64" });
  const words = await scan.createStream("words", { type: "json" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [2, 2] });
  await scan.prepare();
  await scan.start();
  return { scan, diode, words, camera };
}

async function all(news: AsyncIterable<StreamNews>): Promise<StreamNews[]> {
  const found: StreamNews[] = [];
  for await (const each of news) found.push(each);
  return found;
}

const valuesOf = (news: readonly StreamNews[]) =>
  news.flatMap((each) => (each.type === "points" ? [...(each.data as { data: Float64Array }).data] : []));

describe("a client of a bridge", () => {
  it("gets every point of a stream once, however often the connection breaks", async () => {
    const client = await connect();
    const { scan, diode } = await startedScan();
    const news: StreamNews[] = [];
    const reading = (async () => {
      for await (const each of client.stream({ scan: scan.key, stream: "diode", from: "start" })) news.push(each);
    })();
    for (let i = 0; i < 2000; i++) {
      await diode.send(i);
      if (i % 200 !== 100) continue;
      // In the middle of what comes: something of this part is here, and more is on its way.
      await expect.poll(() => valuesOf(news).length, { timeout: 30_000 }).toBeGreaterThan(i - 100);
      proxy.cut();
    }
    await scan.stop();
    await reading;
    expect(valuesOf(news)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    expect(news.filter(({ type }) => type === "stream").length).toBeGreaterThan(1);
    expect(news.filter(({ type }) => type === "gap")).toEqual([]);
  }, 60_000);

  it("misses no scan that is created while the connection is away", async () => {
    const { scan: known } = await startedScan();
    const client = await connect();
    const scans = client.scans({ since: "latest" });
    expect((await scans.next()).value).toMatchObject({ scan: { key: known.key } });
    const next = scans.next();
    proxy.cut();
    const keys = [(await startedScan()).scan.key, (await startedScan()).scan.key];
    const found = [await next, await scans.next()];
    expect(found.map(({ value }) => (value as { scan: { key: string } }).scan.key)).toEqual(keys);
    await scans.return();
  });

  it("follows a scan to its end", async () => {
    const client = await connect();
    const { scan } = await startedScan();
    const states: string[] = [];
    for await (const { state, revision } of client.scan(scan.key)) {
      states.push(state);
      if (state === "STARTED") {
        proxy.cut();
        await scan.stop();
      } else if (state === "STOPPED") await scan.close();
      expect(revision).toBeGreaterThan(0);
    }
    expect(states).toEqual(["STARTED", "STOPPED", "CLOSED"]);
    await expect(client.scan("esrf:scan:nothing").next()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("has JSON as it was, frames as arrays, and fetches long ones by their URL", async () => {
    const client = await connect({ inlineBytes: 32, token: "word" }, { token: "word" });
    const { scan, words, camera } = await startedScan();
    await words.send({ a: [1, null] });
    await words.send({ long: "x".repeat(100) });
    await camera.send(ndArray(Uint16Array.of(1, 2, 3, 4), [2, 2]));
    await scan.stop();
    const [, short, long] = await all(client.stream({ scan: scan.key, stream: "words", from: "start" }));
    expect(short).toMatchObject({ index: 0, data: [{ a: [1, null] }] });
    expect(long).toMatchObject({ index: 1, count: 1, url: expect.stringContaining("/points") });
    const { url } = long as { url: string };
    expect(await client.points(url, 1)).toEqual({ long: "x".repeat(100) });
    expect(await client.points(url, "0:1")).toEqual([{ a: [1, null] }]);
    await expect(client.points(url, 7)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(client.points("https://elsewhere.example.org/points", 1)).rejects.toMatchObject({
      code: "INVALID_DATA",
    });
    const [, frame] = await all(client.stream({ scan: scan.key, stream: "camera", from: "start" }));
    expect(frame).toMatchObject({ data: { shape: [1, 2, 2], data: Uint16Array.of(1, 2, 3, 4) } });
  });

  it("that takes nothing is sent nothing beyond its window, and others are none the slower", async () => {
    const client = await connect({ inlineBytes: 4096 });
    const { scan, diode } = await startedScan();
    const stuck = client.stream({ scan: scan.key, stream: "diode", from: "start", windowBytes: 8192 });
    await stuck.next();
    for (let i = 0; i < 100; i++) await diode.send(new Float64Array(1000).fill(i));
    await scan.stop();
    const quick = valuesOf(await all(client.stream({ scan: scan.key, stream: "diode", from: "start" })));
    expect(quick).toHaveLength(100_000);
    let points = 0;
    for await (const news of stuck) if (news.type === "points") points += news.count;
    expect(points).toBe(100_000);
  }, 60_000);

  it("says that the writer is lost, at the end of what it had sent", async () => {
    const client = await connect();
    const { scan, diode } = await startedScan();
    await diode.send(1);
    const reading = client.stream({ scan: scan.key, stream: "diode", from: "start" });
    await reading.next();
    expect(valuesOf([(await reading.next()).value as StreamNews])).toEqual([1]);
    const { key } = scan;
    await store.engine.transition(key, { from: [2], to: 4, endReason: "LOST" });
    await expect(reading.next()).rejects.toMatchObject({ code: "WRITER_LOST" });
  });

  it("fails at once with another token, and ends when its signal fires", async () => {
    const stranger = await connect({ token: "right" }, { token: "wrong" });
    await expect(stranger.scans().next()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const friend = new LiveClient(`http://127.0.0.1:${proxy.port}`, { WebSocket: Socket, token: "right" });
    clients.push(friend);
    const stop = new AbortController();
    const waiting = friend.scans({}, { signal: stop.signal }).next();
    await expect.poll(() => bridge.clients, { timeout: 30_000 }).toBe(1);
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await expect.poll(() => bridge.clients, { timeout: 30_000 }).toBe(0);
  });

  it("gives up a connection on which nothing comes, and makes another", async () => {
    const clock = new FakeClock();
    const states: boolean[] = [];
    const client = await connect({ clock: new FakeClock() }, { clock, onConnection: (isOpen) => states.push(isOpen) });
    const { scan: known } = await startedScan();
    const scans = client.scans({ since: "latest" });
    expect((await scans.next()).value).toMatchObject({ scan: { key: known.key } });
    const next = scans.next();
    expect(states).toEqual([true]);
    // The clock of the bridge stands still: no heartbeat comes.
    await clock.advance(30_000);
    expect(states).toEqual([true, false]);
    await clock.advance(250);
    await expect.poll(() => states, { timeout: 30_000 }).toEqual([true, false, true]);
    const { scan } = await startedScan();
    expect((await next).value).toMatchObject({ scan: { key: scan.key } });
    await scans.return();
  });

  it("needs nothing that browsers do not have", () => {
    const files = new Map(readSources(["src"]));
    const seen = new Set(["src/live/bridge/client.ts"]);
    for (const path of seen) {
      for (const { specifier, kind } of importsOf(path, files.get(path) as string)) {
        if (kind === "type") continue;
        expect(specifier, path).toMatch(/^\./);
        seen.add(resolveImport(path, specifier));
      }
    }
    expect(seen.size).toBeGreaterThan(5);
    for (const path of seen) expect(files.get(path), path).not.toMatch(/\b(Buffer|process)\.[a-z]/);
  });
});
