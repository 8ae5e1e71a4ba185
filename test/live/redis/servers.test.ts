/** Servers as laboratories have them: with users, over TLS, shared with others, and with less care for the disk. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DataStore } from "../../../src/live/data-store.ts";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine, type RedisEngineOptions } from "../../../src/live/engines/redis/index.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { freePort, hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";

const KEY = "esrf:stream:01JD0000000000000000000001";
const entry = (index: number) => ({ index, length: 1, payload: Uint8Array.of(index) });

/** Everything that a producer, a reader and retention ask for. */
async function useAll(engine: LiveEngine): Promise<void> {
  const store = new DataStore(engine);
  const scan = await store.createScan({ name: "a", number: 1 });
  const writer = await scan.createStream("data", { dtype: "float64" });
  await scan.prepare();
  await scan.start();
  await writer.send(Float64Array.of(1, 2, 3));
  const stream = (await store.loadScan(scan.key)).stream("data");
  expect(await (await stream.cursor()).read()).toMatchObject({ index: 0, length: 3 });
  await writer.setDurable(2);
  await engine.trim(stream.key, 2);
  expect((await store.search({ identity: { name: "a" } })).keys).toEqual([scan.key]);
  expect((await engine.scansAfter("oldest")).scans).toHaveLength(1);
  await engine.usage();
  await engine.closeLost();
  await scan.close();
  await engine.expire(scan.key, 60_000);
  await store.deleteScan(scan.key);
}

describe.skipIf(!hasRedis)("redis", () => {
  let server: RedisServer;
  const engines: LiveEngine[] = [];
  const open = async (options: RedisEngineOptions = {}) => {
    const engine = await openRedisEngine({ url: server.url(), retryDelayMs: 5, ...options });
    engines.push(engine);
    return engine;
  };
  beforeAll(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
    await rawReply(server, "FLUSHALL");
  });
  afterAll(async () => {
    await server.stop();
  });

  it.each([
    ["functions", "+fcall +fcall_ro +function|load"],
    ["scripts", "+evalsha +script|load"],
  ])("needs no more rights than the page says, with %s", async (scripts, rights) => {
    const user = `producer-${scripts}`;
    const common = "+@read +@write +@stream +@hash +@sortedset +@string +@keyspace +@connection +info +time";
    const reply = await rawReply(
      server,
      ...["ACL", "SETUSER", user, "on", ">hunter2", "resetkeys", "~sluice:*", "~esrf:*", "-@all"],
      ...[...common.split(" "), ...rights.split(" "), "-@dangerous", "+info"],
    );
    expect(reply).toBe("+OK\r\n");
    const url = server.url().replace("redis://", `redis://${user}:hunter2@`);
    // Asked for functions, the second falls back to scripts by itself.
    await useAll(await open({ url }));
    await rawReply(server, "ACL", "DELUSER", user);
  });

  it("what a user may not do is said, and an error has no password in it, whatever is wrong", async () => {
    await rawReply(server, "ACL", "SETUSER", "reader", "on", ">hunter2", "~*", "+@all", "-xadd", "-evalsha", "-fcall");
    const address = server.url().slice("redis://".length);
    const reader = await open({ url: `redis://reader:hunter2@${address}` });
    const failures = await Promise.all(
      [
        reader.append(KEY, [entry(0)]),
        open({ url: `redis://reader:hunter2-wrong@${address}` }),
        open({ url: "redis://reader:hunter2@127.0.0.1:1" }),
        open({ url: "redis://reader:hunter2@127.0.0.1:99999999" }),
        open({ url: "http://reader:hunter2@127.0.0.1" }),
        open({ url: `redis://reader:hunter2@${address.replace("/0", "/70000")}` }),
        open({ url: `redis://reader:hunter2@${address.replace("/0", "/first")}` }),
        open({ url: `redis://reader:hunter2%zz@${address}` }),
      ].map((call) =>
        call.then(
          () => expect.fail("it was taken"),
          (error) => error,
        ),
      ),
    );
    expect(failures.map(({ code }) => code)).toEqual([
      "PERMISSION_DENIED",
      "UNAUTHENTICATED",
      "TIMED_OUT",
      "CONFIG_INVALID",
      "CONFIG_INVALID",
      "UNEXPECTED",
      "CONFIG_INVALID",
      "CONFIG_INVALID",
    ]);
    for (const error of failures) {
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("hunter2");
      expect(JSON.stringify(error)).not.toContain("hunter2");
    }
  });

  it("who comes to wait for something else is waited for at once, not with the next heartbeat", async () => {
    const [reader, writer] = [await open({ heartbeatMs: 600_000 }), await open()];
    const controller = new AbortController();
    const other = reader.wait(new Map([[`${KEY}-other`, 0]]), { signal: controller.signal }).catch(() => {});
    await expect
      .poll(async () => /blocked_clients:1\b/.test(await rawReply(server, "INFO", "clients")), { timeout: 30_000 })
      .toBe(true);
    const waiting = reader.wait(new Map([[`${KEY}-late`, 0]]));
    // So that the second is waited for before its point comes; if it is not yet, the point is there when it looks.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writer.append(`${KEY}-late`, [entry(0)]);
    expect((await waiting).size).toBe(1);
    controller.abort();
    await other;
  }, 60_000);

  it("two prefixes in one database do not see each other's scans, nor delete them", async () => {
    const [one, two] = [new DataStore(await open({ prefix: "a:" })), new DataStore(await open({ prefix: "b:" }))];
    const scan = await one.createScan({ name: "s" });
    await expect(two.loadScan(scan.key)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(two.lastScan()).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect((await two.search({ identity: { name: "s" } })).keys).toEqual([]);
    const other = await two.createScan({ name: "s" });
    await two.deleteScan(other.key, { force: true });
    expect((await one.lastScan()).key).toBe(scan.key);
    expect(await rawReply(server, "KEYS", "sluice:*")).toBe("*0\r\n");
  });

  it("functions of another version stay beside ours, and are not called", async () => {
    const library = "sluice_live_0123456789";
    const code = `#!lua name=${library}\nredis.register_function('${library}_append', function() return 99 end)`;
    await rawReply(server, "FUNCTION", "LOAD", code);
    const engine = await open();
    await engine.append(KEY, [entry(0)]);
    expect((await engine.bounds([KEY]))[0]?.length).toBe(1);
    expect(await rawReply(server, "FCALL", `${library}_append`, "0")).toBe(":99\r\n");
    await rawReply(server, "FUNCTION", "DELETE", library);
  });

  it("a connection that waits and on which nothing comes any more, not even a heartbeat, is made anew", async () => {
    const proxy = await startTcpProxy(server.port);
    try {
      const url = `redis://127.0.0.1:${proxy.port}`;
      const [waiting, direct] = [await open({ url, heartbeatMs: 100 }), await open()];
      const page = waiting.wait(new Map([[KEY, 0]]));
      await expect.poll(() => rawReply(server, "INFO", "clients"), { timeout: 30_000 }).toContain("blocked_clients:1");
      proxy.hold();
      await direct.append(KEY, [entry(0)]);
      expect((await page).get(KEY)?.bounds.length).toBe(1);
    } finally {
      await proxy.close();
    }
  });

  it("that loses what it had acknowledged, as without a log, is found out by the writer's next append", async () => {
    const careless = await startRedis();
    const engine = await open({ url: careless.url() });
    try {
      await engine.append(KEY, [entry(0), entry(1)]);
      await careless.kill();
      await careless.start();
      await expect(engine.append(KEY, [entry(2)])).rejects.toMatchObject({ code: "CONFLICT", index: 2, length: 0 });
      expect((await engine.bounds([KEY]))[0]?.length).toBe(0);
    } finally {
      await engine[Symbol.asyncDispose]();
      await careless.stop();
    }
  });

  it("is reached over TLS, if its certificate is trusted", async () => {
    const directory = mkdtempSync(join(tmpdir(), "sluice-redis-tls-"));
    const { cert, key } = makeCertificate();
    const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key, { mode: 0o644 });
    const files = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile];
    const port = await freePort();
    const secure = await startRedis({ args: ["--tls-port", String(port), "--tls-auth-clients", "no", ...files] });
    try {
      await expect(open({ url: `rediss://127.0.0.1:${port}` })).rejects.toMatchObject({ code: "UNEXPECTED" });
      await useAll(await open({ url: `rediss://127.0.0.1:${port}`, certificateAuthority: cert }));
    } finally {
      await Promise.all(engines.splice(0).map((engine) => engine[Symbol.asyncDispose]()));
      await secure.stop();
      rmSync(directory, { recursive: true });
    }
  });
});
