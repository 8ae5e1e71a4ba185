/** A scan that somebody has damaged in the store: whoever loads it is told, and all others are found, ended and cleaned. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DataStore } from "../../src/live/data-store.ts";
import type { LiveEngine } from "../../src/live/engine.ts";
import { openFileEngine } from "../../src/live/engines/file/index.ts";
import { openRedisEngine } from "../../src/live/engines/redis/index.ts";
import { Retention } from "../../src/live/retention/retention.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../support/redis-server.ts";

const MEMBERS = ["identity", "info", "streams"] as const;
const DAMAGE = ["", "{", "null", '{"a":', '{"a":5}x'] as const;

type Damage = (scan: string, member: string, text: string) => Promise<void>;

/** What holds in any engine that is asked for its scans. */
function damagedScans(open: () => Promise<{ engine: LiveEngine; damage: Damage; close: () => Promise<void> }>): void {
  for (const member of MEMBERS) {
    test(`whose ${member} cannot be read keeps no other from being found, ended and cleaned`, async () => {
      const { engine, damage, close } = await open();
      try {
        const store = new DataStore(engine, { clock: new FakeClock() });
        const lose = { leaseMs: 1_000_000 };
        const scans = [];
        for (const name of ["first", "damaged", "last"]) {
          const scan = await store.createScan({ name }, { ...lose, info: { title: name } });
          await scan.createStream("data", { type: "json" });
          await scan.prepare();
          scans.push(scan);
        }
        const [first, damaged, last] = scans.map(({ key }) => key) as [string, string, string];
        for (const text of DAMAGE) {
          await damage(damaged, member, text);
          await expect(store.loadScan(damaged)).rejects.toMatchObject({ code: "CORRUPT", identifier: damaged });
        }
        await expect(store.loadScan(damaged)).rejects.toThrow(member);
        expect((await store.search()).keys).toEqual([first, damaged, last]);
        expect((await store.search({ identity: { name: "last" }, info: { title: "*" } })).keys).toEqual([last]);
        expect((await store.nextScan({ since: "oldest" })).key).toBe(first);
        expect(await store.states([first, damaged, last])).toEqual([1, 1, 1]);
        for (const { key, owner } of scans) await engine.renewLease(key, owner ?? "", 1);
        const ended: string[] = [];
        await expect.poll(async () => ended.push(...(await engine.closeLost())), { timeout: 30_000 }).toBe(3);
        expect(ended.sort()).toEqual([first, damaged, last].sort());
        expect(await store.states([damaged])).toEqual([4]);
        const report = await new Retention(engine, { closedScanMs: 0, protectedMs: 0 }).pass();
        expect(report.failed).toMatchObject([{ scan: damaged, error: { code: "CORRUPT" } }]);
        expect([...report.leaving].sort()).toEqual([first, last].sort());
        await store.deleteScan(damaged);
        expect((await store.search()).keys).toEqual([]);
        expect((await new Retention(engine).pass()).failed).toEqual([]);
      } finally {
        await close();
      }
    });
  }
}

describe("a scan in a folder", () => {
  damagedScans(async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-live-damaged-"));
    const engine = await openFileEngine({ root });
    const damage: Damage = async (scan, member, text) => {
      const driver = await openSqlite(join(root, "index.db"));
      driver.run(`UPDATE scans SET ${member} = ? WHERE key = ?`, [text, scan]);
      driver.close();
    };
    const close = async () => {
      await engine[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    };
    return { engine, damage, close };
  });
});

describe.skipIf(!hasRedis)("a scan in redis", () => {
  let server: RedisServer;
  let stores = 0;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });
  const open = async () => {
    const prefix = `sluice${++stores}:`;
    const engine = await openRedisEngine({ url: server.url(), prefix });
    const damage: Damage = async (scan, member, text) => {
      await rawReply(server, "HSET", `${prefix}${scan}`, member, text);
    };
    return { engine, damage, close: async () => await engine[Symbol.asyncDispose]() };
  };

  damagedScans(open);

  test("of which every number is damaged is ended and deleted as any other", async () => {
    const { engine, damage, close } = await open();
    try {
      const store = new DataStore(engine, { clock: new FakeClock() });
      const other = await store.createScan({ name: "other" }, { leaseMs: 1_000_000 });
      const { key, owner } = await store.createScan({ name: "damaged" }, { leaseMs: 1_000_000 });
      for (const scan of [{ key, owner }, other]) await engine.renewLease(scan.key, scan.owner ?? "", 1);
      for (const field of ["revision", "expires", "index", "tag", "created"]) await damage(key, field, "?");
      const ended: string[] = [];
      await expect.poll(async () => ended.push(...(await engine.closeLost())), { timeout: 30_000 }).toBe(2);
      expect((await store.search()).keys).toHaveLength(2);
      await store.deleteScan(key);
      expect((await store.search()).keys).toEqual([other.key]);
      expect((await engine.scansAfter("oldest", { timeoutMs: 0 })).scans.map((scan) => scan.key)).toEqual([other.key]);
    } finally {
      await close();
    }
  });
});
