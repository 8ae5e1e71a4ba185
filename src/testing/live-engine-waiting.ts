/** Checks of those who wait: who wakes them, and what sets them free. */
import type { LiveEngine, Page } from "../live/engine.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import {
  entries,
  entry,
  indexesOf,
  type LiveEngineSubject,
  moment,
  newScan,
  preparedScan,
  scanKey,
  soon,
  states,
  streamKey,
} from "./live-engine-subject.ts";

const [A, B, C] = [streamKey(1), streamKey(2), streamKey(3)] as const;

/** Keys, sorted, of the streams that were answered. */
function streamsOf(pages: ReadonlyMap<string, Page>): string[] {
  return [...pages.keys()].sort();
}

/** Waits of every kind, none of which has anything to answer. */
function waits(engine: LiveEngine, options: { timeoutMs?: number; signal?: AbortSignal }): Promise<unknown>[] {
  return [
    engine.wait(new Map([[A, 100]]), options),
    engine.waitScan(scanKey(1), 1000, options),
    engine.scansAfter("now", options),
  ];
}

export const waitChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "what is there is answered at once, for all streams that have it",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(A, entries(0, 3));
      await engine.append(C, entries(0, 1));
      const pages = await soon(engine.wait(new Map([A, B, C].map((key) => [key, 0]))), "a wait");
      checkEqual(streamsOf(pages), [A, C], "streams");
      checkEqual([pages.get(A)?.bounds.length, pages.get(C)?.bounds.length], [3, 1], "lengths");
      const later = await engine.wait(new Map([A, C].map((key) => [key, 2])), { timeoutMs: 0 });
      checkEqual(streamsOf(later), [A], "streams with a point at 2");
      checkEqual(streamsOf(await engine.wait(new Map([[A, 3]]), { timeoutMs: 0 })), [], "streams with a point at 3");
      checkEqual(streamsOf(await soon(engine.wait(new Map()), "a wait for nothing")), [], "no streams");
    },
  },
  {
    name: "entries that come with it are those from the index on",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(A, [entry(0, 2), entry(2, 2), entry(4, 2)]);
      const page = (await engine.wait(new Map([[A, 3]]), { maxBytes: 100 })).get(A);
      const read = page?.entries ?? [];
      const rest = read.length > 0 ? read : (await engine.range(A, 3, 6)).entries;
      checkEqual(indexesOf(rest), [2, 4].slice(0, rest.length), "entries");
      checkEqual(page?.bounds.length, 6, "length");
    },
  },
  {
    name: "any of the streams wakes it",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      for (const key of [A, B, C]) {
        const waiting = reader.wait(new Map([A, B, C].map((name) => [name, name < key ? 1 : 0])));
        await moment();
        await writer.append(key, [entry(0)]);
        checkEqual(streamsOf(await soon(waiting, `a wait for ${key}`)), [key], "streams");
      }
    },
  },
  {
    name: "a point below the index does not wake it",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      const waiting = reader.wait(new Map([[A, 2]]));
      for (const index of [0, 1]) await writer.append(A, [entry(index)]);
      let isOver = false;
      waiting.then(
        () => {
          isOver = true;
        },
        () => {},
      );
      await moment();
      check(!isOver, "a wait for index 2 was over when the stream had 2 points");
      await writer.append(A, [entry(2)]);
      checkEqual((await soon(waiting, "the wait")).get(A)?.bounds.length, 3, "length");
    },
  },
  {
    name: "a seal wakes it, and a sealed stream is never waited for",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      await writer.append(A, entries(0, 2));
      const waiting = reader.wait(new Map([[A, 2]]));
      await moment();
      await writer.seal(A);
      const woken = (await soon(waiting, "a wait for a stream that was sealed")).get(A);
      checkEqual([woken?.bounds.sealed, woken?.bounds.length], [true, 2], "sealed and length");
      const again = await soon(reader.wait(new Map([[A, 2]])), "a wait for a sealed stream");
      checkEqual(again.get(A)?.bounds.sealed, true, "sealed");
      await writer.trim(A, 2);
      const trimmed = await soon(reader.wait(new Map([[A, 0]])), "a wait for a trimmed stream");
      checkEqual(trimmed.get(A)?.bounds.sealed, true, "sealed");
    },
  },
  {
    name: "what was trimmed is answered with the floor",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.append(A, entries(0, 300));
      const floor = await engine.trim(A, 299);
      const page = (await soon(engine.wait(new Map([[A, 0]])), "a wait")).get(A);
      checkEqual([page?.bounds.floor, page?.bounds.length], [floor, 300], "bounds");
      for (const { index } of page?.entries ?? []) check(index >= floor, `entry ${index} is below the floor`);
    },
  },
  {
    name: "a scan that is closed, lost or deleted frees those who wait for its streams",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      const ends: readonly ((number: number) => Promise<unknown>)[] = [
        (number) => writer.transition(scanKey(number), { from: [states.PREPARED], to: states.CLOSED }),
        async (number) => {
          await writer.renewLease(scanKey(number), "gone", 1);
          await moment();
          return await writer.closeLost();
        },
        (number) => writer.deleteScan(scanKey(number)),
      ];
      for (const [number, end] of ends.entries()) {
        await preparedScan(writer, number);
        const waiting = reader.wait(new Map([[streamKey(number), 0]]));
        await moment();
        await end(number);
        const page = (await soon(waiting, `a wait for the stream of scan ${number}`)).get(streamKey(number));
        checkEqual(page?.bounds.sealed, true, "sealed");
      }
    },
  },
  {
    name: "a hundred points that come while it waits are all seen, in order, by every reader",
    run: async ({ connect }) => {
      const [writer, ...readers] = await Promise.all([0, 1, 2, 3].map(() => connect()));
      const reading = readers.map(async (reader) => {
        const seen: number[] = [];
        for (;;) {
          const page = (await soon(reader.wait(new Map([[A, seen.length]])), "the next point")).get(A);
          if (page?.bounds.sealed && page.bounds.length === seen.length) return seen;
          const read = await reader.range(A, seen.length, Number.MAX_SAFE_INTEGER);
          seen.push(...read.entries.flatMap(({ payload }) => [...payload]));
        }
      });
      for (let index = 0; index < 100; index++) await writer?.append(A, [entry(index)]);
      await writer?.seal(A);
      const expected = Array.from({ length: 100 }, (_, i) => i);
      for (const seen of await Promise.all(reading)) checkEqual(seen, expected, "points");
    },
  },
];

export const scanWaitChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "a newer revision is answered at once, a change wakes, a renewed lease does not",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      await preparedScan(writer, 1);
      const scan = await soon(reader.waitScan(scanKey(1), 0), "a revision that is there");
      checkEqual(scan?.state, states.PREPARED, "state");
      const revision = scan?.revision ?? Number.NaN;
      const waiting = reader.waitScan(scanKey(1), revision);
      await writer.renewLease(scanKey(1), "me", 600_000);
      await moment();
      await writer.transition(scanKey(1), { from: [states.PREPARED], to: states.STARTED });
      const woken = await soon(waiting, "a blocked wait");
      checkEqual([woken?.state, woken?.revision], [states.STARTED, revision + 1], "state and revision");
    },
  },
  {
    name: "a scan that is deleted frees those who wait for it",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      await preparedScan(writer, 1);
      const failing = checkRejects(reader.waitScan(scanKey(1), 1000), "NOT_FOUND", "a wait for a deleted scan");
      // Looked at below; an engine that fails here must not fail the runner too.
      failing.catch(() => {});
      await moment();
      await writer.deleteScan(scanKey(1));
      await soon(failing, "a blocked wait");
      await checkRejects(soon(reader.waitScan(scanKey(1), 0), "a wait"), "NOT_FOUND", "a wait for no scan");
    },
  },
];

export const lifeChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "times of any length end, 0 and a tenth of a millisecond too",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      for (const timeoutMs of [0, 0.1, 20]) {
        const [pages, scan, page] = await soon(Promise.all(waits(engine, { timeoutMs })), `${timeoutMs} ms`);
        checkEqual([(pages as Map<string, Page>).size, scan], [0, undefined], "streams and scan");
        checkEqual((page as { scans: unknown[] }).scans, [], "scans");
      }
    },
  },
  {
    name: "a time that is no number is refused",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      for (const waiting of waits(engine, { timeoutMs: Number.NaN })) {
        await checkRejects(soon(waiting, "a wait for NaN milliseconds"), "INVALID_DATA", "a wait for NaN milliseconds");
      }
    },
  },
  {
    name: "a signal frees those who wait, and the engine goes on",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      for (let round = 0; round < 20; round++) {
        const controller = new AbortController();
        const failing = waits(engine, { signal: controller.signal }).map((wait) =>
          checkRejects(wait, "ABORTED", "a wait"),
        );
        for (const wait of failing) wait.catch(() => {});
        if (round < 2) await moment();
        controller.abort();
        await soon(Promise.all(failing), "waits whose signal fired");
      }
      const waiting = engine.wait(new Map([[A, 0]]));
      await engine.append(A, [entry(0)]);
      checkEqual(streamsOf(await soon(waiting, "a wait after that")), [A], "streams");
      const signal = AbortSignal.abort();
      for (const wait of waits(engine, { signal })) await checkRejects(wait, "ABORTED", "a wait with a fired signal");
    },
  },
  {
    name: "an engine that is closed frees those who wait through it, and takes nothing more",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.createScan(newScan(1));
      const failing = waits(one, {}).map((wait) => checkRejects(wait, "NOT_OPEN", "a wait"));
      for (const wait of failing) wait.catch(() => {});
      const staying = other.wait(new Map([[A, 0]]));
      await moment();
      await one[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
      await soon(Promise.all(failing), "waits through an engine that was closed");
      await checkRejects(one.append(A, [entry(0)]), "NOT_OPEN", "append");
      await checkRejects(one.getScan(scanKey(1)), "NOT_OPEN", "getScan");
      await checkRejects(one.bounds([A]), "NOT_OPEN", "bounds");
      await other.append(A, [entry(0)]);
      checkEqual(streamsOf(await soon(staying, "a wait through another engine")), [A], "streams");
    },
  },
];
