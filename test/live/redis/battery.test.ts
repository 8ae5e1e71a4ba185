/** Scans, streams and cursors on a real server. */
import { afterAll, beforeAll, describe } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";
import { liveBattery } from "../battery/index.ts";
import type { Subject } from "../battery/subject.ts";

let server: RedisServer;
let nextDatabase = 0;

async function make(from: RedisServer, whenDone: () => Promise<void> = async () => {}): Promise<Subject> {
  const engines: LiveEngine[] = [];
  const url = from.url(nextDatabase++);
  return {
    connect: async () => {
      const engine = await openRedisEngine({ url });
      engines.push(engine);
      return engine;
    },
    waiting: async () => Number(/blocked_clients:(\d+)/.exec(await rawReply(from, "INFO", "clients"))?.[1]),
    dispose: async () => {
      await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
      await whenDone();
    },
  };
}

async function makeLimited(): Promise<Subject> {
  const limited = await startRedis({ args: ["--maxmemory", "24mb", "--maxmemory-policy", "noeviction"] });
  return await make(limited, () => limited.stop());
}

describe.skipIf(!hasRedis)("redis", () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });

  liveBattery({ name: "redis", make: () => make(server), makeLimited });
});
