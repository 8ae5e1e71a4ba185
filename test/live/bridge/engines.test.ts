/** A bridge in front of each engine, where the scans are written by another process than the one that serves. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { LiveBridge } from "../../../src/live/bridge/bridge.ts";
import { LiveClient, type SocketLike, type StreamNews } from "../../../src/live/bridge/client.ts";
import { openLive } from "../../../src/live/open.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";

const Socket = WebSocket as unknown as new (url: string) => SocketLike;

/** Points, read through a connection that is cut: none is missing, none comes twice, what has left is a gap. */
async function followThroughCuts(location: string): Promise<void> {
  await using writing = await openLive(location);
  await using serving = await openLive(location);
  await using bridge = await LiveBridge.listen(serving);
  const proxy = await startTcpProxy(bridge.port);
  await using client = new LiveClient(`http://127.0.0.1:${proxy.port}`, { WebSocket: Socket });
  const scans = client.scans({ since: "oldest" });
  const scan = await writing.createScan({ name: "align" }, { leaseMs: 0 });
  expect((await scans.next()).value).toMatchObject({ type: "scan", scan: { key: scan.key } });
  await scans.return();
  const diode = await scan.createStream("diode", { dtype: "float64" });
  const words = await scan.createStream("words", { type: "json" });
  await scan.prepare();
  await scan.start();
  const news: StreamNews[] = [];
  const values = () =>
    news.flatMap((each) => (each.type === "points" ? [...(each.data as { data: Float64Array }).data] : []));
  const reading = (async () => {
    const request = { scan: scan.key, stream: "diode", from: "start" } as const;
    for await (const each of client.stream(request)) news.push(each);
  })();
  for (let i = 0; i < 60; i++) {
    await diode.send(i);
    if (i % 20 !== 10) continue;
    await expect.poll(() => values().length, { timeout: 30_000 }).toBeGreaterThan(i - 10);
    proxy.cut();
  }
  await words.send("é");
  await scan.close();
  await reading;
  expect(values()).toEqual(Array.from({ length: 60 }, (_, i) => i));
  const late: StreamNews[] = [];
  for await (const each of client.stream({ scan: scan.key, stream: "words" })) late.push(each);
  expect(late.at(-1)).toMatchObject({ index: 0, data: ["é"] });
  await proxy.close();
}

describe("a bridge in front of files", () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bridge-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("loses nothing, and doubles nothing", () => followThroughCuts(join(folder, "live")), 60_000);
});

describe.skipIf(!hasRedis)("a bridge in front of redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it("loses nothing, and doubles nothing", () => followThroughCuts(server.url()), 60_000);
});
