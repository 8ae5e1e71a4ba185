/** Checks of streams: what is appended, by whom, and how it is read. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import { boundsOf, entries, entry, indexesOf, type LiveEngineSubject, streamKey } from "./live-engine-subject.ts";

const KEY = streamKey(1);

export const streamChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "a stream that was never written to is empty and open",
    run: async ({ connect }) => {
      const engine = await connect();
      const empty = { floor: 0, length: 0, sealed: false, durable: 0 };
      checkEqual(await engine.bounds([KEY, streamKey(2)]), [empty, empty], "bounds");
      checkEqual(await engine.range(KEY, 0, 10), { entries: [], bounds: empty }, "range");
      checkEqual((await engine.range(KEY, "last", 0)).entries, [], "the last entry");
      checkEqual(await engine.trim(KEY, 10), 0, "floor after a trim");
      checkEqual(await engine.bounds([]), [], "bounds of no streams");
    },
  },
  {
    name: "what was appended is there for every engine once append has resolved",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      let index = 0;
      for (const length of [1, 2, 3, 4, 10, 30, 50]) {
        await one.append(KEY, [entry(index, length)]);
        index += length;
        checkEqual((await boundsOf(other, KEY)).length, index, "length");
      }
      const { entries: read, bounds } = await other.range(KEY, 0, index);
      const lengths = read.map(({ length }) => length);
      checkEqual(
        [indexesOf(read), lengths],
        [
          [0, 1, 3, 6, 10, 20, 50],
          [1, 2, 3, 4, 10, 30, 50],
        ],
        "batches",
      );
      const bytes = read.flatMap(({ payload }) => [...payload]);
      checkEqual(
        bytes,
        Array.from({ length: 100 }, (_, i) => i),
        "payloads",
      );
      checkEqual([bounds.floor, bounds.length, bounds.sealed], [0, 100, false], "bounds");
    },
  },
  {
    name: "payloads of any bytes and any length come back as they were",
    run: async ({ connect }) => {
      const engine = await connect();
      const payloads = [
        new Uint8Array(0),
        Uint8Array.from({ length: 256 }, (_, i) => i),
        new Uint8Array(300_000).fill(13),
      ];
      await engine.append(
        KEY,
        payloads.map((payload, index) => ({ index, length: 1, payload })),
      );
      const read = (await engine.range(KEY, 0, 3)).entries.map(({ payload }) => Uint8Array.from(payload));
      checkEqual(read, payloads, "payloads");
    },
  },
  {
    name: "the caller's memory is free once append has resolved",
    run: async ({ connect }) => {
      const engine = await connect();
      const payload = Uint8Array.of(7, 7);
      await engine.append(KEY, [{ index: 0, length: 2, payload }]);
      payload.fill(0);
      checkEqual([...((await engine.range(KEY, 0, 2)).entries[0]?.payload ?? [])], [7, 7], "payload");
    },
  },
  {
    name: "streams do not touch each other",
    run: async ({ connect }) => {
      const engine = await connect();
      await Promise.all([1, 2, 3].map((number) => engine.append(streamKey(number), entries(0, number))));
      await engine.seal(streamKey(2));
      const bounds = await engine.bounds([1, 2, 3].map(streamKey));
      checkEqual(
        bounds.map(({ length, sealed }) => `${length} ${sealed}`),
        ["1 false", "2 true", "3 false"],
        "streams",
      );
    },
  },
  {
    name: "seal answers the final length, to anybody, any number of times",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.append(KEY, entries(0, 3));
      const lengths = [await one.seal(KEY), await one.seal(KEY), await other.seal(KEY), await other.seal(KEY)];
      checkEqual(lengths, [3, 3, 3, 3], "lengths");
      checkEqual((await boundsOf(other, KEY)).sealed, true, "sealed");
      checkEqual(await one.seal(streamKey(2)), 0, "length of a stream without points");
      checkEqual((await boundsOf(other, streamKey(2))).sealed, true, "sealed without points");
    },
  },
  {
    name: "the durable index only grows",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.append(KEY, entries(0, 10));
      await one.setDurable(KEY, 5);
      await other.setDurable(KEY, 3);
      checkEqual((await boundsOf(other, KEY)).durable, 5, "durable");
    },
  },
  {
    name: "no point is durable that is still to come",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(KEY, entries(0, 3));
      await engine.setDurable(KEY, 100);
      await engine.append(KEY, entries(3, 9));
      checkEqual((await boundsOf(engine, KEY)).durable, 3, "durable after more points have come");
    },
  },
];

export const writerChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "a second writer is refused, and what the first has written is untouched",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.append(KEY, entries(0, 3));
      const intruder = [{ index: 1, length: 1, payload: Uint8Array.of(99) }];
      const error = await checkRejects(other.append(KEY, intruder), "CONFLICT", "an index that is taken");
      checkEqual("length" in error && error.length, 3, "the length in the error");
      const read = (await one.range(KEY, 0, 9)).entries.flatMap(({ payload }) => [...payload]);
      checkEqual(read, [0, 1, 2], "payloads");
      checkEqual([await one.seal(KEY), await other.seal(KEY)], [3, 3], "final length for both");
    },
  },
  {
    name: "a stream that was claimed takes entries of its writer only, until another one claims it",
    run: async ({ connect }) => {
      const [old, next] = [await connect(), await connect()];
      await old.append(KEY, entries(0, 2));
      const others = streamKey(2);
      checkEqual(
        (await next.claim([others, KEY], "next")).map(({ length }) => length),
        [0, 2],
        "lengths when claimed",
      );
      await checkRejects(old.append(KEY, [entry(2)]), "CONFLICT", "an append of who was replaced");
      await checkRejects(old.append(others, [entry(0)], { writer: "old" }), "CONFLICT", "one that has a name");
      await next.append(KEY, [entry(2)], { writer: "next" });
      await Promise.all([3, 4].map((index) => next.append(KEY, [entry(index)], { writer: "next" })));
      await old.claim([KEY], "third");
      await checkRejects(next.append(KEY, [entry(5)], { writer: "next" }), "CONFLICT", "an append after another claim");
      await old.append(KEY, [entry(5)], { writer: "third" });
      const read = (await next.range(KEY, 0, 9)).entries.flatMap(({ payload }) => [...payload]);
      checkEqual(read, [0, 1, 2, 3, 4, 5], "payloads");
      checkEqual(await old.seal(KEY), 6, "final length");
    },
  },
  {
    name: "a hole is refused",
    run: async ({ connect }) => {
      const engine = await connect();
      await checkRejects(engine.append(KEY, [entry(1)]), "CONFLICT", "an entry at 1 of an empty stream");
      await engine.append(KEY, [entry(0, 2)]);
      await checkRejects(engine.append(KEY, [entry(3)]), "CONFLICT", "an entry at 3 of a stream of 2");
      checkEqual((await boundsOf(engine, KEY)).length, 2, "length");
    },
  },
  {
    name: "of entries that do not follow each other, none is appended",
    run: async ({ connect }) => {
      const engine = await connect();
      const lists = [[entry(0), entry(2)], [entry(0, 2), entry(1)], [], [{ ...entry(0), length: 0 }]];
      for (const list of lists) await checkRejects(engine.append(KEY, list), "INVALID_DATA", "entries");
      checkEqual((await boundsOf(engine, KEY)).length, 0, "length");
    },
  },
  {
    name: "of two that write at once, each call is in whole or not at all",
    run: async ({ connect }) => {
      const engines = [await connect(), await connect()];
      const batches = engines.map((_, i) => [0, 1, 2].map((index) => ({ ...entry(index), payload: Uint8Array.of(i) })));
      const results = await Promise.allSettled(engines.map((engine, i) => engine.append(KEY, batches[i] ?? [])));
      checkEqual(results.filter(({ status }) => status === "fulfilled").length, 1, "calls that succeeded");
      const { entries: read, bounds } = await (engines[0] as (typeof engines)[0]).range(KEY, 0, 9);
      checkEqual(bounds.length, 3, "length");
      checkEqual(new Set(read.flatMap(({ payload }) => [...payload])).size, 1, "writers whose points are there");
    },
  },
  {
    name: "calls that are not awaited keep their order, and after one that fails the rest fails",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await Promise.all(entries(0, 50).map((item) => one.append(KEY, [item])));
      const read = (await other.range(KEY, 0, 50)).entries.flatMap(({ payload }) => [...payload]);
      checkEqual(
        read,
        Array.from({ length: 50 }, (_, i) => i),
        "payloads",
      );
      const late = [49, 50, 51].map((index) => other.append(KEY, [entry(index + 1)]));
      await Promise.all(late);
      const failing = [50, 54, 55].map((index) =>
        checkRejects(one.append(KEY, [entry(index)]), "CONFLICT", `${index}`),
      );
      await Promise.all(failing);
      checkEqual((await boundsOf(one, KEY)).length, 53, "length");
    },
  },
  {
    name: "nothing is appended to a sealed stream",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.append(KEY, entries(0, 2));
      await other.seal(KEY);
      const error = await checkRejects(one.append(KEY, [entry(2)]), "NOT_OPEN", "append after seal");
      checkEqual("length" in error && error.length, 2, "the length in the error");
      checkEqual((await boundsOf(one, KEY)).length, 2, "length");
    },
  },
  {
    name: "nothing is appended once the signal has fired",
    run: async ({ connect }) => {
      const engine = await connect();
      const signal = AbortSignal.abort();
      await checkRejects(engine.append(KEY, [entry(0)], { signal }), "ABORTED", "append with a fired signal");
      await checkRejects(engine.seal(KEY, { signal }), "ABORTED", "seal with a fired signal");
      const { length, sealed } = await boundsOf(engine, KEY);
      checkEqual([length, sealed], [0, false], "length and sealed");
    },
  },
];

export const pageChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "entries come whole, those that reach over the ends too",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(KEY, [entry(0, 5), entry(5, 5), entry(10, 5)]);
      const cases: readonly (readonly [from: number, to: number, indexes: number[]])[] = [
        [0, 15, [0, 5, 10]],
        [3, 6, [0, 5]],
        [5, 10, [5]],
        [4, 5, [0]],
        [14, 99, [10]],
        [15, 99, []],
        [7, 7, []],
        [9, 3, []],
      ];
      for (const [from, to, indexes] of cases) {
        checkEqual(indexesOf((await engine.range(KEY, from, to)).entries), indexes, `entries of ${from} to ${to}`);
      }
    },
  },
  {
    name: "the last entry can be had alone",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(KEY, [entry(0, 5), entry(5, 2)]);
      const { entries: last, bounds } = await engine.range(KEY, "last", 0);
      checkEqual([indexesOf(last), bounds.length], [[5], 7], "the last entry and the length");
      await engine.seal(KEY);
      const sealed = await engine.range(KEY, "last", 0);
      checkEqual([indexesOf(sealed.entries), sealed.bounds.sealed], [[5], true], "the last entry of a sealed stream");
    },
  },
  {
    name: "a page keeps to its bytes, and has one entry at least",
    run: async ({ connect }) => {
      const engine = await connect();
      const payloads = [10, 10, 10, 1000, 10].map((size) => new Uint8Array(size));
      await engine.append(
        KEY,
        payloads.map((payload, index) => ({ index, length: 1, payload })),
      );
      const page = async (from: number, maxBytes: number) =>
        indexesOf((await engine.range(KEY, from, 9, { maxBytes })).entries);
      checkEqual(await page(0, 20), [0, 1], "20 bytes");
      checkEqual(await page(0, 29), [0, 1], "29 bytes");
      checkEqual(await page(0, 30), [0, 1, 2], "30 bytes");
      checkEqual(await page(0, 1), [0], "1 byte");
      checkEqual(await page(2, 500), [2], "before a large one");
      checkEqual(await page(3, 500), [3], "a large one");
    },
  },
  {
    name: "many entries are read page by page, each once",
    run: async ({ connect }) => {
      const engine = await connect();
      for (let from = 0; from < 2000; from += 500) await engine.append(KEY, entries(from, from + 500));
      const seen: number[] = [];
      while (seen.length < 2000) {
        const page = await engine.range(KEY, seen.length, 2000, { maxBytes: 333 });
        check(page.entries.length > 0, `no entries at ${seen.length}`);
        seen.push(...indexesOf(page.entries));
      }
      checkEqual(
        seen,
        Array.from({ length: 2000 }, (_, i) => i),
        "indexes",
      );
    },
  },
  {
    name: "entries and bounds are of one moment",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      let isWriting = true;
      const writing = (async () => {
        for (let index = 0; index < 300; index++) {
          await writer.append(KEY, [entry(index)]);
          if (index % 10 === 9) await writer.trim(KEY, index - 5);
        }
      })().finally(() => {
        isWriting = false;
      });
      writing.catch(() => {});
      while (isWriting) {
        const { entries: read, bounds } = await reader.range(KEY, 0, Number.MAX_SAFE_INTEGER);
        const expected = Array.from({ length: bounds.length - bounds.floor }, (_, i) => bounds.floor + i);
        checkEqual(indexesOf(read), expected, `entries of a stream from ${bounds.floor} to ${bounds.length}`);
      }
      await writing;
    },
  },
];
