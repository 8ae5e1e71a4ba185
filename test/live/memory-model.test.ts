/** Scans, streams and cursors over the engine of one process. */
import type { LiveEngine } from "../../src/live/engine.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../src/live/engines/memory-store.ts";
import { cursorBattery } from "./battery/cursors.ts";
import { discoveryBattery } from "./battery/discovery.ts";
import { scanBattery } from "./battery/scans.ts";
import { streamBattery } from "./battery/streams.ts";
import type { BatteryEngine } from "./battery/subject.ts";
import { takeOverBattery } from "./battery/take-over.ts";

const memory: BatteryEngine = {
  name: "memory",
  make: async () => {
    const store = new MemoryLiveStore();
    const engines: LiveEngine[] = [];
    return {
      connect: async () => {
        const engine = new MemoryEngine(store);
        engines.push(engine);
        return engine;
      },
      dispose: async () => {
        for (const engine of engines) await engine[Symbol.asyncDispose]();
      },
    };
  },
};

for (const battery of [scanBattery, discoveryBattery, streamBattery, cursorBattery, takeOverBattery]) battery(memory);
