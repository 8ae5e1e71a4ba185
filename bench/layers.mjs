// What each layer costs a call that has nothing to wait for: 1 KiB values on a memory store.
import { MemoryStore } from "../dist/backends/memory/store.js";
import {
  CacheStore,
  ChaosStore,
  ChecksumStore,
  LatencyStore,
  LimitStore,
  MeterStore,
  OverlayStore,
  PrefixStore,
  ReadOnlyStore,
  RetryStore,
  RouteStore,
  TimeoutStore,
} from "../dist/src/layers/index.js";
import { median } from "./support/interleave.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 15);
const CALLS = 4000;
const KEYS = Array.from({ length: 64 }, (_, i) => `run/frame-${i}`);
const value = new Uint8Array(1024).map((_, i) => i);

const layers = {
  bare: (store) => store,
  meter: (store) => new MeterStore(store),
  "read-only": (store) => new ReadOnlyStore(store),
  prefix: (store) => new PrefixStore(store, "p"),
  overlay: (store) => new OverlayStore(store, { upper: new MemoryStore() }),
  route: (store) => new RouteStore(store, { mounted: new MemoryStore() }),
  "cache, bound to etags": (store) => new CacheStore(store, { medium: new MemoryStore() }),
  "cache, bound to content": (store) => new CacheStore(store, { medium: new MemoryStore(), bind: "content" }),
  retry: (store) => new RetryStore(store),
  limit: (store) => new LimitStore(store, { concurrency: 8 }),
  "limit, with a rate": (store) => new LimitStore(store, { concurrency: 8, bytesPerSecond: 1e12 }),
  checksum: (store) => new ChecksumStore(store, { sums: new MemoryStore() }),
  timeout: (store) => new TimeoutStore(store),
  chaos: (store) => new ChaosStore(store, { faults: [{ on: "list" }] }),
  latency: (store) => new LatencyStore(store),
  "retry, limit, timeout": (store) => new RetryStore(new LimitStore(new TimeoutStore(store), { concurrency: 8 })),
};

/** Nanoseconds a call, one after another. */
async function time(call) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < CALLS; i++) await call(KEYS[i % KEYS.length]);
  return Number(process.hrtime.bigint() - start) / CALLS;
}

const candidates = [];
for (const [name, wrap] of Object.entries(layers)) {
  const below = new MemoryStore();
  const store = wrap(below);
  const writes = store.capabilities.write;
  for (const key of KEYS) {
    for (const at of [key, `p/${key}`]) await below.write(at, value);
    if (writes) await store.write(key, value);
  }
  const calls = { read: (key) => store.read(key) };
  if (writes) calls.write = (key) => store.write(key, value);
  candidates.push({ name, calls, times: { read: [], write: [] } });
}

// Every layer in every round, in random order: a busy machine slows all alike. The first round warms up.
for (let round = 0; round <= ROUNDS; round++) {
  for (const { calls, times } of [...candidates].sort(() => Math.random() - 0.5)) {
    for (const [operation, call] of Object.entries(calls)) {
      const took = await time(call);
      if (round > 0) times[operation].push(took);
    }
  }
}

const [bare] = candidates;
/** The difference to bare within each round. */
const over = (times, reference) => median(times.map((took, i) => took - reference[i]));
console.log(`\nlayers: 1 KiB on a memory store, ns a call (median of ${ROUNDS} rounds)`);
console.log(
  `  ${"".padEnd(24)} ${"read".padStart(7)} ${"over".padStart(7)}   ${"write".padStart(7)} ${"over".padStart(7)}`,
);
for (const { name, times } of candidates) {
  const cells = ["read", "write"].map((operation) => {
    const all = times[operation];
    if (all.length === 0) return `${"–".padStart(7)} ${"–".padStart(7)}`;
    return [median(all), over(all, bare.times[operation])].map((ns) => ns.toFixed(0).padStart(7)).join(" ");
  });
  console.log(`  ${name.padEnd(24)} ${cells.join("   ")}`);
}
