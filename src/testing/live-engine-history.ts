/** Checks of how scans are found: in the order of their creation, and by what they are. */
import type { HistoryPage, LiveEngine } from "../live/engine.ts";
import { checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import { type LiveEngineSubject, moment, newScan, scanKey, soon, states } from "./live-engine-subject.ts";

const NOT_WAITING = { timeoutMs: 0 };

/** Scans that are created by four at a time while others search and watch. */
const CONCURRENT_SCANS = 1000;

/** Searches while they are created. */
const SEARCHES = 10;

/** Lets others have a turn: engines of one process would do everything in one. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function keysOf({ scans }: HistoryPage): string[] {
  return scans.map(({ key }) => key);
}

async function createScans(engine: LiveEngine, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) {
    await engine.createScan(newScan(number));
    await turn();
  }
}

export const historyChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "an empty store has no scan, and says where the history begins",
    run: async ({ connect }) => {
      const engine = await connect();
      checkEqual(await engine.lastScan(), { tag: "0-0" }, "lastScan");
      checkEqual(await engine.search({}), { tag: "0-0", keys: [] }, "search");
      const page = await engine.scansAfter("oldest", NOT_WAITING);
      checkEqual([page.scans, page.hasGap], [[], false], "scansAfter");
    },
  },
  {
    name: "scans come in the order of their creation, page by page",
    run: async ({ connect }) => {
      const engine = await connect();
      await createScans(engine, 0, 5);
      const first = await engine.scansAfter("oldest", { ...NOT_WAITING, limit: 2 });
      checkEqual(keysOf(first), [0, 1].map(scanKey), "first page");
      const second = await engine.scansAfter(first.tag, { ...NOT_WAITING, limit: 2 });
      checkEqual(keysOf(second), [2, 3].map(scanKey), "second page");
      const third = await engine.scansAfter(second.tag, { ...NOT_WAITING, limit: 2 });
      checkEqual(keysOf(third), [scanKey(4)], "third page");
      checkEqual(keysOf(await engine.scansAfter(third.tag, NOT_WAITING)), [], "after the last");
      checkEqual(keysOf(await engine.scansAfter(first.scans[0]?.tag ?? "", NOT_WAITING)).length, 4, "after the first");
    },
  },
  {
    name: "deleted scans are passed over",
    run: async ({ connect }) => {
      const engine = await connect();
      await createScans(engine, 0, 5);
      for (const number of [0, 2]) await engine.deleteScan(scanKey(number));
      const page = await engine.scansAfter("oldest", NOT_WAITING);
      checkEqual(keysOf(page), [1, 3, 4].map(scanKey), "scans");
      checkEqual((await engine.lastScan()).key, scanKey(4), "the last scan");
      await engine.deleteScan(scanKey(4));
      const last = await engine.lastScan();
      checkEqual(last.key, scanKey(3), "the last scan that is there");
      checkEqual(keysOf(await engine.scansAfter(last.tag, NOT_WAITING)), [], "scans after the place of lastScan");
    },
  },
  {
    name: "a watch from now ignores what was, and wakes when a scan is created",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await createScans(one, 0, 2);
      checkEqual(keysOf(await other.scansAfter("now", NOT_WAITING)), [], "scans from now");
      const waiting = other.scansAfter("now");
      await moment();
      await createScans(one, 2, 3);
      const page = await soon(waiting, "a blocked watch");
      checkEqual(keysOf(page), [scanKey(2)], "the scan that woke it");
      checkEqual(keysOf(await other.scansAfter("oldest", NOT_WAITING)).length, 3, "all scans");
    },
  },
  {
    name: "a place in the history is taken as it was given",
    run: async ({ connect }) => {
      const engine = await connect();
      const { tag } = await engine.createScan(newScan(0));
      await createScans(engine, 1, 2);
      checkEqual(keysOf(await engine.scansAfter(tag, NOT_WAITING)), [scanKey(1)], "after the tag of createScan");
      checkEqual(keysOf(await engine.scansAfter("0-0", NOT_WAITING)), [0, 1].map(scanKey), "after 0-0");
      await checkRejects(engine.scansAfter("yesterday", NOT_WAITING), "INVALID_DATA", "no place");
    },
  },
];

/** Checks of a history that forgets. */
export function historyGapChecks(limit: number): KitCheck<LiveEngineSubject>[] {
  return [
    {
      name: "a watcher that is too slow is told that it has missed scans",
      run: async ({ connect }) => {
        const engine = await connect();
        const { tag } = await engine.createScan(newScan(0));
        await createScans(engine, 1, limit + 3);
        const page = await engine.scansAfter(tag, { ...NOT_WAITING, limit: 1 });
        checkEqual(page.hasGap, true, "hasGap of a place that was forgotten");
        const next = await engine.scansAfter(page.tag, { ...NOT_WAITING, limit: 1 });
        checkEqual(next.hasGap, false, "hasGap of the next page");
        checkEqual((await engine.scansAfter("oldest", { ...NOT_WAITING, limit: 1 })).hasGap, false, "from the oldest");
        const { keys } = await engine.search({ identity: { number: 0 } });
        checkEqual(keys, [scanKey(0)], "the forgotten scan by search");
      },
    },
  ];
}

export const searchChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "fields are exact or have wildcards, and all must hold",
    run: async ({ connect }) => {
      const engine = await connect();
      for (let i = 0; i < 20; i++) {
        const identity = {
          name: "scan",
          number: i + 1,
          dataset: `dataset${i}`,
          session: `session${i % 4}`,
          path: "/a*b.h5",
        };
        await engine.createScan({ key: scanKey(i), identity, info: {} });
      }
      const counts: readonly (readonly [Record<string, string | number>, number])[] = [
        [{ dataset: "dataset1" }, 1],
        [{ dataset: "dataset1*" }, 11],
        [{ dataset: "dataset1*", session: "session0" }, 2],
        [{ dataset: "dataset*", session: "session*" }, 20],
        [{ dataset: "*set*", session: "*0" }, 5],
        [{ dataset: "*9" }, 2],
        [{ dataset: "d*t1" }, 1],
        [{ dataset: "d*a*t1*" }, 11],
        [{ dataset: "*" }, 20],
        [{ dataset: "*1dataset*" }, 0],
        [{ number: 1 }, 1],
        [{ number: 1, session: "session0" }, 1],
        [{ number: 2, session: "session0" }, 0],
        [{ number: "1" }, 0],
        [{ path: "/a\\*b.h5" }, 20],
        [{ path: "/a*x" }, 0],
        [{ nothing: "*" }, 0],
      ];
      for (const [identity, count] of counts) {
        const { keys } = await engine.search({ identity });
        checkEqual(keys.length, count, `scans with ${JSON.stringify(identity)}`);
      }
    },
  },
  {
    name: "fields of the info, states and times narrow it",
    run: async ({ connect }) => {
      const engine = await connect();
      for (const number of [0, 1, 2]) {
        await engine.createScan(newScan(number, { info: { title: `t${number}`, sequence: { count: number } } }));
      }
      const close = { from: [states.CREATED], to: states.CLOSED, info: { title: "done" } } as const;
      await engine.transition(scanKey(0), close);
      const found = async (query: Parameters<LiveEngine["search"]>[0]) => (await engine.search(query)).keys;
      checkEqual(await found({ info: { title: "t*" } }), [1, 2].map(scanKey), "by the title as it is now");
      checkEqual(await found({ info: { "sequence.count": 2 } }), [scanKey(2)], "by a field inside");
      checkEqual(await found({ states: [states.CLOSED] }), [scanKey(0)], "by state");
      const now = Date.now() / 1000;
      checkEqual((await found({ createdFrom: now - 600, createdBefore: now + 600 })).length, 3, "by time");
      checkEqual(await found({ createdFrom: now + 600 }), [], "of the future");
      checkEqual(await found({ createdBefore: now - 600 }), [], "of the past");
    },
  },
  {
    name: "search and watch together miss no scan and see none twice, while many are created",
    run: async ({ connect }) => {
      const [reader, ...writers] = await Promise.all([0, 1, 2, 3, 4].map(() => connect()));
      const share = CONCURRENT_SCANS / writers.length;
      const writing = Promise.all(writers.map((writer, i) => createScans(writer, i * share, (i + 1) * share)));
      // A failure of theirs is looked at below; it must not be one that nobody handles.
      writing.catch(() => {});
      const searches: Awaited<ReturnType<LiveEngine["search"]>>[] = [];
      for (let i = 0; i < SEARCHES; i++) {
        searches.push(await (reader as LiveEngine).search({ identity: { name: "loop*" } }));
        await turn();
      }
      for (const { tag, keys } of searches) {
        const seen = [...keys];
        let after = tag;
        while (seen.length < CONCURRENT_SCANS) {
          const page = await soon((reader as LiveEngine).scansAfter(after), `${seen.length} scans were seen, the next`);
          seen.push(...keysOf(page));
          after = page.tag;
        }
        const counts = [seen.length, new Set(seen).size];
        checkEqual(
          counts,
          [CONCURRENT_SCANS, CONCURRENT_SCANS],
          `scans seen after ${keys.length} found, different ones`,
        );
      }
      await writing;
    },
  },
];
