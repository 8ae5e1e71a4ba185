/** Every layer over a store of any kind, as subjects of the conformance kit. */
import { ByteTree } from "../../backends/memory/byte-tree.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import { LatencyStore } from "../../src/layers/latency.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { OverlayStore } from "../../src/layers/overlay.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { RouteStore } from "../../src/layers/route.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import type { ByteStoreSubject, SideDoor } from "../../src/testing/byte-store-kit.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { freshDisk, freshMemory } from "./byte-stores.ts";

/** Media to put layers over. */
export const media = {
  memory: () => freshMemory(),
  "memory with flat keys": () => freshMemory({ flatKeys: true }),
  disk: () => freshDisk({ durability: "none" }),
} as const;

/** A store without layers and its side door. */
type Fresh = ByteStoreSubject<ByteStore>;

/** Each layer, alone, over a fresh store; side doors go past the layer too. */
export const layered: Readonly<Record<string, (subject: Fresh) => Fresh | Promise<Fresh>>> = {
  retry: over((store) => new RetryStore(store)),
  timeout: over((store) => new TimeoutStore(store)),
  limit: over((store) => new LimitStore(store, { concurrency: 2, bytesPerSecond: 1e12 })),
  "read-only": over((store) => new ReadOnlyStore(store)),
  meter: over((store) => new MeterStore(store)),
  "chaos, without faults": over((store) => new ChaosStore(store, { faults: [] })),
  latency: over((store) => new LatencyStore(store, { jitterMs: 5, clock: new FakeClock({ automatic: true }) })),
  "cache in memory": over((store) => new CacheStore(store, { medium: new MemoryStore(), maxBytes: 5_000_000 })),
  checksum: over((store) => new ChecksumStore(store, { sums: new MemoryStore() })),
  prefix: (subject) => ({
    ...subject,
    store: new PrefixStore(subject.store, "some/where"),
    side: doorBelow(subject.side, "some/where"),
  }),
  "overlay over an empty store": (subject) => ({
    ...subject,
    store: new OverlayStore(new MemoryStore(), { upper: subject.store }),
    side: doorBelow(subject.side, "values"),
  }),
  "route to the root": over((store) => new RouteStore(store, { "else/where": new MemoryStore() })),
  "a whole stack": over(
    (store) =>
      new MeterStore(
        new CacheStore(
          new RetryStore(
            new LimitStore(
              new ChecksumStore(new TimeoutStore(new ChaosStore(store, { faults: [] })), { sums: new MemoryStore() }),
              { concurrency: 3 },
            ),
          ),
          { medium: new MemoryStore(), maxBytes: 5_000_000 },
        ),
      ),
  ),
};

/** An overlay whose side door sees the merged view, and puts values into the lower store. */
export async function overlayOver(subject: Fresh): Promise<Fresh> {
  const upper = new MemoryStore({ flatKeys: subject.store.capabilities.flatKeys }, new ByteTree());
  const store = new OverlayStore(subject.store, { upper });
  return { ...subject, store, side: { ...subject.side, ...merged(subject.side, upper) } };
}

/** A cache that keeps its entries on a disk. */
export async function diskCached(subject: Fresh): Promise<Fresh> {
  const medium = await freshDisk({ durability: "none" });
  return {
    ...subject,
    store: new CacheStore(subject.store, { medium: medium.store, maxBytes: 5_000_000 }),
    dispose: async () => {
      await medium.store.close();
      await medium.dispose?.();
      await subject.dispose?.();
    },
  };
}

function over(wrap: (store: ByteStore) => ByteStore): (subject: Fresh) => Fresh {
  return (subject) => ({ ...subject, store: wrap(subject.store) });
}

/** The same door, one folder further in; what is elsewhere is shown as it is, and must not be there. */
function doorBelow(side: SideDoor, folder: string): SideDoor {
  return {
    put: (key, bytes) => side.put(`${folder}/${key}`, bytes),
    get: (key) => side.get(`${folder}/${key}`),
    keys: async () =>
      (await side.keys()).map((key) =>
        key.startsWith(`${folder}/`) ? key.slice(folder.length + 1) : `outside: ${key}`,
      ),
  };
}

/** What the two sides together have, by the rule that the overlay declares, without asking it. */
function merged(lower: SideDoor, upper: MemoryStore): Pick<SideDoor, "get" | "keys"> {
  const has = async (key: string) => {
    try {
      return (await upper.stat(key)).kind === "file";
    } catch {
      return false;
    }
  };
  const get = async (key: string) => {
    if (await has(`values/${key}`)) return upper.read(`values/${key}`);
    return (await has(`whiteouts/${key}`)) ? undefined : lower.get(key);
  };
  return {
    get,
    keys: async () => {
      const keys = new Set<string>();
      for await (const { key } of upper.list({ prefix: "values/" })) keys.add(key.slice(7));
      for (const key of await lower.keys()) if ((await get(key)) !== undefined) keys.add(key);
      return [...keys];
    },
  };
}
