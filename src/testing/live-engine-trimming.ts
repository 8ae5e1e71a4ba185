/** Checks of how old entries go, and of stores that are full. */
import type { LiveCapabilities } from "../live/engine.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import {
  boundsOf,
  entries,
  entry,
  eventually,
  indexesOf,
  type LiveEngineSubject,
  streamKey,
} from "./live-engine-subject.ts";

const KEY = streamKey(1);

/** Checks of trimming. */
export function trimChecks({ trimsExactly }: LiveCapabilities): KitCheck<LiveEngineSubject>[] {
  return [
    {
      name: "old entries go, the length and the newest stay",
      run: async ({ connect }) => {
        const [one, other] = [await connect(), await connect()];
        for (let from = 0; from < 1024; from += 256) await one.append(KEY, entries(from, from + 256));
        const floor = await other.trim(KEY, 1000);
        check(floor <= 1000 && (!trimsExactly || floor === 1000), `floor is ${floor} after a trim to 1000`);
        const { entries: read, bounds } = await one.range(KEY, 0, 1024);
        checkEqual([bounds.floor, bounds.length], [floor, 1024], "bounds");
        checkEqual(
          indexesOf(read),
          Array.from({ length: 1024 - floor }, (_, i) => floor + i),
          "entries that are there",
        );
        await one.append(KEY, [entry(1024)]);
        checkEqual((await boundsOf(other, KEY)).length, 1025, "length after one more");
      },
    },
    {
      name: "an entry that reaches over the index stays whole, and the floor says so",
      run: async ({ connect }) => {
        const engine = await connect();
        await engine.append(KEY, [entry(0, 10), entry(10, 10), entry(20, 10)]);
        const floor = await engine.trim(KEY, 15);
        check(trimsExactly ? floor === 10 : floor <= 10, `floor is ${floor} after a trim to 15`);
        checkEqual((await boundsOf(engine, KEY)).floor, floor, "floor");
        checkEqual(indexesOf((await engine.range(KEY, 12, 13)).entries), [10], "the entry that reaches over");
      },
    },
    {
      name: "the newest entry of an open stream is never trimmed",
      run: async ({ connect }) => {
        const engine = await connect();
        await engine.append(KEY, [entry(0, 4), entry(4, 4)]);
        const floor = await engine.trim(KEY, 1000);
        check(trimsExactly ? floor === 4 : floor <= 4, `floor is ${floor}`);
        checkEqual(indexesOf((await engine.range(KEY, "last", 0)).entries), [4], "the last entry");
        checkEqual((await boundsOf(engine, KEY)).length, 8, "length");
        await checkRejects(engine.append(KEY, [entry(0)]), "CONFLICT", "an index that was trimmed");
      },
    },
    {
      name: "a sealed stream that is trimmed keeps its length",
      run: async ({ connect }) => {
        const engine = await connect();
        await engine.append(KEY, entries(0, 100));
        await engine.seal(KEY);
        const floor = await engine.trim(KEY, 100);
        const bounds = await boundsOf(engine, KEY);
        checkEqual([bounds.floor, bounds.length, bounds.sealed], [floor, 100, true], "bounds");
        check(!trimsExactly || floor === 100, `floor is ${floor} after a trim of everything`);
        checkEqual(await engine.seal(KEY), 100, "length that seal answers");
        checkEqual((await engine.range(KEY, 0, 100)).entries.length, 100 - floor, "entries");
      },
    },
    {
      name: "a trim below the floor changes nothing",
      run: async ({ connect }) => {
        const engine = await connect();
        await engine.append(KEY, entries(0, 100));
        const floor = await engine.trim(KEY, 50);
        checkEqual(await engine.trim(KEY, 10), floor, "floor");
        checkEqual(await engine.trim(KEY, 0), floor, "floor");
      },
    },
    {
      name: "trimming gives memory back",
      run: async ({ connect }) => {
        const engine = await connect();
        // Much, so that what a server uses for itself does not matter: connections, functions, tables of other stores.
        const payload = new Uint8Array(3000);
        await engine.append(
          KEY,
          Array.from({ length: 1000 }, (_, index) => ({ index, length: 1, payload })),
        );
        // A server counts now and then what its connections hold of it: asked until it has.
        let full = 0;
        const isFull = async () => {
          full = (await engine.usage()).bytes;
          return full >= 3_000_000;
        };
        await eventually(isFull, "three million bytes that are used by as many");
        await engine.seal(KEY);
        await engine.trim(KEY, 900);
        await eventually(async () => (await engine.usage()).bytes < full / 2, "half of what was used, after a trim");
      },
    },
  ];
}

export const spaceChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "a full store refuses an append whole, and takes it once there is room",
    run: async ({ connect }) => {
      const engine = await connect();
      const { limit } = await engine.usage();
      check(limit !== undefined, "limitsMemory is true and usage has no limit");
      const payload = new Uint8Array(Math.ceil(limit / 16));
      let index = 0;
      const fill = async () => {
        for (; index < 40; index++) await engine.append(KEY, [{ index, length: 1, payload }]);
      };
      await checkRejects(fill(), "NO_SPACE", "filling the store");
      checkEqual((await boundsOf(engine, KEY)).length, index, "length after the refusal");
      const floor = await engine.trim(KEY, index - 2);
      check(floor > 0, "nothing was trimmed");
      await engine.append(KEY, [{ index, length: 1, payload }]);
      checkEqual((await boundsOf(engine, KEY)).length, index + 1, "length");
    },
  },
];
