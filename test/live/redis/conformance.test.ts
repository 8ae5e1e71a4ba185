/** The contract of engines, on a real server. */
import { afterAll, beforeAll, describe, test } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { openRedisEngine, type RedisEngineOptions } from "../../../src/live/engines/redis/index.ts";
import { liveEngineConformance } from "../../../src/testing/live-engine-kit.ts";
import { hasRedis, type RedisServer, rawReply, startRedis } from "../../support/redis-server.ts";

let server: RedisServer;
let nextDatabase = 0;

async function subject(options: RedisEngineOptions = {}) {
  const engines: LiveEngine[] = [];
  const url = server.url(nextDatabase++);
  return {
    connect: async () => {
      const engine = await openRedisEngine({ url, ...options });
      engines.push(engine);
      return engine;
    },
    dispose: async () => {
      await rawReply(server, "FLUSHALL");
      await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
    },
  };
}

const capabilities = {
  processes: "network",
  isPersistent: true,
  limitsMemory: false,
  trimsExactly: true,
  maxInfoBytes: 1_000_000,
} as const;

describe.skipIf(!hasRedis)("redis", () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });

  liveEngineConformance({ describe, test }, "redis", { make: () => subject(), capabilities });

  liveEngineConformance({ describe, test }, "redis that forgets, by scripts", {
    make: () => subject({ historyLimit: 1500, scripts: "scripts" }),
    capabilities: { ...capabilities, historyLimit: 1500 },
  });
});
