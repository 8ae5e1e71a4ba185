import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { writerConformance } from "../../src/testing/writer-kit.ts";
import { memorySubject, plainSubject, tiffSubject } from "../support/writer-subjects.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-writers-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const runner = { describe, test };
writerConformance(runner, "A custom writer", { make: async () => plainSubject(), canFail: true });
writerConformance(runner, "A custom writer with a slow hook", {
  make: async () => {
    const subject = plainSubject();
    subject.writer.insideHook = () => new Promise((resolve) => setImmediate(resolve));
    return subject;
  },
  canFail: true,
});
writerConformance(runner, "The memory writer", { make: async () => memorySubject() });
writerConformance(runner, "The TIFF writer", { make: async () => tiffSubject(folder), canFail: true });
writerConformance(runner, "The TIFF writer, one file at a time", {
  make: async () => tiffSubject(folder, { filesInFlight: 1 }),
  canFail: true,
});
