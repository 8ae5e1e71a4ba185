/** Checks of byte stores: what a store does not declare it refuses, before anything has happened. */
import type { StoreCapabilities } from "../core/capabilities.ts";
import { checkRejects } from "./assertions.ts";
import { type ByteStoreCheck, checkKeys, checkStored, keysOf, pattern } from "./byte-store-checks.ts";

/** The checks for what these capabilities leave out; none where they leave out nothing. */
export function refusalChecks(capabilities: StoreCapabilities): readonly ByteStoreCheck[] {
  const { write, list, ifAbsent, ifMatch, positionalWrite } = capabilities;
  return [
    ...(write ? [] : [readOnlyCheck]),
    ...(list ? [] : [listCheck]),
    ...(write && ifAbsent === "none" ? [conditionCheck("ifAbsent")] : []),
    ...(write && ifMatch === "none" ? [conditionCheck("ifMatch")] : []),
    ...(write && !positionalWrite ? [positionCheck] : []),
  ];
}

const readOnlyCheck: ByteStoreCheck = {
  name: "a store that takes no writes refuses each with READ_ONLY, and nothing changes",
  run: async (subject) => {
    const { store, side } = subject;
    await side.put("value", pattern(3));
    await checkRejects(() => store.write("value", pattern(1)), "READ_ONLY", "write");
    await checkRejects(() => store.write("new", pattern(1)), "READ_ONLY", "write of a new key");
    await checkRejects(() => store.openWriter("value"), "READ_ONLY", "openWriter");
    await checkRejects(() => store.delete("value"), "READ_ONLY", "delete");
    await checkRejects(() => store.deleteMany(["value"]), "READ_ONLY", "deleteMany");
    await checkRejects(() => store.copy("value", "new"), "READ_ONLY", "copy");
    await checkRejects(() => store.rename("value", "new"), "READ_ONLY", "rename");
    await checkStored(subject, "value", pattern(3));
    await checkKeys(subject, ["value"], "what is there");
  },
};

const listCheck: ByteStoreCheck = {
  name: "a store that cannot list says UNSUPPORTED, not that it is empty",
  run: async ({ store, side }) => {
    await side.put("value", pattern(3));
    await checkRejects(() => keysOf(store), "UNSUPPORTED", "list");
  },
};

const conditionCheck = (condition: "ifAbsent" | "ifMatch"): ByteStoreCheck => ({
  name: `${condition} is refused with UNSUPPORTED where it cannot be kept, and nothing is written`,
  run: async (subject) => {
    const { store, side } = subject;
    await side.put("value", pattern(3));
    const { etag } = await store.stat("value");
    const options = condition === "ifAbsent" ? { ifAbsent: true } : { ifMatch: etag };
    for (const key of ["value", "new"]) {
      await checkRejects(() => store.write(key, pattern(1), options), "UNSUPPORTED", `write of "${key}"`);
      await checkRejects(() => store.openWriter(key, options), "UNSUPPORTED", `openWriter of "${key}"`);
    }
    await checkStored(subject, "value", pattern(3));
    await checkKeys(subject, ["value"], "what is there");
  },
});

const positionCheck: ByteStoreCheck = {
  name: "a position is refused with UNSUPPORTED where chunks only follow each other, and the writer goes on",
  run: async (subject) => {
    const writer = await subject.store.openWriter("value");
    await writer.write(pattern(4));
    await checkRejects(() => writer.write(pattern(2), { position: 0 }), "UNSUPPORTED", "a chunk at a position");
    await writer.write(pattern(3, 2));
    await writer.close();
    await checkStored(subject, "value", new Uint8Array([...pattern(4), ...pattern(3, 2)]));
  },
};
