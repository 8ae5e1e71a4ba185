/** Scans, streams and cursors over folders. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LiveEngine } from "../../../src/live/engine.ts";
import { type FileEngineOptions, openFileEngine } from "../../../src/live/engines/file/index.ts";
import { liveBattery } from "../battery/index.ts";
import type { Subject } from "../battery/subject.ts";

async function make(options: Partial<FileEngineOptions> = {}): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), "sluice-live-battery-"));
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

liveBattery({ name: "file", make: () => make(), makeLimited: () => make({ limitBytes: 4_000_000 }) });
