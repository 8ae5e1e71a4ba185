import { describe, expect, it } from "vitest";
import { backendConformance } from "../../src/testing/backend-kit.ts";
import { type BackendMutant, mutant } from "../../src/testing/backend-mutant.ts";
import { backendMutants } from "../../src/testing/backend-mutants.ts";
import type { BackendSetup } from "../../src/testing/backend-subject.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { disk, flatFiles, memory, memoryFiles } from "./backends.ts";

/** Names of the checks that a backend with this mistake fails. */
async function failures(
  setup: BackendSetup,
  mutant: BackendMutant | undefined,
  stopAtFailure: boolean,
): Promise<string[]> {
  const runner = new CollectingRunner();
  const make = async () => {
    const subject = await setup.make();
    mutant?.plant(subject.backend);
    return subject;
  };
  backendConformance(runner, "mutant", { ...setup, make });
  const results = await runner.run({ stopAtFailure });
  return results.filter(({ error }) => error !== undefined).map(({ name }) => name);
}

/** Mistakes that only files above others bring to light, one for each check of flat keys. */
const flatMutants: readonly BackendMutant[] = [
  mutant("takes a file above others for no directory", ({ stat }) => ({
    isDir: async (path, options) => (await stat(path, options)).kind === "directory",
  })),
  mutant("saves nothing where others lie below", ({ isDir, save }) => ({
    save: async (data, path, options) => {
      if (await isDir(path)) return { status: "skipped", identifier: path };
      return save(data, path, options);
    },
  })),
  mutant("spares what lies below a file that deleteAll removes", (original) => ({
    deleteAll: async (path) => ((await original.isFile(path)) ? original.delete(path) : original.deleteAll(path)),
  })),
  mutant("moves a file with what lies below it", ({ move, isFile, isDir, deleteAll }) => ({
    move: async (from, to, options) => {
      const isBoth = (await isFile(from)) && (await isDir(from));
      await move(from, to, options);
      if (isBoth) await deleteAll(from);
    },
  })),
];

describe("the backend kit", () => {
  it.each([
    ["memory", memory],
    ["disk", disk],
    ["files in memory", memoryFiles],
    ["files in memory with flat keys", flatFiles],
  ])("passes %s without a mutant", async (_, setup) => {
    expect(await failures(setup, undefined, false)).toEqual([]);
  });

  it.each(backendMutants.map((mutant) => [mutant.name, mutant] as const))(
    "refuses a backend that %s",
    async (_, mutant) => {
      expect(await failures(memory, mutant, true)).not.toEqual([]);
      expect(await failures(disk, mutant, true)).not.toEqual([]);
    },
  );

  it("has no check that is never needed: each one refuses some mutant", async () => {
    const runner = new CollectingRunner();
    backendConformance(runner, "mutant", memory);
    const names = (await runner.run()).map(({ name }) => name);
    const idle = new Set(names.filter((name) => !name.includes("does not apply")));
    for (const mutant of backendMutants) for (const name of await failures(memory, mutant, false)) idle.delete(name);
    expect([...idle]).toEqual([]);
  });

  it.each(flatMutants.map((each) => [each.name, each] as const))(
    "refuses a backend with flat keys that %s",
    async (_, each) => expect(await failures(flatFiles, each, true)).not.toEqual([]),
  );
});
