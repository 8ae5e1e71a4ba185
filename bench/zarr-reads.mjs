// One plane of a well of 60, saved as a batch, and one 512² region of a 16k² image, from the page cache: ours, as an open
// array and by path through a FileManager, and where .venv has them tensorstore (one thread) and zarr-python, in turns.
// Milliseconds, and within each turn how much faster we are. SIDE says how large the image is.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createArray, openZarr } from "../dist/backends/zarr/index.js";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { FileManager } from "../dist/src/index.js";
import { median } from "./support/interleave.mjs";

const rounds = Number(process.env.ROUNDS ?? 5);
const side = Number(process.env.SIDE ?? (rounds === 1 ? 2048 : 16_384));
const turns = rounds * 8;
/** Until the code is compiled, and memory that was given back is taken again. */
const warmUp = 24;
const root = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
const backends = new BackendSet(createRegistry(), { zarr: { use: "zarr", root, durability: "none" } });
const { store } = await backends.get("zarr");
const files = new FileManager(backends);

/** Camera noise: a few bits over an offset. */
function noise(shape) {
  const data = new Uint16Array(shape.reduce((product, length) => product * length, 1));
  for (let i = 0, state = 1; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = 100 + (state >>> 27);
  }
  const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { data, shape, stride, dtype: "uint16" };
}

/** A well of 60 planes, found again by the paths that they were saved under. */
async function well(compressor, chunks) {
  const plate = `plate-${compressor}-${chunks}`;
  const coordinates = Array.from({ length: 60 }, (_, z) => ({ field: 1, z }));
  const layout = { axes: [{ name: "field" }, { name: "z" }], image: "field", coordinates, row: "A", column: "01" };
  const paths = coordinates.map(({ z }) => `${plate}/z${z}.tif`);
  const { data } = noise([60, 512, 512]);
  const planeOf = (_, z) => {
    return { data: data.subarray(z << 18, (z + 1) << 18), shape: [512, 512], stride: [512, 1], dtype: "uint16" };
  };
  await (await backends.get("zarr")).saveBatch(coordinates.map(planeOf), paths, { layout, chunks, compressor });
  let path;
  for await (const { key } of store.list({ prefix: `${plate}/` })) if (key.endsWith("/0/zarr.json")) path = key;
  return {
    title: `plane of 60, ${compressor}, one chunk a ${chunks === "file" ? "plane" : "well"}`,
    top: plate,
    path: path.slice(0, -"/zarr.json".length),
    select: (i) => [(i * 7) % 60],
    load: ([z]) => files.load(paths[z], "zarr"),
  };
}

let picture;
async function image(compressor, chunk, shard) {
  const path = `image-${compressor}-${chunk}-${shard}`;
  const shards = shard === undefined ? {} : { shardShape: [shard, shard] };
  const shape = [side, side];
  const made = await createArray(store, path, {
    shape,
    dtype: "uint16",
    chunkShape: [chunk, chunk],
    compressor,
    ...shards,
  });
  picture ??= noise(shape);
  await made.write([], picture);
  const from = (i, step) => [(i * step) % (side - 512), ((i * step) % (side - 512)) + 512];
  return {
    title: `512² of ${side}², ${compressor}, chunks of ${chunk}²${shard === undefined ? "" : ` in shards of ${shard}²`}`,
    top: path,
    path,
    select: (i) => [from(i, 3119), from(i, 1733)],
    load: (selection) => files.load(path, "zarr", { selection }),
  };
}

const venv = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const script = fileURLToPath(new URL("zarr_reads.py", import.meta.url));
const python = existsSync(venv) ? spawn(venv, [script, root], { stdio: ["pipe", "pipe", "inherit"] }) : undefined;
const lines = python && createInterface({ input: python.stdout })[Symbol.asyncIterator]();
await lines?.next();

async function ask(reader, { path }, selection) {
  python.stdin.write(`${JSON.stringify([reader, path, selection])}\n`);
  return Number((await lines.next()).value);
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

const others = python === undefined ? [] : ["tensorstore", "zarr-python"];

async function measure(subject) {
  const array = await openZarr(store, subject.path);
  const times = [];
  for (let turn = -warmUp; turn < turns; turn++) {
    const selection = subject.select(turn + warmUp);
    const row = [await timed(() => array.read(selection)), await timed(() => subject.load(selection))];
    if (turn < 0 && turn !== -1) continue;
    for (const reader of others) row.push(await ask(reader, subject, selection));
    if (turn >= 0) times.push(row);
  }
  const column = (i) => `${median(times.map((row) => row[i])).toFixed(2)} ms`;
  const ratio = (i, to) => `${median(times.map((row) => row[i] / row[to])).toFixed(2)}×`;
  const parts = others.map((reader, i) => `${reader} ${column(i + 2)} (${ratio(i + 2, 0)}, ${ratio(i + 2, 1)})`);
  const load = loadavg()[0].toFixed(0);
  console.log(
    [subject.title.padEnd(52), `ours ${column(0)}, by path ${column(1)}`, ...parts, `load ${load}`].join("  "),
  );
  await rm(join(root, subject.top), { recursive: true });
}

console.log(`\nParts of Zarr arrays, median of ${turns} turns`);
for (const compressor of ["none", "blosc-zstd", "zstd"]) {
  for (const chunks of ["file", "well"]) await measure(await well(compressor, chunks));
}
for (const compressor of ["none", "blosc-zstd", "zstd"]) {
  await measure(await image(compressor, 512));
  await measure(await image(compressor, 1024));
  await measure(await image(compressor, 512, Math.min(side, 4096)));
}
python?.stdin.end();
await backends.close();
await rm(root, { recursive: true });
