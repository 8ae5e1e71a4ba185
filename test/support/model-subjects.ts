/** Stores, and stacks of layers over them, for the state machine: each can be closed and opened again. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { lockPath } from "../../backends/disk/process-lock.ts";
import { DiskStore } from "../../backends/disk/store.ts";
import type { Durability } from "../../backends/disk/temp-file.ts";
import { TEMP_PREFIX, tempName, tempOwner } from "../../backends/disk/temp-name.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import type { Fault } from "../../src/layers/fault-script.ts";
import { LatencyStore } from "../../src/layers/latency.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { OverlayStore } from "../../src/layers/overlay.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { RouteStore } from "../../src/layers/route.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import type { SideDoor } from "../../src/testing/byte-store-kit.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import type { ModelSubject } from "../../src/testing/model-state.ts";
import { freshDisk, freshMemory } from "./byte-stores.ts";

/** A memory store; one that is opened after it has nothing of what it held. */
export async function memorySubject(): Promise<ModelSubject> {
  let current = await freshMemory();
  const { store } = current;
  const side: SideDoor = {
    put: (key, bytes) => current.side.put(key, bytes),
    get: (key) => current.side.get(key),
    keys: () => current.side.keys(),
  };
  const reopen = async () => {
    current = await freshMemory();
    return current.store;
  };
  return { store, side, reopen };
}

/** A disk store, and what a killed process leaves beside its values. */
export async function diskSubject(durability: Durability = "none"): Promise<ModelSubject & { store: DiskStore }> {
  const { root, ...subject } = await freshDisk({ durability });
  return {
    ...subject,
    reopen: async () => new DiskStore({ root, durability }),
    crash: async (key) => {
      const { host } = tempOwner(tempName()) as { host: string };
      const dead = `${TEMP_PREFIX}${host}.${2 ** 30}.1.${crypto.randomUUID().slice(0, 8)}`;
      const path = join(root, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(join(dirname(path), dead), "half a val");
      await symlink(dead, lockPath(path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
    },
    recover: async () => {
      await using store = new DiskStore({ root });
      await store.removeLeftovers();
    },
  };
}

/** Puts layers around a subject, also when it is opened again. */
export function around(subject: ModelSubject, wrap: (store: ByteStore) => ByteStore, side?: SideDoor): ModelSubject {
  const { reopen } = subject;
  return {
    ...subject,
    store: wrap(subject.store),
    reopen: reopen && (async () => wrap(await reopen())),
    side: side ?? subject.side,
  };
}

/** Gives up a second subject together with the first. */
function besides(subject: ModelSubject, ...others: readonly ModelSubject[]): ModelSubject {
  return {
    ...subject,
    dispose: async () => {
      await subject.dispose?.();
      for (const other of others) {
        await other.store.close();
        await other.dispose?.();
      }
    },
  };
}

/** The same door, one folder further in. What lies elsewhere is shown as it is, and must not be there. */
function doorBelow(side: SideDoor, folder: string): SideDoor {
  const root = `${folder}/`;
  return {
    put: (key, bytes) => side.put(root + key, bytes),
    get: (key) => side.get(root + key),
    keys: async () =>
      (await side.keys()).map((key) => (key.startsWith(root) ? key.slice(root.length) : `outside: ${key}`)),
  };
}

/**
 * Faults that retry gets over without a trace: refused for sure, or lost where repeating is harmless; but for a delete, which
 * may come a second time after somebody else has written.
 */
const passing: readonly Fault[] = [
  { kind: "lose", on: ["read", "readRanges", "readStream", "streamChunk", "stat", "list", "delete"], probability: 0.1 },
  {
    kind: "refuse",
    code: "RATE_LIMITED",
    probability: 0.2,
    on: [
      ...(["read", "readRanges", "readStream", "streamChunk", "stat", "list"] as const),
      ...(["write", "openWriter", "copy", "rename", "delete", "deleteMany"] as const),
    ],
  },
];

/** Answers are lost of writes, copies and renames too: then only the caller can know what that means. */
const doubtful: readonly Fault[] = [{ kind: "lose", on: ["write", "copy", "rename"], probability: 0.15 }, ...passing];

const patient = () => ({ attempts: 40, clock: new FakeClock({ automatic: true }) });
const flaky = (store: ByteStore, faults = passing) => new ChaosStore(store, { faults, seed: 5 });

/** Stacks as one would build them. */
export const stacks: Readonly<Record<string, () => Promise<ModelSubject>>> = {
  "meter over retry over chaos": async () => ({
    ...around(await memorySubject(), (store) => new MeterStore(new RetryStore(flaky(store), patient()))),
    repeatsDeletes: true,
  }),

  "retry over limit over timeout over chaos, on disk": async () => ({
    ...around(
      await diskSubject(),
      (store) =>
        new RetryStore(
          new LimitStore(new TimeoutStore(flaky(store)), { concurrency: 2, bytesPerSecond: 1e12 }),
          patient(),
        ),
    ),
    repeatsDeletes: true,
  }),

  "retry over chaos that loses answers, on disk": async () => ({
    ...around(await diskSubject(), (store) => new RetryStore(flaky(store, doubtful), patient())),
    losesAnswers: true,
  }),

  "cache in memory over checksum": async () => {
    const [medium, sums] = [new MemoryStore(), new MemoryStore()];
    const wrap = (store: ByteStore) =>
      new CacheStore(new ChecksumStore(store, { sums, unknown: "refuse" }), { medium, maxBytes: 5_000 });
    return around(await memorySubject(), wrap);
  },

  "cache on disk over retry over chaos": async () => {
    const medium = await diskSubject();
    const wrap = (store: ByteStore) =>
      new CacheStore(new RetryStore(flaky(store), patient()), { medium: medium.store, maxBytes: 100_000 });
    return { ...besides(around(await diskSubject(), wrap), medium), repeatsDeletes: true };
  },

  "overlay over a folder that is not empty below": async () => {
    const lower = new MemoryStore();
    // Below, and deleted before anything begins: whiteouts must hold.
    for (const key of ["a/x", "b", "c/d/e[1]"]) await lower.write(key, new Uint8Array([1, 2, 3]));
    const upper = await memorySubject();
    const wrap = (store: ByteStore) => new OverlayStore(new ReadOnlyStore(lower), { upper: store });
    const subject = around(upper, wrap);
    for (const key of ["a/x", "b", "c/d/e[1]"]) await subject.store.delete(key);
    return { ...subject, reopen: undefined, side: overlayDoor(upper.side) };
  },

  "overlay on disk over memory": async () => {
    const upper = await diskSubject();
    return around(upper, (store) => new OverlayStore(new MemoryStore(), { upper: store }), overlayDoor(upper.side));
  },

  "route between disks": async () => {
    const [root, a, deep] = [await diskSubject(), await diskSubject(), await diskSubject()];
    const routed = (store: ByteStore) => new RouteStore(store, { a: a.store, "c/d": deep.store });
    const place = (key: string): [SideDoor, string] => {
      if (key.startsWith("a/")) return [a.side, key.slice(2)];
      return key.startsWith("c/d/") ? [deep.side, key.slice(4)] : [root.side, key];
    };
    const side: SideDoor = {
      put: (key, bytes) => place(key)[0].put(place(key)[1], bytes),
      get: (key) => place(key)[0].get(place(key)[1]),
      keys: async () => [
        ...(await root.side.keys()),
        ...(await a.side.keys()).map((key) => `a/${key}`),
        ...(await deep.side.keys()).map((key) => `c/d/${key}`),
      ],
    };
    return { ...besides(around(root, routed, side), a, deep), crash: undefined };
  },

  "prefix over limit, on disk": async () => {
    const disk = await diskSubject();
    const wrap = (store: ByteStore) => new PrefixStore(new LimitStore(store, { concurrency: 1 }), "one/run");
    const subject = around(disk, wrap, doorBelow(disk.side, "one/run"));
    return { ...subject, crash: (key) => (disk.crash as (key: string) => Promise<void>)(`one/run/${key}`) };
  },

  "prefix over overlay over latency": async () => {
    const lower = () => new LatencyStore(new MemoryStore(), { jitterMs: 5, clock: new FakeClock({ automatic: true }) });
    const upper = await memorySubject();
    const wrap = (store: ByteStore) => new PrefixStore(new OverlayStore(lower(), { upper: store }), "p");
    return around(upper, wrap, doorBelow(overlayDoor(upper.side), "p"));
  },

  "a whole stack": async () => {
    const [medium, sums] = [new MemoryStore(), new MemoryStore()];
    const wrap = (store: ByteStore) =>
      new MeterStore(
        new CacheStore(
          new RetryStore(
            new LimitStore(new ChecksumStore(new TimeoutStore(flaky(store)), { sums }), { concurrency: 3 }),
            patient(),
          ),
          { medium, maxBytes: 50_000 },
        ),
      );
    // A copy is verified by reading it: with that, its answer may be lost.
    return { ...around(await diskSubject(), wrap), losesAnswers: true };
  },
};

/** Values that an overlay keeps above; its whiteouts are no keys. */
function overlayDoor(side: SideDoor): SideDoor {
  const values = doorBelow(side, "values");
  return {
    ...values,
    keys: async () => (await values.keys()).filter((key) => !key.startsWith("outside: whiteouts/")),
  };
}
