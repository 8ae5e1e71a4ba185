/** The contract of engines, in folders. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { type FileEngineOptions, openFileEngine } from "../../../src/live/engines/file/index.ts";
import { liveEngineConformance } from "../../../src/testing/live-engine-kit.ts";

async function subject(options: Partial<FileEngineOptions> = {}) {
  const root = await mkdtemp(join(tmpdir(), "sluice-live-"));
  const engines: LiveEngine[] = [];
  return {
    connect: async () => {
      const engine = await openFileEngine({ root, ...options });
      engines.push(engine);
      return engine;
    },
    dispose: async () => {
      await Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]()));
      await rm(root, { recursive: true });
    },
  };
}

const capabilities = {
  processes: "machine",
  isPersistent: true,
  limitsMemory: false,
  trimsExactly: true,
  maxInfoBytes: 1_000_000,
} as const;

liveEngineConformance({ describe, test }, "file", { make: () => subject(), capabilities });

liveEngineConformance({ describe, test }, "file with a limit, everything in segments", {
  make: () => subject({ limitBytes: 6_000_000, inlineBytes: 0, segmentBytes: 100_000 }),
  capabilities: { ...capabilities, limitsMemory: true },
});
