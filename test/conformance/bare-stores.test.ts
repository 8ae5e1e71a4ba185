/** A store that can do as little as the contract allows, alone and below each layer; and what finds it boasting. */
import { describe, expect, test } from "vitest";
import { type ByteStoreSubject, byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { override } from "../../src/testing/mutants.ts";
import { bareStore } from "../support/bare-store.ts";
import { freshMemory } from "../support/byte-stores.ts";
import { layered, overlayOver } from "../support/layered-stores.ts";

async function freshBare(): Promise<ByteStoreSubject> {
  const subject = await freshMemory();
  return { ...subject, store: bareStore(subject.store) };
}

/** One layer of each make: those that only pass on are the same on any store. */
const chosen = [
  "retry",
  "limit",
  "cache in memory",
  "checksum",
  "prefix",
  "overlay over an empty store",
  "a whole stack",
];
const layers = {
  "no layer": async (subject: ByteStoreSubject) => subject,
  ...Object.fromEntries(Object.entries(layered).filter(([name]) => chosen.includes(name))),
  "overlay over the values": overlayOver,
};

for (const [name, wrap] of Object.entries(layers)) {
  const make = async (): Promise<ByteStoreSubject> => wrap(await freshBare());
  const sample = await make();
  const { capabilities } = sample.store;
  await sample.store.close();
  byteStoreConformance({ describe, test }, `a bare store, ${name}`, { capabilities, make });
}

test("every chosen layer is there", () => expect(Object.keys(layers)).toHaveLength(chosen.length + 2));

test.each(["ifAbsent", "ifMatch"] as const)(
  "one that ignores %s instead of refusing it is found",
  async (condition) => {
    const make = async () => {
      const subject = await freshBare();
      const { store } = subject;
      const deaf = override(store, {
        write: (key, bytes, options) => store.write(key, bytes, { ...options, [condition]: undefined }),
      });
      return { ...subject, store: deaf };
    };
    const { capabilities } = (await make()).store;
    const runner = new CollectingRunner();
    byteStoreConformance(runner, "deaf", { capabilities, make });
    const failed = (await runner.run()).filter(({ error }) => error !== undefined).map(({ name }) => name);
    const wanted = `byte store deaf › what it does not declare › ${condition} is refused with UNSUPPORTED where it cannot be kept, and nothing is written`;
    expect(failed).toContain(wanted);
  },
);
