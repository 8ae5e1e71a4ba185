import { once } from "node:events";
import { get } from "node:http";
import { createServer } from "node:https";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { LiveBridge } from "../../../src/live/bridge/bridge.ts";
import { FlowWindow } from "../../../src/live/bridge/flow-window.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { hasProgram } from "../../support/archives.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { PlainClient } from "./support.ts";

let store: DataStore;
beforeEach(() => {
  store = new DataStore(new MemoryEngine());
});
afterEach(() => store[Symbol.asyncDispose]());

async function longStream(points: number): Promise<string> {
  const scan = await store.createScan({}, { leaseMs: 0 });
  const rows = await scan.createStream("rows", { dtype: "float64", shape: [1000] });
  await scan.prepare();
  for (let i = 0; i < points; i++) await rows.send(new Float64Array(1000).fill(i));
  await scan.close();
  return scan.key;
}

describe("what is under way to a client", () => {
  it("is as much as its window and one message, until it says that it is done", async () => {
    const scan = await longStream(100);
    await using bridge = await LiveBridge.listen(store, { inlineBytes: 8000 });
    await using page = await PlainClient.greeted(bridge.url);
    page.say({ type: "stream", id: 1, scan, stream: "rows", from: "start", windowBytes: 20_000 });
    await page.hears("points", 3);
    // What else it asks for is answered all the same.
    page.say({ type: "scan", id: 2, key: scan });
    await page.hears("end");
    expect(page.bytes.get(1)).toBeLessThan(20_000 + 9000);
    page.acknowledge(1);
    await page.hears("points", 5);
  });

  it("is bounded for all its subscriptions together", async () => {
    const scan = await longStream(100);
    await using bridge = await LiveBridge.listen(store, { inlineBytes: 8000, clientBytes: 40_000 });
    await using page = await PlainClient.greeted(bridge.url);
    for (let id = 0; id < 20; id++) page.say({ type: "stream", id, scan, stream: "rows", from: "start" });
    await page.hears("points", 3);
    page.say({ type: "scan", id: 99, key: "esrf:scan:nothing" });
    await page.hears("error");
    const total = () => [...page.bytes].reduce((sum, [, bytes]) => sum + bytes, 0);
    expect(total()).toBeLessThan(41_000);
    // Whoever is done with some gets more, of whatever subscription has its turn.
    for (let round = 0; round < 40; round++) {
      const before = page.heard.length;
      for (const id of page.bytes.keys()) page.acknowledge(id);
      await expect.poll(() => page.heard.length, { timeout: 30_000 }).toBeGreaterThan(before);
    }
  });

  it("cannot be acknowledged before it was sent", async () => {
    const window = new FlowWindow(10);
    window.sent(5, () => {});
    expect(() => window.acknowledge(6)).toThrow("5 were sent");
    await using bridge = await LiveBridge.listen(store);
    await using page = await PlainClient.greeted(bridge.url);
    page.say({ type: "scans", id: 1 });
    page.say({ type: "ack", id: 1, bytes: 1_000_000 });
    expect((await page.closed).code).toBe(4400);
  });
});

describe("silence", () => {
  it("of a bridge is no longer than a heartbeat", async () => {
    const clock = new FakeClock();
    await using bridge = await LiveBridge.listen(store, { clock, heartbeatMs: 1000 });
    await using page = await PlainClient.greeted(bridge.url);
    await clock.advance(1000); // that of the hello
    await clock.advance(1000);
    await page.hears("heartbeat");
  });

  it("of a client, even to pings, ends it; so does one that never says hello", async () => {
    const clock = new FakeClock();
    await using bridge = await LiveBridge.listen(store, { clock, heartbeatMs: 1000 });
    const silent = new WebSocket(`${bridge.url.replace("http", "ws")}/v1/socket`, { autoPong: false });
    await once(silent, "open");
    const mute = await PlainClient.connect(bridge.url);
    silent.send('{"type":"hello","version":1}');
    await once(silent, "message");
    const closed = once(silent, "close");
    await clock.advance(1000);
    expect((await mute.closed).code).toBe(1006);
    expect(silent.readyState).toBe(WebSocket.OPEN);
    await clock.advance(4000);
    expect((await closed)[0]).toBe(1006);
  });
});

describe("sockets that never say hello", () => {
  it("keep nobody out, however many they are, and are gone after a heartbeat", async () => {
    const clock = new FakeClock();
    await using bridge = await LiveBridge.listen(store, { clock, heartbeatMs: 1000, maxClients: 2 });
    const mute: PlainClient[] = [];
    for (let i = 0; i < 6; i++) mute.push(await PlainClient.connect(bridge.url));
    // Those that came first made room.
    for (const first of mute.slice(0, 4)) expect((await first.closed).code).toBe(1006);
    await using one = await PlainClient.greeted(bridge.url);
    await using two = await PlainClient.greeted(bridge.url);
    expect(bridge.clients).toBe(2);
    await expect(PlainClient.connect(bridge.url)).rejects.toThrow("503");
    await clock.advance(1000);
    for (const last of mute) expect((await last.closed).code).toBe(1006);
    expect([one.heard[0]?.type, two.heard[0]?.type]).toEqual(["hello", "hello"]);
  });

  it("are refused once the others are as many as there may be", async () => {
    await using bridge = await LiveBridge.listen(store, { maxClients: 2 });
    await using late = await PlainClient.connect(bridge.url);
    {
      await using page = await PlainClient.greeted(bridge.url);
      await using _other = await PlainClient.greeted(bridge.url);
      late.say({ type: "hello", version: 1 });
      expect((await late.closed).code).toBe(4429);
      expect(page.heard).toHaveLength(1);
    }
    await expect.poll(() => bridge.clients, { timeout: 30_000 }).toBe(0);
    await using next = await PlainClient.greeted(bridge.url);
    expect(next.heard).toHaveLength(1);
  });
});

describe("answers", () => {
  it("are held one after the other where together they would be too long", async () => {
    const scan = await longStream(2000);
    const bytes = 2000 * 8000;
    await using bridge = await LiveBridge.listen(store, { answerBytes: bytes + 1000 });
    const url = `${bridge.url}/v1/scans/${scan}/streams/rows/points`;
    // Longer than a socket takes by itself, and nobody reads it.
    const unread = get(`${url}/:`).on("error", () => {});
    const [answer] = await once(unread, "response");
    let isThere = false;
    const late = fetch(`${url}/:?format=raw`).then((whole) => {
      isThere = true;
      return whole.arrayBuffer();
    });
    // Short ones wait for none, and have come by when the long one would have.
    for (let i = 0; i < 20; i++) expect((await (await fetch(`${url}/0`)).arrayBuffer()).byteLength).toBe(8128);
    expect([isThere, answer.statusCode]).toEqual([false, 200]);
    unread.destroy();
    expect((await late).byteLength).toBe(bytes);
  });
});

describe("listening", () => {
  it("takes so many clients, and a port that is free", async () => {
    await using bridge = await LiveBridge.listen(store, { maxClients: 1 });
    await using page = await PlainClient.greeted(bridge.url);
    await expect(PlainClient.connect(bridge.url)).rejects.toThrow("503");
    await expect(LiveBridge.listen(store, { port: bridge.port })).rejects.toMatchObject({ code: "CONFLICT" });
    expect([bridge.clients, page.heard.length]).toEqual([1, 1]);
  });

  it("that ends tells its clients, and leaves the store open", async () => {
    const bridge = await LiveBridge.listen(store);
    const page = await PlainClient.greeted(bridge.url);
    await bridge[Symbol.asyncDispose]();
    expect((await page.closed).code).toBe(1001);
    await longStream(1);
  });

  it.skipIf(!hasProgram("openssl") && !process.env.CI)("over TLS takes a server of the caller", async () => {
    const { cert, key } = makeCertificate();
    await using bridge = await LiveBridge.listen(store, { server: createServer({ cert, key }) });
    expect(bridge.url).toMatch(/^https:/);
    const socket = new WebSocket(`${bridge.url.replace("https", "wss")}/v1/socket`, { ca: cert });
    await once(socket, "open");
    socket.send('{"type":"hello","version":1}');
    await once(socket, "message");
    socket.terminate();
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await expect(LiveBridge.listen(store, { server })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await new Promise((resolve) => server.close(resolve));
  });
});
