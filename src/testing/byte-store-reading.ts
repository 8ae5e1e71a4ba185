/** Checks of byte stores: reading. Values come in by the side door, so that read-only stores are checked too. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type ByteStoreCheck, checkEtag, drain, fired, pattern } from "./byte-store-checks.ts";

export const readChecks: readonly ByteStoreCheck[] = [
  {
    name: "read gives exactly the stored bytes",
    run: async ({ store, side }) => {
      for (const byteLength of [1, 255, 4096, 3_000_001]) {
        await side.put("value", pattern(byteLength));
        checkEqual(await store.read("value"), pattern(byteLength), `a value of ${byteLength} bytes`);
      }
    },
  },
  {
    name: "read of an empty value gives no bytes",
    run: async ({ store, side }) => {
      await side.put("empty", new Uint8Array(0));
      checkEqual(await store.read("empty"), new Uint8Array(0), "an empty value");
      checkEqual((await store.stat("empty")).byteLength, 0, "the length of an empty value");
      checkEqual((await drain(await store.readStream("empty"))).bytes, new Uint8Array(0), "an empty stream");
    },
  },
  {
    name: "a missing key is NOT_FOUND for every way of reading",
    run: async ({ store, side }) => {
      await side.put("file", pattern(3));
      for (const key of ["missing", "a/b/missing", "file/below", "fil", "files"]) {
        await checkRejects(() => store.read(key), "NOT_FOUND", `read("${key}")`);
        await checkRejects(() => store.read(key, { range: { suffix: 1 } }), "NOT_FOUND", `read("${key}", suffix)`);
        await checkRejects(() => store.readRanges(key, [{ offset: 0 }]), "NOT_FOUND", `readRanges("${key}")`);
        await checkRejects(() => store.readStream(key), "NOT_FOUND", `readStream("${key}")`);
        await checkRejects(() => store.stat(key), "NOT_FOUND", `stat("${key}")`);
      }
    },
  },
  {
    name: "stat knows key, kind, length and etag",
    run: async ({ store, side }) => {
      await side.put("a/value", pattern(1234));
      const stat = await store.stat("./a//value");
      checkEqual([stat.key, stat.kind, stat.byteLength], ["a/value", "file", 1234], "stat");
      checkEtag(stat.etag);
      checkEqual((await store.stat("a/value")).etag, stat.etag, "the etag of an unchanged value");
      if (stat.modifiedMs === undefined) return;
      check(stat.modifiedMs > 1.5e12 && stat.modifiedMs < 1e14, `modifiedMs in milliseconds, got ${stat.modifiedMs}`);
    },
  },
  {
    name: "what was read belongs to the caller",
    run: async ({ store, side }) => {
      await side.put("value", pattern(100));
      const first = await store.read("value");
      const ranges = await store.readRanges("value", [{ offset: 0 }, { offset: 0, length: 50 }, { suffix: 60 }]);
      first.fill(0);
      ranges[0]?.fill(0);
      checkEqual(ranges[1], pattern(100).slice(0, 50), "a range that overlaps one that was overwritten");
      checkEqual(ranges[2], pattern(100).slice(40), "another such range");
      checkEqual(await store.read("value"), pattern(100), "the value after its copy was overwritten");
      check(first.buffer !== (await store.read("value")).buffer, "Two reads must not share memory");
    },
  },
  {
    name: "reads by a stale etag are PRECONDITION_FAILED, by the right one they succeed",
    run: async ({ store, side }) => {
      await side.put("value", pattern(10));
      const { etag } = await store.stat("value");
      checkEqual(await store.read("value", { ifMatch: etag }), pattern(10), "read by etag");
      checkEqual(
        (await store.readRanges("value", [{ offset: 9 }], { ifMatch: etag }))[0]?.length,
        1,
        "a range by etag",
      );
      const stale = { ifMatch: "no such version" };
      await checkRejects(() => store.read("value", stale), "PRECONDITION_FAILED", "read");
      await checkRejects(() => store.readRanges("value", [{ offset: 0 }], stale), "PRECONDITION_FAILED", "readRanges");
      await checkRejects(() => store.readStream("value", stale), "PRECONDITION_FAILED", "readStream");
    },
  },
  {
    name: "reads have no side effects",
    run: async ({ store, side }) => {
      await side.put("value", pattern(10));
      const before = await store.stat("value");
      await store.read("value");
      await drain(await store.readStream("value"));
      await checkRejects(() => store.read("x/y/missing"), "NOT_FOUND", "read of a missing key");
      checkEqual((await store.stat("value")).etag, before.etag, "the etag after reading");
      checkEqual(await side.keys(), ["value"], "what is there after reading");
    },
  },
  {
    name: "a signal that has fired stops every read",
    run: async ({ store, side }) => {
      await side.put("value", pattern(10));
      const options = { signal: fired() };
      await checkRejects(() => store.read("value", options), "ABORTED", "read");
      await checkRejects(() => store.readRanges("value", [{ offset: 0 }], options), "ABORTED", "readRanges");
      await checkRejects(() => store.readStream("value", options), "ABORTED", "readStream");
      await checkRejects(() => store.stat("value", options), "ABORTED", "stat");
    },
  },
];

/** A store that cannot list need not know what lies below a key. */
export const impliedDirectoryChecks: readonly ByteStoreCheck[] = [
  {
    name: "a directory is IS_A_DIRECTORY to read and kind directory to stat",
    run: async ({ store, side }) => {
      await side.put("a/b/c", pattern(3));
      for (const key of ["a", "a/b"]) {
        await checkRejects(() => store.read(key), "IS_A_DIRECTORY", `read("${key}")`);
        await checkRejects(() => store.readStream(key), "IS_A_DIRECTORY", `readStream("${key}")`);
        const stat = await store.stat(key);
        checkEqual([stat.key, stat.kind, stat.byteLength], [key, "directory", 0], `stat("${key}")`);
      }
      checkEqual((await store.stat("")).kind, "directory", "the kind of the root");
    },
  },
];

export const rangeChecks: readonly ByteStoreCheck[] = [
  {
    name: "a range gives exactly its bytes, and less at the end of the value",
    run: async ({ store, side }) => {
      const value = pattern(1000);
      await side.put("value", value);
      for (const [range, start, end] of [
        [{ offset: 0, length: 1 }, 0, 1],
        [{ offset: 1, length: 1 }, 1, 2],
        [{ offset: 10, length: 100 }, 10, 110],
        [{ offset: 999, length: 1 }, 999, 1000],
        [{ offset: 990, length: 100 }, 990, 1000],
        [{ offset: 990 }, 990, 1000],
        [{ offset: 5, length: 0 }, 5, 5],
        [{ offset: 1000 }, 1000, 1000],
        [{ suffix: 1 }, 999, 1000],
        [{ suffix: 16 }, 984, 1000],
        [{ suffix: 1000 }, 0, 1000],
        [{ suffix: 5000 }, 0, 1000],
        [{ suffix: 0 }, 1000, 1000],
      ] as const) {
        const what = `range ${JSON.stringify(range)}`;
        checkEqual(await store.read("value", { range }), value.slice(start, end), what);
        checkEqual(await store.readRanges("value", [range]), [value.slice(start, end)], `${what} of readRanges`);
        const { bytes } = await drain(await store.readStream("value", { range }));
        checkEqual(bytes, value.slice(start, end), `${what} of readStream`);
      }
    },
  },
  {
    name: "a range that starts beyond the end is OUT_OF_RANGE, and nonsense is INVALID_DATA",
    run: async ({ store, side }) => {
      await side.put("value", pattern(5));
      for (const [range, code] of [
        [{ offset: 6 }, "OUT_OF_RANGE"],
        [{ offset: 100, length: 1 }, "OUT_OF_RANGE"],
        [{ offset: -1 }, "INVALID_DATA"],
        [{ offset: 0, length: -1 }, "INVALID_DATA"],
        [{ offset: 0.5 }, "INVALID_DATA"],
        [{ suffix: -1 }, "INVALID_DATA"],
      ] as const) {
        const what = `range ${JSON.stringify(range)}`;
        await checkRejects(() => store.read("value", { range }), code, what);
        await checkRejects(() => store.readRanges("value", [{ offset: 0 }, range]), code, `${what} of readRanges`);
        await checkRejects(() => store.readStream("value", { range }), code, `${what} of readStream`);
      }
    },
  },
  {
    name: "readRanges keeps the order asked for: near, far, overlapping, repeated, none",
    run: async ({ store, side }) => {
      const value = pattern(300_000);
      await side.put("value", value);
      const places = [
        [250_000, 260_000],
        [0, 10],
        [12, 20],
        [5, 15],
        [0, 10],
        [299_999, 300_000],
        [100, 200_000],
        [7, 7],
      ] as const;
      const ranges = places.map(([offset, end]) => ({ offset, length: end - offset }));
      const expected = places.map(([start, end]) => value.slice(start, end));
      checkEqual(await store.readRanges("value", ranges), expected, "readRanges");
      checkEqual(await store.readRanges("value", []), [], "readRanges of no ranges");
    },
  },
  {
    name: "a stream gives the value in bounded pieces, and only when it is asked",
    run: async ({ store, side }) => {
      const value = pattern(9_000_000);
      await side.put("large", value);
      const { bytes, pieces } = await drain(await store.readStream("large"));
      checkEqual(bytes, value, "the streamed value");
      check(pieces > 1, `A value of ${value.length} bytes must come in several pieces, got ${pieces}`);
    },
  },
  {
    name: "a stream may be cancelled half way, and one that is aborted fails with ABORTED",
    run: async ({ store, side }) => {
      await side.put("large", pattern(9_000_000));
      const cancelled = (await store.readStream("large")).getReader();
      await cancelled.read();
      await cancelled.cancel();
      checkEqual((await cancelled.read()).done, true, "the end of a cancelled stream");
      const controller = new AbortController();
      const aborted = (await store.readStream("large", { signal: controller.signal })).getReader();
      await aborted.read();
      controller.abort();
      const readOn = async () => {
        while (!(await aborted.read()).done);
      };
      await checkRejects(readOn, "ABORTED", "an aborted stream");
    },
  },
];
