/** Scans, streams and cursors over the engine of one process. */
import { expect } from "vitest";
import type { LiveEngine } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { MemoryLiveStore, type MemoryLiveStoreOptions } from "../../src/live/engines/memory-store.ts";
import { liveBattery } from "./battery/index.ts";
import type { Subject } from "./battery/subject.ts";

async function make(options: MemoryLiveStoreOptions = {}): Promise<Subject> {
  const store = new MemoryLiveStore(options);
  const engines: LiveEngine[] = [];
  return {
    connect: async () => {
      const engine = new MemoryEngine(store);
      engines.push(engine);
      return engine;
    },
    waiting: async () => store.waiters.size,
    dispose: async () => {
      for (const engine of engines) await engine[Symbol.asyncDispose]();
      expect(store.waiters.size).toBe(0);
    },
  };
}

liveBattery({ name: "memory", make: () => make(), makeLimited: () => make({ limitBytes: 4_000_000 }) });
