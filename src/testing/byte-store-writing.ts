/** Checks of byte stores: life, keys and whole-value writes. */
import type { StoreCapabilities } from "../core/capabilities.ts";
import { check, checkEqual, checkRejects, isEqual } from "./assertions.ts";
import {
  type ByteStoreCheck,
  checkEtag,
  checkKeys,
  checkStored,
  fired,
  keysOf,
  pattern,
  race,
  text,
} from "./byte-store-checks.ts";

/** Keys that have been mangled somewhere by somebody. */
const ODD_KEYS = [
  "with space",
  "a  b/ c ",
  "plus+and%20percent",
  "100%",
  "%2e%2e",
  "hash#tag",
  "what?x=1&y=2",
  "plate[1]/well(A01)",
  "back\\slash",
  "quote'\"`",
  "colon:semi;comma,",
  "star*.tif",
  ".hidden/.file",
  "..dots",
  "...",
  "-dash",
  "~tilde",
  "$HOME",
  "é/e\u0301",
  "日本/試料",
  "😀",
  "\uffee",
  "x".repeat(200),
];

/** @param capabilities - What the store is said to declare. */
export const lifeChecks = (capabilities: StoreCapabilities): readonly ByteStoreCheck[] => [
  {
    name: "declares what it is said to declare",
    run: async ({ store }) => {
      checkEqual({ ...store.capabilities }, { ...capabilities }, "the capabilities");
      check(store.name.length > 0, "A store has a name for messages");
    },
  },
  {
    name: "gives percent-encoded URIs",
    run: async ({ store }) => {
      const uri = store.uri("a b/c#d?e%f");
      check(uri.endsWith("/a%20b/c%23d%3Fe%25f"), `The URI of "a b/c#d?e%f" is ${uri}`);
      check(new URL(uri).protocol.length > 1, `${uri} is no URI`);
      check(uri.startsWith(store.uri("").replace(/\/$/, "")), "The URI of a key begins with that of the root");
    },
  },
  {
    name: "closes once or often, and then refuses everything with NOT_OPEN",
    run: async ({ store, side }) => {
      await side.put("value", pattern(3));
      await store.close();
      await store.close();
      await checkRejects(() => store.read("value"), "NOT_OPEN", "read after close");
      await checkRejects(() => store.stat("value"), "NOT_OPEN", "stat after close");
      await checkRejects(() => store.write("value", pattern(1)), "NOT_OPEN", "write after close");
      await checkRejects(() => store.openWriter("value"), "NOT_OPEN", "openWriter after close");
      await checkRejects(() => store.delete("value"), "NOT_OPEN", "delete after close");
      await checkRejects(() => store.deleteMany(["value"]), "NOT_OPEN", "deleteMany after close");
      await checkRejects(() => keysOf(store), "NOT_OPEN", "list after close");
    },
  },
];

export const keyChecks: readonly ByteStoreCheck[] = [
  {
    name: "odd keys round-trip untouched",
    run: async (subject) => {
      const { store } = subject;
      for (const [i, key] of ODD_KEYS.entries()) await store.write(key, pattern(10 + i, i));
      for (const [i, key] of ODD_KEYS.entries()) {
        await checkStored(subject, key, pattern(10 + i, i));
        checkEqual(await store.read(key), pattern(10 + i, i), `read("${key}")`);
        checkEqual((await store.stat(key)).key, key, `the key of stat("${key}")`);
      }
      await checkKeys(subject, ODD_KEYS, "the stored keys");
    },
  },
  {
    name: "keys are normalised",
    run: async (subject) => {
      const { store } = subject;
      for (const key of ["/a/b", "a//b", "./a/./b", "a/x/../b", "a/b/"]) {
        await store.write(key, text(key));
        await checkStored(subject, "a/b", text(key), `what "${key}" wrote`);
        checkEqual(await store.read(key), text(key), `read("${key}")`);
      }
      await checkKeys(subject, ["a/b"], "the stored keys");
    },
  },
  {
    name: "keys that leave the root, or are none, are INVALID_KEY everywhere",
    run: async (subject) => {
      const { store } = subject;
      await subject.side.put("here", pattern(3));
      for (const key of ["../out", "a/../../out", "..", "nul\0byte", "half\ud800pair"]) {
        const what = JSON.stringify(key);
        await checkRejects(() => store.write(key, pattern(1)), "INVALID_KEY", `write(${what})`);
        await checkRejects(() => store.read(key), "INVALID_KEY", `read(${what})`);
        await checkRejects(() => store.stat(key), "INVALID_KEY", `stat(${what})`);
        await checkRejects(() => store.openWriter(key), "INVALID_KEY", `openWriter(${what})`);
        await checkRejects(() => store.delete(key), "INVALID_KEY", `delete(${what})`);
        await checkRejects(() => store.copy("here", key), "INVALID_KEY", `copy to ${what}`);
        await checkRejects(() => store.copy(key, "there"), "INVALID_KEY", `copy from ${what}`);
        await checkRejects(() => store.rename("here", key), "INVALID_KEY", `rename to ${what}`);
        const [result] = await store.deleteMany([key]);
        checkEqual(result?.error?.code, "INVALID_KEY", `deleteMany([${what}])`);
      }
      await checkKeys(subject, ["here"], "the stored keys");
    },
  },
  {
    name: "the root is a directory: no value can be there",
    run: async ({ store }) => {
      await checkRejects(() => store.write("", pattern(1)), "IS_A_DIRECTORY", 'write("")');
      await checkRejects(() => store.openWriter("/"), "IS_A_DIRECTORY", 'openWriter("/")');
      await checkRejects(() => store.read("."), ["IS_A_DIRECTORY", "NOT_FOUND"], 'read(".")');
    },
  },
];

export const writeChecks: readonly ByteStoreCheck[] = [
  {
    name: "write stores exactly the bytes, whatever they are, and makes directories",
    run: async (subject) => {
      for (const byteLength of [1, 1000, 3_000_001]) {
        const key = `new/directory/${byteLength}`;
        const result = await subject.store.write(key, pattern(byteLength));
        checkEqual(result.byteLength, byteLength, "the length in the result");
        await checkStored(subject, key, pattern(byteLength));
        checkEqual((await subject.store.stat(key)).byteLength, byteLength, "the length in stat");
      }
    },
  },
  {
    name: "an empty value is a value",
    run: async (subject) => {
      for (const [key, bytes] of [
        ["none", new Uint8Array(0)],
        ["no parts", []],
        ["empty parts", [new Uint8Array(0), new Uint8Array(0)]],
      ] as const) {
        checkEqual((await subject.store.write(key, bytes)).byteLength, 0, "the length in the result");
        await checkStored(subject, key, new Uint8Array(0));
      }
      await subject.store.write("full", pattern(5));
      await subject.store.write("full", new Uint8Array(0));
      await checkStored(subject, "full", new Uint8Array(0), "a value replaced by an empty one");
    },
  },
  {
    name: "several parts are one value, in order, views included",
    run: async (subject) => {
      const whole = pattern(10_000);
      const cuts = [0, 1, 1, 7, 4096, 4097, 9999, 10_000];
      const parts = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
      await subject.store.write("parts", parts);
      await checkStored(subject, "parts", whole);
      const many = Array.from({ length: 2500 }, (_, i) => pattern(i % 4, i));
      await subject.store.write("many parts", many);
      await checkStored(subject, "many parts", new Uint8Array(many.flatMap((part) => [...part])));
    },
  },
  {
    name: "write replaces, also by something shorter, and its etag follows the value",
    run: async (subject) => {
      const etags = new Set<string>();
      for (let i = 0; i < 12; i++) {
        const { etag } = await subject.store.write("value", pattern(i % 2 ? 5 : 50, i));
        checkEtag(etag);
        check(!etags.has(etag), `The etag ${etag} of write ${i} was that of an earlier value`);
        etags.add(etag);
        checkEqual((await subject.store.stat("value")).etag, etag, "the etag in stat");
        await checkStored(subject, "value", pattern(i % 2 ? 5 : 50, i));
      }
      await checkKeys(subject, ["value"], "the stored keys");
    },
  },
  {
    name: "write does not keep the caller's memory",
    run: async (subject) => {
      const bytes = pattern(100);
      await subject.store.write("value", bytes);
      bytes.fill(0);
      await checkStored(subject, "value", pattern(100));
      checkEqual(await subject.store.read("value"), pattern(100), "the value after its source was overwritten");
    },
  },
  {
    name: "a checksum that is asked for is right",
    run: async ({ store }) => {
      const digits = [text("1234"), text("56789")];
      const expected = { algorithm: "crc32c", value: "e3069283" };
      checkEqual((await store.write("value", digits, { checksum: "crc32c" })).checksum, expected, "the checksum");
    },
  },
  {
    name: "readers beside a writer see whole values only",
    run: async ({ store }) => {
      const byteLength = 2_000_000;
      const versions = [1, 2, 3].map((seed) => new Uint8Array(byteLength).fill(seed));
      await store.write("value", versions[0] as Uint8Array);
      let isWriting = true;
      const look = async () => {
        for (let round = 0; isWriting; round++) {
          const bytes = await store.read("value");
          checkEqual(bytes.length, byteLength, "the length that a reader sees");
          check(
            bytes.every((byte) => byte === bytes[0]),
            "A reader saw a mixture of two values",
          );
          const [head, tail] = await store.readRanges("value", [{ offset: 0, length: 1 }, { suffix: 1 }]);
          checkEqual(head, tail, "the two ends of a value, read at once");
          // Falls out of step with the writer, which a store without I/O would otherwise keep for ever.
          for (let step = 0; step < round % 7; step++) await Promise.resolve();
        }
      };
      const readers = Promise.allSettled([look(), look()]);
      try {
        for (let i = 1; i < 16; i++) await store.write("value", versions[i % 3] as Uint8Array);
      } finally {
        isWriting = false;
      }
      for (const outcome of await readers) if (outcome.status === "rejected") throw outcome.reason;
    },
  },
  {
    name: "writers of one key at once leave one of their values, whole, and nothing else",
    run: async (subject) => {
      const writes = Array.from(
        { length: 8 },
        (_, i) => () => subject.store.write("deep/er/value", pattern(100_000, i)),
      );
      for (const outcome of await race(writes)) check(outcome.status === "fulfilled", "A write failed");
      const stored = await subject.side.get("deep/er/value");
      check(stored !== undefined, "Nothing is stored");
      const isOne = writes.some((_, i) => isEqual(stored, pattern(100_000, i)));
      check(isOne, "What is stored is none of the values that were written");
      await checkKeys(subject, ["deep/er/value"], "the stored keys");
    },
  },
  {
    name: "a signal that has fired writes nothing",
    run: async (subject) => {
      await subject.store.write("value", pattern(5));
      const options = { signal: fired() };
      await checkRejects(() => subject.store.write("value", pattern(9), options), "ABORTED", "write");
      await checkRejects(() => subject.store.write("new/value", pattern(9), options), "ABORTED", "write of a new key");
      await checkStored(subject, "value", pattern(5));
      await checkKeys(subject, ["value"], "the stored keys");
    },
  },
];
