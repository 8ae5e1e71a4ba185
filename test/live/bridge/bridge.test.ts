import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { npyCodec } from "../../../src/codecs/npy.ts";
import { arrayFromBytes, ndArray } from "../../../src/core/nd-array.ts";
import { LiveBridge, type LiveBridgeOptions } from "../../../src/live/bridge/bridge.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { PlainClient } from "./support.ts";

let store: DataStore;
const open: AsyncDisposable[] = [];
beforeEach(() => {
  store = new DataStore(new MemoryEngine());
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});

async function bridge(options: LiveBridgeOptions = {}): Promise<LiveBridge> {
  const listening = await LiveBridge.listen(store, options);
  open.push(listening);
  return listening;
}

async function client(url: string, token?: string): Promise<PlainClient> {
  const connected = await PlainClient.greeted(url, token);
  open.push(connected);
  return connected;
}

/** A scan that is STARTED, with numbers, words and frames. */
async function startedScan(name = "align") {
  const scan = await store.createScan({ name, number: 7 }, { leaseMs: 0 });
  const diode = await scan.createStream("diode", { dtype: "float64" });
  const words = await scan.createStream("words", { type: "json" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [2, 3] });
  await scan.prepare();
  await scan.start();
  return { scan, diode, words, camera };
}

function numbersIn(message: { readonly payload?: Uint8Array; readonly shape?: readonly number[] }): number[] {
  return Array.from(arrayFromBytes(message.payload as Uint8Array, "float64", message.shape ?? []).data as Float64Array);
}

describe("a subscription to scans", () => {
  it("begins with the newest, and goes on with those that are created", async () => {
    await startedScan("old");
    const { scan } = await startedScan("new");
    const { url } = await bridge();
    const page = await client(url);
    page.say({ type: "scans", id: 1, since: "latest" });
    const [first] = await page.hears("scan");
    expect(first?.scan).toMatchObject({ key: scan.key, identity: { name: "new" }, state: "STARTED" });
    expect(Object.keys(first?.scan.streams ?? {})).toEqual(["diode", "words", "camera"]);
    const { scan: next } = await startedScan("next");
    const [, second] = await page.hears("scan", 2);
    expect(second?.scan.key).toBe(next.key);
    // From the tag of the first nothing is missed, and nothing comes twice.
    const again = await client(url);
    again.say({ type: "scans", id: 1, since: first?.tag });
    expect((await again.hears("scan"))[0]?.scan.key).toBe(next.key);
  });

  it("says first where it begins, so that a client that goes on from there misses none", async () => {
    const { url } = await bridge();
    const page = await client(url);
    page.say({ type: "scans", id: 1 });
    const [begin] = await page.hears("scans");
    await page[Symbol.asyncDispose]();
    const { scan } = await startedScan();
    const again = await client(url);
    again.say({ type: "scans", id: 1, since: begin?.tag });
    expect((await again.hears("scan"))[0]?.scan.key).toBe(scan.key);
  });

  it("has only those that match", async () => {
    await startedScan("a1");
    await startedScan("b1");
    const { scan } = await startedScan("a2");
    const page = await client((await bridge()).url);
    page.say({ type: "scans", id: 1, since: "oldest", identity: { name: "a*" } });
    const scans = await page.hears("scan", 2);
    expect(scans.map((each) => each.scan.identity.name)).toEqual(["a1", "a2"]);
    expect(scans[1]?.scan.key).toBe(scan.key);
  });
});

describe("a subscription to one scan", () => {
  it("says each change, from the revision that is known, and ends with the scan", async () => {
    const { scan } = await startedScan();
    const page = await client((await bridge()).url);
    page.say({ type: "scan", id: 3, key: scan.key });
    const [first] = await page.hears("scan");
    const late = await client((await bridge()).url);
    late.say({ type: "scan", id: 3, key: scan.key, revision: first?.scan.revision });
    await scan.close();
    expect((await page.hears("end"))[0]).toMatchObject({ id: 3, reason: "closed" });
    expect((await page.hears("scan")).at(-1)?.scan).toMatchObject({ state: "CLOSED", endReason: "SUCCESS" });
    await late.hears("end");
    expect((await late.hears("scan")).map((each) => each.scan.state)).toEqual(["CLOSED"]);
  });

  it("ends when the scan is deleted", async () => {
    const { scan } = await startedScan();
    const page = await client((await bridge()).url);
    page.say({ type: "scan", id: 0, key: scan.key });
    await page.hears("scan");
    await store.deleteScan(scan.key, { force: true });
    expect((await page.hears("end"))[0]?.reason).toMatch(/deleted|closed/);
    page.say({ type: "scan", id: 1, key: scan.key });
    expect((await page.hears("error"))[0]).toMatchObject({ id: 1, error: { code: "NOT_FOUND" } });
  });
});

describe("a subscription to a stream", () => {
  it("begins with the newest point, and has all that follow to the end", async () => {
    const { scan, diode } = await startedScan();
    await diode.send(Float64Array.of(1, 2, 3));
    const page = await client((await bridge()).url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "diode" });
    const [about] = await page.hears("stream");
    expect(about?.stream).toMatchObject({ length: 3, floor: 0, sealed: false, encoding: { dtype: "<f8" } });
    await page.hears("points");
    await diode.send(Float64Array.of(4, 5));
    await scan.stop();
    await page.hears("end");
    const points = await page.hears("points");
    expect(points.flatMap((each) => numbersIn(each as never))).toEqual([3, 4, 5]);
    expect([points[0]?.index, points.at(-1)?.next]).toEqual([2, 5]);
    expect((await page.hears("end"))[0]?.reason).toBe("sealed");
  });

  it("goes on from an index without loss or doubles, and takes each n-th", async () => {
    const { scan, diode } = await startedScan();
    for (let i = 0; i < 10; i++) await diode.send(i);
    await scan.stop();
    const page = await client((await bridge()).url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "diode", from: 6 });
    await page.hears("end");
    expect((await page.hears("points")).flatMap((each) => numbersIn(each as never))).toEqual([6, 7, 8, 9]);
    const other = await client((await bridge()).url);
    other.say({ type: "stream", id: 1, scan: scan.key, stream: "diode", from: "start", mode: { every: 4 } });
    await other.hears("end");
    expect((await other.hears("points")).flatMap((each) => numbersIn(each as never))).toEqual([0, 4, 8]);
  });

  it("says what has left, as a gap", async () => {
    const { scan, diode } = await startedScan();
    for (let i = 0; i < 6; i++) await diode.send(i);
    await store.engine.trim((await store.loadScan(scan.key)).stream("diode").key, 4);
    const page = await client((await bridge()).url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "diode", from: 1 });
    expect((await page.hears("gap"))[0]).toEqual({
      ...{ type: "gap", id: 1, reason: "expired", from: 1, to: 4, next: 4 },
    });
    expect((await page.hears("points"))[0]?.index).toBe(4);
  });

  it("has JSON as a list, and long points by address", async () => {
    const { scan, words, camera } = await startedScan();
    await words.send({ name: "é" });
    await camera.send(ndArray(Uint16Array.of(1, 2, 3, 4, 5, 65535), [2, 3]));
    const { url } = await bridge({ inlineBytes: 11 });
    const page = await client(url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "camera" });
    const [frame] = await page.hears("points");
    expect(frame).toMatchObject({ value: "url", index: 0, count: 1, next: 1 });
    const address = `${url}${(frame as { url: string }).url}`;
    const raw = await fetch(`${address}/0?format=raw`);
    expect(Object.fromEntries(raw.headers)).toMatchObject({
      ...{ "x-sluice-dtype": "uint16", "x-sluice-shape": "2,3", "x-sluice-byte-order": "little" },
    });
    expect([...new Uint16Array(await raw.arrayBuffer())]).toEqual([1, 2, 3, 4, 5, 65535]);
    const npy = new Uint8Array(await (await fetch(`${address}/-1`)).arrayBuffer());
    expect(npyCodec.decode(npy, { identifier: "x", options: {} })).toMatchObject({ shape: [2, 3], dtype: "uint16" });
    const wide = await client((await bridge()).url);
    wide.say({ type: "stream", id: 2, scan: scan.key, stream: "words" });
    const [word] = await wide.hears("points");
    expect(new TextDecoder().decode((word as unknown as { payload: Uint8Array }).payload)).toBe('[{"name":"é"}]');
  });

  it("waits while its window is full, and costs the writer nothing", async () => {
    const { scan, diode } = await startedScan();
    const page = await client((await bridge()).url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "diode", from: "start", mode: "latest" });
    await page.hears("stream");
    page.acknowledge(1);
    await diode.send(0);
    await page.hears("points");
    // Not acknowledged: nothing more comes, however much is written.
    for (let i = 1; i <= 500; i++) await diode.send(i);
    page.say({ type: "scan", id: 2, key: scan.key });
    await page.hears("scan");
    expect(await page.hears("points")).toHaveLength(1);
    page.acknowledge(1);
    const [, newest] = await page.hears("points", 2);
    expect([newest?.index, newest?.next]).toEqual([500, 501]);
  });

  it("passes over the rest when it is too far behind, and says so", async () => {
    const { scan, diode } = await startedScan();
    for (let i = 0; i < 100; i++) await diode.send(i);
    const page = await client((await bridge()).url);
    page.say({ type: "stream", id: 1, scan: scan.key, stream: "diode", from: "start", maxLag: 10 });
    expect((await page.hears("gap"))[0]).toMatchObject({ reason: "lag", from: 0, to: 99, next: 99 });
    expect((await page.hears("points"))[0]?.index).toBe(99);
  });
});

describe("the door", () => {
  it("listens beyond this machine only with a token", async () => {
    await expect(LiveBridge.listen(store, { host: "0.0.0.0" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("lets in who knows the token, by hello or header, for sockets and requests", async () => {
    const { url } = await bridge({ token: "open-sesame" });
    const stranger = await PlainClient.connect(url);
    stranger.say({ type: "hello", version: 1, token: "open" });
    expect(await stranger.closed).toEqual({ code: 4401, reason: "UNAUTHENTICATED" });
    await client(url, "open-sesame");
    await expect(PlainClient.connect(url, { authorization: "Bearer other" })).rejects.toThrow("401");
    const program = await PlainClient.connect(url, { authorization: "Bearer open-sesame" });
    program.say({ type: "hello", version: 1 });
    await program.hears("hello");
    open.push(program);
    expect((await fetch(`${url}/v1/scans`)).status).toBe(401);
    const headers = { authorization: "Bearer open-sesame" };
    expect(await (await fetch(`${url}/v1/scans`, { headers })).json()).toEqual({ scans: [], tag: "0-0" });
  });

  it("refuses pages of other sites, and names that were made to lead here", async () => {
    const { url, port } = await bridge({ origins: ["https://viewer.example.org"] });
    const refused = async (headers: Record<string, string>) => {
      await expect(PlainClient.connect(url, headers)).rejects.toThrow("403");
    };
    await refused({ origin: "https://evil.example.org" });
    await refused({ origin: `http://evil.example.org:${port}`, host: `evil.example.org:${port}` });
    await refused({ origin: "null" });
    open.push(await PlainClient.connect(url, { origin: url }));
    open.push(await PlainClient.connect(url, { origin: "https://viewer.example.org" }));
    expect((await fetch(`${url}/v1/scans`, { headers: { origin: "https://evil.example.org" } })).status).toBe(403);
    const named = await fetch(`${url}/v1/scans`, { headers: { origin: "https://viewer.example.org" } });
    expect(named.headers.get("access-control-allow-origin")).toBe("https://viewer.example.org");
  });

  it.each([
    ["no JSON", "{"],
    ["a request before hello", { type: "scans", id: 1 }],
    ["another version", { type: "hello", version: 2 }],
  ])("ends a connection with %s", async (_, message) => {
    const stranger = await PlainClient.connect((await bridge()).url);
    stranger.say(message);
    expect(await stranger.closed).toEqual({ code: 4400, reason: "INVALID_DATA" });
  });

  it("gives one client a number of subscriptions, and takes requests of a length", async () => {
    const page = await client((await bridge({ maxSubscriptions: 2 })).url);
    for (const id of [1, 2, 3]) page.say({ type: "scans", id });
    expect((await page.hears("error"))[0]).toMatchObject({ id: 3, error: { code: "CAPACITY_EXCEEDED" } });
    page.say({ type: "unsubscribe", id: 2 });
    page.say({ type: "scans", id: 3, since: "x".repeat(70_000) });
    expect((await page.closed).code).toBe(1009);
  });
});

describe("requests", () => {
  it("answer scans, streams and points, parts of their bytes, and what is wrong", async () => {
    const { scan, diode } = await startedScan();
    for (let i = 0; i < 10; i++) await diode.send(i);
    const { url } = await bridge({ maxAnswerBytes: 200 });
    const { scans } = (await (await fetch(`${url}/v1/scans?name=al*&number=7`)).json()) as { scans: { key: string }[] };
    expect(scans.map(({ key }) => key)).toEqual([scan.key]);
    const base = `${url}/v1/scans/latest/streams/diode`;
    expect(await (await fetch(base)).json()).toMatchObject({ name: "diode", length: 10, sealed: false });
    const some = await fetch(`${base}/points/8:2:-3?format=raw`);
    expect([...new Float64Array(await some.arrayBuffer())]).toEqual([8, 5]);
    const part = await fetch(`${base}/points/0:4?format=raw`, { headers: { range: "bytes=8-15" } });
    expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 8-15/32"]);
    expect([...new Float64Array(await part.arrayBuffer())]).toEqual([1]);
    for (const [path, status, code] of [
      ["/points/10", 404, "NOT_YET"],
      ["/points/x", 400, "INVALID_DATA"],
      ["/points/1?format=gif", 406, "UNSUPPORTED"],
      ["/elsewhere", 404, "NOT_FOUND"],
    ] as const) {
      const answer = await fetch(base + path);
      expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([
        status,
        code,
      ]);
    }
    for (let i = 0; i < 20; i++) await diode.send(i);
    expect((await fetch(`${base}/points/:?format=raw`)).status).toBe(413);
    expect((await fetch(base, { method: "POST" })).status).toBe(405);
  });

  it("answer the page at /, which may do nothing but talk to its bridge", async () => {
    const page = await fetch((await bridge()).url);
    expect(await page.text()).toContain("<script>");
    expect(page.headers.get("content-security-policy")).toMatch(/default-src 'none'; script-src 'sha256-/);
    expect((await fetch((await bridge({ page: false })).url)).status).toBe(404);
  });
});
