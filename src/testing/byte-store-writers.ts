/** Checks of byte stores: values that come in pieces. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type ByteStoreCheck, checkKeys, checkStored, fired, keysOf, pattern, text } from "./byte-store-checks.ts";

export const writerChecks: readonly ByteStoreCheck[] = [
  {
    name: "a writer appends chunks in call order, also without waiting between them",
    run: async (subject) => {
      const whole = pattern(500_000);
      const writer = await subject.store.openWriter("a/value");
      const writes: Promise<void>[] = [];
      for (let at = 0; at < whole.length; at += 50_000) {
        const middle = at + 20_000;
        writes.push(writer.write([whole.subarray(at, middle), whole.subarray(middle, at + 50_000)]));
        checkEqual(writer.byteLength, at + 50_000, "the length so far");
      }
      await Promise.all(writes);
      const result = await writer.close();
      checkEqual(result.byteLength, whole.length, "the length in the result");
      checkEqual((await subject.store.stat("a/value")).etag, result.etag, "the etag in stat");
      await checkStored(subject, "a/value", whole);
    },
  },
  {
    name: "nothing is visible before close, and what was there stays until then",
    run: async ({ store, side }) => {
      await side.put("old", pattern(5));
      const fresh = await store.openWriter("fresh");
      const over = await store.openWriter("old");
      await fresh.write(pattern(1000));
      await over.write(pattern(1000));
      await checkRejects(() => store.read("fresh"), "NOT_FOUND", "read before close");
      checkEqual(await side.get("fresh"), undefined, "the side door before close");
      checkEqual(await store.read("old"), pattern(5), "the old value before close");
      checkEqual(await keysOf(store), ["old"], "the listing before close");
      await fresh.close();
      await over.close();
      checkEqual(await side.get("old"), pattern(1000), "the value after close");
      checkEqual(await keysOf(store), ["fresh", "old"], "the listing after close");
    },
  },
  {
    name: "abort, and disposing without close, leave what was there and nothing else",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("old", pattern(5));
      const over = await store.openWriter("old");
      await over.write(pattern(1000));
      await over.abort();
      await over.abort();
      const fresh = await store.openWriter("new/directory/fresh");
      const late = fresh.write(pattern(1_000_000));
      await fresh[Symbol.asyncDispose]();
      await late.catch(() => {});
      await checkStored(subject, "old", pattern(5));
      await checkKeys(subject, ["old"], "what is there");
      await checkRejects(() => over.write(pattern(1)), "NOT_OPEN", "write after abort");
      await checkRejects(() => over.close(), "NOT_OPEN", "close after abort");
    },
  },
  {
    name: "after close, abort and disposing are harmless, close answers again, write is NOT_OPEN",
    run: async (subject) => {
      const writer = await subject.store.openWriter("value");
      await writer.write(pattern(10));
      const result = await writer.close();
      checkEqual(await writer.close(), result, "the second close");
      await writer.abort();
      await writer[Symbol.asyncDispose]();
      await checkRejects(() => writer.write(pattern(1)), "NOT_OPEN", "write after close");
      await checkStored(subject, "value", pattern(10));
    },
  },
  {
    name: "an abort while a close is under way ends when it is decided, and close says how",
    run: async ({ store, side }) => {
      const ways = store.capabilities.ifAbsent === "none" ? [undefined] : [undefined, true];
      for (const ifAbsent of ways) {
        for (let turns = 0; turns < 6; turns++) {
          const key = `value-${turns}-${ifAbsent ?? false}`;
          const writer = await store.openWriter(key, { ifAbsent });
          await writer.write(pattern(1000));
          const closing = writer.close().then(
            () => true,
            () => false,
          );
          for (let i = 0; i < turns; i++) await side.get("nothing");
          await writer.abort();
          const there = (await side.get(key)) !== undefined;
          checkEqual(await closing, there, `whether close ${turns} turns before abort succeeded`);
          checkEqual((await side.get(key)) !== undefined, there, "what is there later");
          if (there) await store.delete(key);
          checkEqual(await side.keys(), [], "what else is there");
        }
      }
    },
  },
  {
    name: "a writer that got nothing makes an empty value",
    run: async (subject) => {
      const writer = await subject.store.openWriter("empty");
      checkEqual((await writer.close()).byteLength, 0, "the length");
      await checkStored(subject, "empty", new Uint8Array(0));
    },
  },
  {
    name: "a writer does not keep the caller's memory",
    run: async (subject) => {
      const writer = await subject.store.openWriter("value");
      const chunk = pattern(1000);
      await writer.write(chunk);
      chunk.fill(0);
      await writer.write(chunk.subarray(0, 1));
      await writer.close();
      await checkStored(subject, "value", new Uint8Array([...pattern(1000), 0]));
    },
  },
  {
    name: "two writers of one key at once do not mix, and the last to close stays",
    run: async (subject) => {
      const { store } = subject;
      const [first, second] = [await store.openWriter("a/value"), await store.openWriter("a/value")];
      for (const i of [0, 1, 2]) {
        await Promise.all([first.write(pattern(1000, i)), second.write(pattern(700, i + 10))]);
      }
      await second.close();
      const twice = [0, 1, 2].flatMap((i) => [...pattern(700, i + 10)]);
      await checkStored(subject, "a/value", new Uint8Array(twice), "the value of the first to close");
      await first.close();
      const whole = [0, 1, 2].flatMap((i) => [...pattern(1000, i)]);
      await checkStored(subject, "a/value", new Uint8Array(whole), "the value of the last to close");
      await checkKeys(subject, ["a/value"], "the stored keys");
    },
  },
  {
    name: "a writer gives the checksum it was asked for",
    run: async ({ store }) => {
      const writer = await store.openWriter("value", { checksum: "crc32c" });
      await writer.write(text("1234"));
      await writer.write([text("56"), text("789")]);
      const result = await writer.close();
      checkEqual(result.checksum, { algorithm: "crc32c", value: "e3069283" }, "the checksum");
    },
  },
  {
    name: "openWriter refuses a value that is there, and a signal that has fired",
    run: async ({ store, side }) => {
      await side.put("a/value", pattern(3));
      const exclusive = async () => (await store.openWriter("a/value", { ifAbsent: true })).close();
      if (store.capabilities.ifAbsent !== "none") await checkRejects(exclusive, "ALREADY_EXISTS", "ifAbsent");
      const aborted = async () => store.openWriter("b", { signal: fired() });
      await checkRejects(aborted, "ABORTED", "a signal that has fired");
      checkEqual(await side.keys(), ["a/value"], "what is there");
    },
  },
  {
    name: "closing the store discards what its writers have not closed",
    run: async (subject) => {
      const writer = await subject.store.openWriter("a/value");
      await writer.write(pattern(1000));
      await subject.store.close();
      await checkKeys(subject, [], "what is there");
      await checkRejects(() => writer.close(), "NOT_OPEN", "close of the writer");
      check((await subject.side.get("a/value")) === undefined, "The value must not be there");
    },
  },
];

export const positionalChecks: readonly ByteStoreCheck[] = [
  {
    name: "chunks land at their positions, in any order and several at once",
    run: async (subject) => {
      const whole = pattern(400_000);
      const writer = await subject.store.openWriter("value");
      const places = [300_000, 0, 200_000, 100_000];
      await Promise.all(places.map((at) => writer.write(whole.subarray(at, at + 100_000), { position: at })));
      checkEqual(writer.byteLength, whole.length, "the length");
      checkEqual((await writer.close()).byteLength, whole.length, "the length in the result");
      await checkStored(subject, "value", whole);
    },
  },
  {
    name: "gaps are zeros, and a later chunk overwrites an earlier one",
    run: async (subject) => {
      const writer = await subject.store.openWriter("value", { checksum: "crc32c" });
      await writer.write(pattern(10), { position: 20 });
      await writer.write(pattern(4, 2), { position: 22 });
      checkEqual(writer.byteLength, 30, "the length");
      await writer.write(pattern(2, 3), { position: 0 });
      const expected = new Uint8Array(30);
      expected.set(pattern(10), 20);
      expected.set(pattern(4, 2), 22);
      expected.set(pattern(2, 3), 0);
      const { checksum } = await writer.close();
      await checkStored(subject, "value", expected);
      const again = await subject.store.write("again", expected, { checksum: "crc32c" });
      checkEqual(checksum, again.checksum, "the checksum of a value written out of order");
    },
  },
  {
    name: "a position that is no place is INVALID_DATA, and the writer goes on",
    run: async (subject) => {
      const writer = await subject.store.openWriter("value");
      await checkRejects(() => writer.write(pattern(1), { position: -1 }), "INVALID_DATA", "position -1");
      await checkRejects(() => writer.write(pattern(1), { position: 0.5 }), "INVALID_DATA", "position 0.5");
      await writer.write(pattern(3));
      await writer.close();
      await checkStored(subject, "value", pattern(3));
    },
  },
];
