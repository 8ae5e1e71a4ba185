// What a virtual workspace costs for each path, beside the backend that it leads to, and listings of a large plate.

import { openWorkspace } from "../dist/backends/virtual/index.js";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { noiseFrames } from "./support/frames.mjs";
import { interleave } from "./support/interleave.mjs";

const wells = 384;
const perWell = 260;
const rounds = Number(process.env.ROUNDS ?? 5);
const entries = {};
for (let well = 0; well < wells; well++) {
  const name = `${String.fromCharCode(65 + Math.floor(well / 24))}${String((well % 24) + 1).padStart(2, "0")}`;
  for (let i = 0; i < perWell; i++) entries[`${name}/${name}_f${i}.tif`] = { backend: "raw", address: `v${i % 100}` };
}
const paths = Object.keys(entries).slice(0, 100_000);

const backends = new BackendSet(createRegistry(), { raw: { use: "memory" } });
const raw = await backends.get("raw");
for (let i = 0; i < 100; i++) await raw.save(i, `v${i}`);

const best = async (run) => {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    // Time of the processor, which a busy machine does not stretch as much as that of the clock.
    const start = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
};

const mapping = { version: 1, entries: Object.fromEntries(paths.map((path) => [path, entries[path]])) };
const unique = {
  version: 1,
  entries: Object.fromEntries(paths.map((path, i) => [path, { backend: "raw", address: `u${i}` }])),
};
for (let i = 0; i < paths.length; i++) await raw.save(i, `u${i}`);
const addresses = paths.map((_, i) => `u${i}`);

const opening = await best(async () => (await openWorkspace({ mapping, backends })).close());
const workspace = await openWorkspace({ mapping: unique, backends });
const direct = await best(() => raw.loadBatch(addresses));
const through = await best(() => workspace.loadBatch(paths));
const one = async (source, list) => {
  for (const path of list) await source.load(path);
};
const directOne = await best(() => one(raw, addresses));
const throughOne = await best(() => one(workspace, paths));
const listing = await best(() => workspace.listFiles("", { recursive: true }));
const filtered = await best(() => workspace.listFiles("", { recursive: true, pattern: "A01_f*.tif" }));
const folder = await best(async () => {
  for (let i = 0; i < 1000; i++) await workspace.listFiles("A01");
});

const micro = (ms, count = paths.length) => `${((ms * 1000) / count).toFixed(2).padStart(7)} µs`;
console.log(`workspace of ${paths.length} paths, best of ${rounds}, processor time`);
console.log(`  opened                       ${micro(opening)} a path`);
console.log(
  `  batch: overhead              ${micro(through - direct)} a path (${micro(through)} against ${micro(direct)})`,
);
console.log(
  `  one by one: overhead         ${micro(throughOne - directOne)} a path (${micro(throughOne)} against ${micro(directOne)})`,
);
console.log(`  listed, all of it            ${micro(listing)} a path, ${listing.toFixed(0)} ms`);
console.log(`  listed, by pattern           ${micro(filtered)} a path`);
console.log(`  listed, a well of ${perWell}        ${micro(folder, 1000 * perWell)} a path`);
await workspace.close();
await backends.close();

// A plate of 384 wells on disk, one image each.
await interleave(
  "384 wells of 520 × 696, from a folder of TIFF files",
  [
    {
      name: "disk backend",
      run: (directory) =>
        plate(
          directory,
          (set) => set.get("raw"),
          (i) => nameOf(i),
        ),
    },
    {
      name: "virtual workspace",
      run: (directory) =>
        plate(
          directory,
          (set) => set.get("plate"),
          (i) => `${wellOf(i)}/${wellOf(i)}_f001_c1_z001_t001.tiff`,
        ),
    },
  ],
  { rounds, unit: "wells/s" },
);

async function plate(root, open, pathOf) {
  const set = new BackendSet(createRegistry(), {
    raw: { use: "disk", root, durability: "none" },
    plate: { use: "virtual", source: "raw", grammar: "opera_phenix" },
  });
  const disk = await set.get("raw");
  const [image] = noiseFrames(1, [520, 696]);
  const wanted = Array.from({ length: 384 }, (_, i) => i);
  await disk.saveBatch(
    wanted.map(() => image),
    wanted.map(nameOf),
  );
  const source = await open(set);
  const start = performance.now();
  await source.loadBatch(wanted.map(pathOf));
  const seconds = (performance.now() - start) / 1000;
  await set.close();
  return { amount: wanted.length, seconds };
}

function nameOf(i) {
  const two = (number) => String(number).padStart(2, "0");
  return `r${two(Math.floor(i / 24) + 1)}c${two((i % 24) + 1)}f01p01-ch1sk1fk1fl1.tiff`;
}

function wellOf(i) {
  return `${String.fromCharCode(65 + Math.floor(i / 24))}${String((i % 24) + 1).padStart(2, "0")}`;
}
