import { describe, expect, test } from "vitest";
import type { ByteStoreSubject } from "../../src/testing/byte-store-kit.ts";
import { byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { edgeByteStoreMutants } from "../../src/testing/edge-mutants.ts";
import { lossByteStoreMutants } from "../../src/testing/loss-mutants.ts";
import { moreByteStoreMutants } from "../../src/testing/more-mutants.ts";
import { byteStoreMutants, type Mutant, override } from "../../src/testing/mutants.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

/** Names of the checks that fail over a store with something planted in it. */
async function failures(
  make: () => Promise<ByteStoreSubject>,
  plant: Mutant["plant"],
  filter?: (name: string) => boolean,
): Promise<{ ran: number; failed: string[] }> {
  const sample = await make();
  const { capabilities } = sample.store;
  await sample.dispose?.();
  const planted = async () => {
    const subject = await make();
    // The bug stays out of what closes the store.
    return { ...subject, store: plant(subject.store), dispose: () => release(subject) };
  };
  const runner = new CollectingRunner();
  byteStoreConformance(runner, "mutant", { capabilities, make: planted });
  const results = await runner.run(filter === undefined ? {} : { filter });
  return { ran: results.length, failed: results.filter(({ error }) => error !== undefined).map(({ name }) => name) };
}

async function release(subject: ByteStoreSubject): Promise<void> {
  await subject.store.close();
  await subject.dispose?.();
}

const mutants = [...byteStoreMutants, ...moreByteStoreMutants, ...edgeByteStoreMutants, ...lossByteStoreMutants];

describe.each([
  ["memory", freshMemory, false],
  ["disk", () => freshDisk({ durability: "none" }), true],
] as const)("bugs planted in the %s store", (_name, make, hasDirectories) => {
  test("none: the wrapping alone breaks nothing", async () => {
    const { ran, failed } = await failures(make, (store) => override(store, {}));
    expect(failed).toEqual([]);
    expect(ran).toBeGreaterThan(60);
  });

  for (const mutant of mutants) {
    if (mutant.needsDirectories && !hasDirectories) continue;
    test(`"${mutant.name}" is found`, async () => {
      const isKiller = (name: string) => name.endsWith(` › ${mutant.killedBy}`);
      const { ran, failed } = await failures(make, mutant.plant, isKiller);
      expect(ran, `no check is called "${mutant.killedBy}"`).toBe(1);
      expect(failed).toHaveLength(1);
    });
  }
});

test("the seventeen bugs of the public suites are all there", () => {
  expect(byteStoreMutants).toHaveLength(17);
  expect(new Set(mutants.map((mutant) => mutant.name)).size).toBe(mutants.length);
});
