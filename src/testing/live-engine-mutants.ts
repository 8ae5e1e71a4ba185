/** Faulty engines of live streams, each with one mistake that real ones have made. The kit must refuse every one. */
import type { LiveEngine, Page } from "../live/engine.ts";

/** One mistake. */
export interface LiveEngineMutant {
  /** What it does wrong. */
  readonly name: string;
  /** Puts the mistake into an engine. */
  readonly spoil: (engine: LiveEngine) => Partial<LiveEngine>;
}

/** The engine with the methods of the mutant in place of its own. */
export function spoiled(engine: LiveEngine, mutant: LiveEngineMutant): LiveEngine {
  const methods = mutant.spoil(engine) as Record<PropertyKey, unknown>;
  return new Proxy(engine, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return methods[name];
      const own = Reflect.get(target, name, target) as unknown;
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

const nothing = new Map<string, Page>();

/** The mistakes. */
export const liveEngineMutants: readonly LiveEngineMutant[] = [
  {
    name: "appends at the end whatever the index says: two writers mix",
    spoil: (engine) => ({
      append: async (stream, entries, options) => {
        let index = (await engine.bounds([stream]))[0]?.length ?? 0;
        const moved = entries.map((entry) => {
          const at = { ...entry, index };
          index += entry.length;
          return at;
        });
        await engine.append(stream, moved, options);
      },
    }),
  },
  {
    name: "lets who was replaced go on: its late point takes the index of the new writer's",
    spoil: (engine) => ({
      claim: (streams, _writer, options) => engine.bounds(streams, options),
    }),
  },
  {
    name: "appends the entries of one call one by one",
    spoil: (engine) => ({
      append: async (stream, entries, options) => {
        for (const entry of entries) await engine.append(stream, [entry], options);
      },
    }),
  },
  {
    name: "acknowledges before the entries are there",
    spoil: (engine) => ({
      append: async (stream, entries, options) => {
        setTimeout(() => engine.append(stream, entries, options).catch(() => {}), 2);
      },
    }),
  },
  {
    name: "seals only once, and fails for those who come later",
    spoil: (engine) => ({
      seal: async (stream, options) => {
        const [bounds] = await engine.bounds([stream]);
        if (bounds?.sealed) throw new Error("sealed already");
        return await engine.seal(stream, options);
      },
    }),
  },
  {
    name: "takes the length of a sealed stream from the entries that are left",
    spoil: (engine) => ({
      bounds: async (streams, options) =>
        (await engine.bounds(streams, options)).map((bounds) =>
          bounds.floor === bounds.length ? { ...bounds, floor: 0, length: 0 } : bounds,
        ),
    }),
  },
  {
    name: "says that a trim went as far as was asked",
    spoil: (engine) => ({
      trim: async (stream, before, options) => {
        await engine.trim(stream, before, options);
        return before;
      },
    }),
  },
  {
    name: "reads entries and bounds one after the other",
    spoil: (engine) => ({
      range: async (stream, from, to, options) => {
        const [bounds] = await engine.bounds([stream]);
        await new Promise((resolve) => setImmediate(resolve));
        const page = await engine.range(stream, from, to, options);
        return { ...page, bounds: bounds ?? page.bounds };
      },
    }),
  },
  {
    name: "does not count the bytes of a page",
    spoil: (engine) => ({
      range: (stream, from, to, { signal } = {}) => engine.range(stream, from, to, { signal }),
    }),
  },
  {
    name: "answers no entry where the first is larger than the page",
    spoil: (engine) => ({
      range: async (stream, from, to, options) => {
        const page = await engine.range(stream, from, to, options);
        const isTooLarge = (page.entries[0]?.payload.length ?? 0) > (options?.maxBytes ?? Number.POSITIVE_INFINITY);
        return isTooLarge ? { ...page, entries: [] } : page;
      },
    }),
  },
  {
    name: "waits for the first stream only",
    spoil: (engine) => ({
      wait: (positions, options) => engine.wait(new Map([...positions].slice(0, 1)), options),
    }),
  },
  {
    name: "does not wake for a seal",
    spoil: (engine) => ({
      wait: async (positions, options) => {
        const pages = await engine.wait(positions, options);
        const first = [...pages.values()][0];
        const isOnlySealed = first?.bounds.sealed && first.bounds.length <= ([...positions.values()][0] ?? 0);
        return isOnlySealed ? await new Promise(() => {}) : pages;
      },
    }),
  },
  {
    name: "rounds a short time to none, and none to for ever",
    spoil: (engine) => ({
      wait: (positions, { timeoutMs, ...rest } = {}) =>
        engine.wait(positions, timeoutMs === undefined ? rest : { ...rest, timeoutMs: Math.floor(timeoutMs) || 1e8 }),
    }),
  },
  {
    name: "does not hear the signal while it waits",
    spoil: (engine) => ({
      wait: (positions, { signal, ...rest } = {}) =>
        signal?.aborted ? engine.wait(positions, { signal }) : engine.wait(positions, rest),
    }),
  },
  {
    name: "answers every wait at once",
    spoil: (engine) => ({
      wait: async (positions, { signal } = {}) => {
        const pages = await engine.wait(positions, { signal, timeoutMs: 0 });
        return pages.size > 0 ? pages : nothing;
      },
    }),
  },
  {
    name: "changes a state without a look at the one before",
    spoil: (engine) => ({
      transition: async (key, change, options) => {
        const scan = await engine.getScan(key, options);
        return await engine.transition(key, { ...change, from: scan ? [scan.state] : change.from }, options);
      },
    }),
  },
  {
    name: "looks at the state first and changes it afterwards",
    spoil: (engine) => ({
      transition: async (key, change, options) => {
        const scan = await engine.getScan(key, options);
        const isAllowed = scan === undefined || change.from.includes(scan.state);
        await new Promise((resolve) => setImmediate(resolve));
        if (!isAllowed) return await engine.transition(key, change, options);
        const now = await engine.getScan(key, options);
        if (now !== undefined && now.state >= change.to) return now;
        return await engine.transition(key, { ...change, from: now ? [now.state] : change.from }, options);
      },
    }),
  },
  {
    name: "takes no streams once the scan is PREPARED",
    spoil: (engine) => ({
      transition: async (key, change, options) => {
        const scan = await engine.getScan(key, options);
        const isLate = scan !== undefined && scan.state > 0 && change.streams !== undefined;
        return await engine.transition(key, isLate ? { ...change, streams: scan.streams } : change, options);
      },
    }),
  },
  {
    name: "takes the place in the history before it searches",
    spoil: (engine) => ({
      search: async (query, options) => {
        const { tag } = await engine.lastScan(options);
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { tag, keys: (await engine.search(query, options)).keys };
      },
    }),
  },
  {
    name: "takes the place in the history after it has searched",
    spoil: (engine) => ({
      search: async (query, options) => {
        const { keys } = await engine.search(query, options);
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { tag: (await engine.lastScan(options)).tag, keys };
      },
    }),
  },
  {
    name: "watches from the oldest where now was said",
    spoil: (engine) => ({
      scansAfter: (after, options) => engine.scansAfter(after === "now" ? "oldest" : after, options),
    }),
  },
  {
    name: "does not say that the history has a gap",
    spoil: (engine) => ({
      scansAfter: async (after, options) => ({ ...(await engine.scansAfter(after, options)), hasGap: false }),
    }),
  },
  {
    name: "gives a lease to whoever asks",
    spoil: (engine) => ({
      renewLease: async (key, owner, ms, options) => {
        const lease = (await engine.getScan(key))?.lease;
        await engine.renewLease(key, lease?.owner ?? owner, ms, options);
      },
    }),
  },
  {
    name: "never finds a writer lost",
    spoil: () => ({ closeLost: async () => [] }),
  },
  {
    name: "leaves those alone who wait for a scan that is deleted",
    spoil: (engine) => ({
      waitScan: async (key, revision, options) => {
        try {
          return await engine.waitScan(key, revision, options);
        } catch (error) {
          if ((error as { code?: string }).code !== "NOT_FOUND") throw error;
          return await new Promise(() => {});
        }
      },
    }),
  },
  {
    name: "says of every scan that it was closed just now",
    spoil: (engine) => ({
      getScan: async (key, options) => {
        const scan = await engine.getScan(key, options);
        return scan?.closedForMs === undefined ? scan : { ...scan, closedForMs: 0 };
      },
    }),
  },
  {
    name: "lets no scan expire",
    spoil: (engine) => ({
      expire: async (key, _ms, options) => engine.expire(key, 1e8, options),
    }),
  },
  {
    name: "lets the durable index go back",
    spoil: (engine) => {
      const last = new Map<string, number>();
      return {
        setDurable: async (stream, index, options) => {
          last.set(stream, index);
          await engine.setDurable(stream, index, options);
        },
        bounds: async (streams, options) =>
          (await engine.bounds(streams, options)).map((bounds, i) => ({
            ...bounds,
            durable: last.get(streams[i] ?? "") ?? bounds.durable,
          })),
      };
    },
  },
  {
    name: "keeps those waiting who wait through an engine that is closed",
    spoil: (engine) => ({
      wait: (positions, options) =>
        engine.wait(positions, options).catch((error: { code?: string }) => {
          if (error.code !== "NOT_OPEN") throw error;
          return new Promise(() => {});
        }),
    }),
  },
];
