import { describe, expect, it } from "vitest";
import { backendConformance } from "../../src/testing/backend-kit.ts";
import type { BackendMutant } from "../../src/testing/backend-mutant.ts";
import { backendMutants } from "../../src/testing/backend-mutants.ts";
import type { BackendSetup } from "../../src/testing/backend-subject.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { disk, memory, memoryFiles } from "./backends.ts";

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

describe("the backend kit", () => {
  it.each([
    ["memory", memory],
    ["disk", disk],
    ["files in memory", memoryFiles],
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
    const idle = new Set((await runner.run()).map(({ name }) => name));
    for (const mutant of backendMutants) for (const name of await failures(memory, mutant, false)) idle.delete(name);
    expect([...idle]).toEqual([]);
  });
});
