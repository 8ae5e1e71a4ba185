/** Checks of byte stores: create-only and compare-and-set writes. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type ByteStoreCheck, checkEtag, checkKeys, checkStored, pattern, race } from "./byte-store-checks.ts";

/** Writers that race for one key. */
const RACERS = 12;

export const ifAbsentChecks: readonly ByteStoreCheck[] = [
  {
    name: "ifAbsent writes a new key, and refuses one that is there with ALREADY_EXISTS",
    run: async (subject) => {
      const { store } = subject;
      checkEtag((await store.write("a/value", pattern(5), { ifAbsent: true })).etag);
      await checkRejects(() => store.write("a/value", pattern(9), { ifAbsent: true }), "ALREADY_EXISTS", "write");
      await checkStored(subject, "a/value", pattern(5));
      await store.write("a/empty", new Uint8Array(0));
      await checkRejects(() => store.write("a/empty", pattern(9), { ifAbsent: true }), "ALREADY_EXISTS", "over empty");
      if (!store.capabilities.flatKeys) {
        const over = store.write("a", pattern(9), { ifAbsent: true });
        await checkRejects(over, "IS_A_DIRECTORY", "over a directory");
      }
      await checkKeys(subject, ["a/empty", "a/value"], "the stored keys");
    },
  },
  {
    name: `of ${RACERS} ifAbsent writes at once exactly one wins, and its value stays`,
    run: async (subject) => {
      for (const key of ["race", "new/directory/race"]) {
        const writes = Array.from({ length: RACERS }, (_, i) => async () => {
          await subject.store.write(key, pattern(10_000, i), { ifAbsent: true });
          return i;
        });
        const outcomes = await race(writes);
        const winners = outcomes.filter((outcome) => outcome.status === "fulfilled");
        checkEqual(winners.length, 1, "the number of winners");
        for (const outcome of outcomes) {
          if (outcome.status === "rejected")
            await checkRejects(Promise.reject(outcome.reason), "ALREADY_EXISTS", "a loser");
        }
        await checkStored(subject, key, pattern(10_000, winners[0]?.value));
      }
      await checkKeys(subject, ["race", "new/directory/race"], "the stored keys");
    },
  },
  {
    name: "a byte writer with ifAbsent that is overtaken loses, and what overtook it stays",
    run: async (subject) => {
      const { store } = subject;
      const writer = await store.openWriter("value", { ifAbsent: true });
      await writer.write(pattern(9));
      await store.write("value", pattern(5));
      await checkRejects(() => writer.close(), "ALREADY_EXISTS", "close");
      await checkStored(subject, "value", pattern(5));
      await checkKeys(subject, ["value"], "the stored keys");
    },
  },
  {
    name: "ifAbsent together with ifMatch is INVALID_DATA",
    run: async (subject) => {
      const options = { ifAbsent: true, ifMatch: "x" };
      await checkRejects(() => subject.store.write("value", pattern(1), options), "INVALID_DATA", "write");
      await checkRejects(() => subject.store.openWriter("value", options), "INVALID_DATA", "openWriter");
      await checkKeys(subject, [], "the stored keys");
    },
  },
];

export const ifMatchChecks: readonly ByteStoreCheck[] = [
  {
    name: "ifMatch writes over the version it names, and refuses any other",
    run: async (subject) => {
      const { store } = subject;
      const first = await store.write("value", pattern(5));
      const second = await store.write("value", pattern(5, 2), { ifMatch: first.etag });
      const stale = { ifMatch: first.etag };
      await checkRejects(() => store.write("value", pattern(5, 3), stale), "PRECONDITION_FAILED", "a stale etag");
      await checkRejects(() => store.write("none", pattern(5), stale), "PRECONDITION_FAILED", "a missing key");
      await checkStored(subject, "value", pattern(5, 2));
      await store.write("value", pattern(5), { ifMatch: second.etag });
      if (!store.capabilities.contentEtags) {
        await checkRejects(
          () => store.write("value", pattern(5, 3), stale),
          "PRECONDITION_FAILED",
          "the same bytes again",
        );
      }
      const listed = (await store.stat("value")).etag;
      await store.write("value", pattern(6), { ifMatch: listed });
      await checkKeys(subject, ["value"], "the stored keys");
    },
  },
  {
    name: `of ${RACERS} ifMatch writes at once exactly one wins`,
    run: async (subject) => {
      const { etag } = await subject.store.write("race", pattern(3));
      const writes = Array.from({ length: RACERS }, (_, i) => async () => {
        await subject.store.write("race", pattern(10_000, i), { ifMatch: etag });
        return i;
      });
      const outcomes = await race(writes);
      const winners = outcomes.filter((outcome) => outcome.status === "fulfilled");
      checkEqual(winners.length, 1, "the number of winners");
      await checkStored(subject, "race", pattern(10_000, winners[0]?.value));
      await checkKeys(subject, ["race"], "the stored keys");
    },
  },
  {
    name: "a counter that is read and set by ifMatch from many sides counts right",
    run: async ({ store, side }) => {
      await store.write("counter", new Uint8Array([0]));
      const increment = async () => {
        for (let attempt = 0; attempt < 200; attempt++) {
          const { etag } = await store.stat("counter");
          try {
            const [count] = await store.read("counter", { ifMatch: etag });
            await store.write("counter", new Uint8Array([(count as number) + 1]), { ifMatch: etag });
            return;
          } catch (error) {
            await checkRejects(Promise.reject(error), "PRECONDITION_FAILED", "an overtaken increment");
          }
        }
        check(false, "An increment was overtaken 200 times");
      };
      await Promise.all(Array.from({ length: 8 }, increment));
      checkEqual(await side.get("counter"), new Uint8Array([8]), "the counter");
    },
  },
  {
    name: "a byte writer with ifMatch that is overtaken loses",
    run: async (subject) => {
      const { store } = subject;
      const { etag } = await store.write("value", pattern(3));
      const writer = await store.openWriter("value", { ifMatch: etag });
      await writer.write(pattern(9));
      await store.write("value", pattern(5));
      await checkRejects(() => writer.close(), "PRECONDITION_FAILED", "close");
      await checkStored(subject, "value", pattern(5));
      await checkKeys(subject, ["value"], "the stored keys");
    },
  },
];

/** Where a rename is one step of the medium, so is a copy that must not replace anything. */
export const transferRaceChecks: readonly ByteStoreCheck[] = (["copy", "rename"] as const).map((operation) => ({
  name: `of ${RACERS} ${operation === "copy" ? "copies" : "renames"} to one new key at once exactly one wins`,
  run: async (subject) => {
    for (let i = 0; i < RACERS; i++) await subject.side.put(`from/${i}`, pattern(10_000, i));
    const transfers = Array.from({ length: RACERS }, (_, i) => async () => {
      await subject.store[operation](`from/${i}`, "new/place");
      return i;
    });
    const outcomes = await race(transfers);
    const winners = outcomes.filter((outcome) => outcome.status === "fulfilled");
    checkEqual(winners.length, 1, "the number of winners");
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") continue;
      await checkRejects(Promise.reject(outcome.reason), "ALREADY_EXISTS", "a loser");
      await checkStored(subject, `from/${i}`, pattern(10_000, i), "the source of a loser");
    }
    await checkStored(subject, "new/place", pattern(10_000, winners[0]?.value));
  },
}));
