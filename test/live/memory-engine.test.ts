/** The engine of one process keeps the contract, and the kit finds engines that do not. */
import { describe, expect, test } from "vitest";
import type { LiveEngine } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../src/live/engines/memory-store.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { liveEngineConformance } from "../../src/testing/live-engine-kit.ts";
import { type LiveEngineMutant, liveEngineMutants, spoiled } from "../../src/testing/live-engine-mutants.ts";
import type { LiveEngineSetup } from "../../src/testing/live-engine-subject.ts";

const LIMITS = { limitBytes: 4_000_000, historyLimit: 1500 };

function memorySetup(mutant?: LiveEngineMutant): LiveEngineSetup {
  return {
    capabilities: new MemoryEngine(new MemoryLiveStore(LIMITS)).capabilities,
    make: async () => {
      const store = new MemoryLiveStore(LIMITS);
      const engines: LiveEngine[] = [];
      return {
        connect: async () => {
          const engine = new MemoryEngine(store);
          engines.push(engine);
          return mutant === undefined ? engine : spoiled(engine, mutant);
        },
        dispose: async () => {
          for (const engine of engines) await engine[Symbol.asyncDispose]();
          expect(store.waiters.size).toBe(0);
        },
      };
    },
  };
}

liveEngineConformance({ describe, test }, "memory", memorySetup());

describe("the kit refuses an engine that", () => {
  test.each(liveEngineMutants.map((mutant) => [mutant.name, mutant] as const))("%s", async (_name, mutant) => {
    const runner = new CollectingRunner();
    liveEngineConformance(runner, "mutant", memorySetup(mutant));
    const results = await runner.run({ timeoutMs: 500, stopAtFailure: true });
    expect(results.filter(({ error }) => error !== undefined)).not.toEqual([]);
  });
});
