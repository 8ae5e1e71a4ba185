// Many small values and one large one on disk, beside files written by hand and two other packages. Then a long listing.
// KEYS, MIB and LISTED say how many and how large; a single round takes few, so that it is quick.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { byHand, flystorage, plain, sluice, unstorage } from "./support/disk-stores.mjs";
import { median, shuffled } from "./support/interleave.mjs";
import { interleaveParts } from "./support/interleave-parts.mjs";

const rounds = Number(process.env.ROUNDS ?? 5);
const isQuick = rounds === 1;
const keyCount = Number(process.env.KEYS ?? (isQuick ? 300 : 10_000));
const mebibytes = Number(process.env.MIB ?? (isQuick ? 16 : 256));
const listed = Number(process.env.LISTED ?? (isQuick ? 5_000 : 1_000_000));
// A sync takes a hundred times as long as the rest.
const durableKeyCount = Math.ceil(keyCount / 10);
console.log(
  `bytes: ${keyCount} × 1 KiB (${durableKeyCount} where each is synced), ${mebibytes} MiB, ${listed} keys listed; ` +
    `${rounds} round${isQuick ? "" : "s"}, load ${loadavg()[0].toFixed(1)}`,
);

const small = crypto.getRandomValues(new Uint8Array(1024));
const large = new Uint8Array(mebibytes << 20).fill(7);

/** One after the other: what a single caller waits for. */
const manySmall = (make, count) => (root) => {
  const store = make(root);
  const keys = Array.from({ length: count }, (_, i) => `folder-${i % 10}/value-${i}`);
  const each = (run) => async () => {
    for (const key of keys) await run(key);
    return count;
  };
  return {
    put: each((key) => store.put(key, small)),
    overwrite: each((key) => store.put(key, small)),
    get: each(async (key) => {
      if ((await store.get(key)).length !== small.length) throw new Error(`${key} is wrong`);
    }),
    list: async () => {
      const found = await store.list();
      // Told, not thrown: on Node 20 `opendir` with `recursive` forgets all but 32 entries of each folder.
      if (found !== count) console.log(`  ${make.name}: lists ${found} of ${count} keys`);
      return found;
    },
    delete: each((key) => store.delete(key)),
  };
};
const oneLarge = (make) => (root) => {
  const store = make(root);
  return {
    put: async () => {
      await store.put("large", large);
      return mebibytes;
    },
    get: async () => {
      if ((await store.get("large")).length !== large.length) throw new Error("the value is wrong");
      return mebibytes;
    },
    delete: async () => {
      await store.delete("large");
      return 1;
    },
  };
};

const unsynced = [
  ["tmp + rename by hand", byHand("none")],
  ["sluice, none", sluice("none")],
  ["writeFile, not atomic", plain],
  ["unstorage, not atomic", unstorage],
  ["flystorage, not atomic", flystorage],
];
const synced = [
  ["tmp + sync + rename + sync by hand", byHand("full")],
  ["sluice, full", sluice("full")],
  ["tmp + sync + rename by hand", byHand("data")],
  ["sluice, data", sluice("data")],
];
const candidates = (list, wrap) => list.map(([name, make]) => ({ name, parts: wrap(make) }));
const values = { rounds, unit: "values/s" };
await interleaveParts(
  `${keyCount} × 1 KiB`,
  candidates(unsynced, (make) => manySmall(make, keyCount)),
  values,
);
await interleaveParts(
  `${durableKeyCount} × 1 KiB, durable`,
  candidates(synced, (make) => manySmall(make, durableKeyCount)),
  values,
);
const rate = { rounds, unit: "MiB/s; delete: values/s" };
await interleaveParts(`${mebibytes} MiB`, candidates(unsynced, oneLarge), rate);
await interleaveParts(`${mebibytes} MiB, durable`, candidates(synced, oneLarge), rate);
await longListing();

/** Each in a process of its own, for its memory. */
async function longListing() {
  const root = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
  try {
    const perFolder = 1000;
    for (let i = 0; i < listed; i++) {
      const folder = join(root, `folder-${Math.floor(i / perFolder)}`);
      if (i % perFolder === 0) mkdirSync(folder);
      writeFileSync(join(folder, `value-${i}`), "");
    }
    const child = fileURLToPath(new URL("support/list-keys.mjs", import.meta.url));
    const ways = ["readdir", "opendir", "opendir+lstat", "sluice"];
    const results = new Map(ways.map((way) => [way, []]));
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      for (const way of shuffled(ways)) {
        const { stdout, status } = spawnSync(process.execPath, [child, way, root], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "inherit"],
        });
        if (status !== 0) throw new Error(`${way} failed`);
        const result = JSON.parse(stdout);
        if (result.count !== listed) throw new Error(`${way} listed ${result.count}`);
        results.get(way).push(result);
      }
    }
    console.log(
      `\nListing ${listed} keys in folders of ${perFolder} (only sluice sorts; load ${loadavg()[0].toFixed(1)})`,
    );
    console.log("                  first ms  total ms  more MiB at the peak than an empty process");
    for (const [way, all] of results) {
      const cells = ["firstMs", "totalMs", "peakMib"].map((name) => median(all.map((each) => each[name])));
      console.log(`  ${way.padEnd(14)} ${cells.map((cell) => cell.toFixed(cell < 10 ? 1 : 0).padStart(9)).join(" ")}`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
