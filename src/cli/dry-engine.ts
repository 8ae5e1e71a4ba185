/** A live engine that reads, and only notes what would be removed. */
import { isStorageError } from "../core/errors.ts";
import type { Bounds, CallOptions, LiveEngine, ScanHeader } from "../live/index.ts";
import { scanStates } from "../live/index.ts";

/**
 * The engine, with changes that are made to nothing: streams look as if they had been trimmed as asked, which may be
 * more than an engine does, since it removes whole entries.
 */
export function dryEngine(engine: LiveEngine): LiveEngine {
  const floors = new Map<string, number>();
  const { CREATED, PREPARED, STARTED, STOPPED } = scanStates;
  const changes: Partial<LiveEngine> = {
    trim: async (stream, beforeIndex) => {
      floors.set(stream, Math.max(floors.get(stream) ?? 0, beforeIndex));
      return beforeIndex;
    },
    bounds: async (streams, options) => {
      const all = await engine.bounds(streams, options);
      return all.map((bounds, i): Bounds => {
        const floor = Math.max(bounds.floor, floors.get(streams[i] as string) ?? 0);
        return { ...bounds, floor };
      });
    },
    closeLost: async (options) => {
      const { keys } = await engine.search({ states: [CREATED, PREPARED, STARTED, STOPPED] }, options);
      const lost: string[] = [];
      for (const key of keys) {
        const { lease } = (await readable(engine, key, options)) ?? {};
        if (lease !== undefined && lease.remainingMs <= 0) lost.push(key);
      }
      return lost;
    },
    transition: async (key, _change, options) => {
      const header = await engine.getScan(key, options);
      if (header === undefined) throw new Error(`${key} is gone`);
      return header;
    },
    expire: async () => {},
    deleteScan: async () => true,
    setDurable: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return new Proxy(engine, {
    get: (target, name) => {
      const member: unknown = name in changes ? Reflect.get(changes, name) : Reflect.get(target, name);
      return typeof member === "function" ? (member as (...args: unknown[]) => unknown).bind(target) : member;
    },
  });
}

/** One that cannot be read keeps no other from being looked at. */
async function readable(engine: LiveEngine, key: string, options?: CallOptions): Promise<ScanHeader | undefined> {
  try {
    return await engine.getScan(key, options);
  } catch (error) {
    if (isStorageError(error, "CORRUPT")) return undefined;
    throw error;
  }
}
