// One plane of a well and one region of a large image, from the page cache: ours, and where .venv has them tensorstore (one
// thread) and zarr-python, in turns. Milliseconds, and the ratio to ours within each turn.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createArray, openZarr } from "../dist/backends/zarr/index.js";
import { createRegistry } from "../dist/registry/index.js";
import { median } from "./support/interleave.mjs";

const turns = Number(process.env.ROUNDS ?? 5) * 8;
const root = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
const store = await createRegistry().openStore("disk", { root, durability: "none" });

/** Camera noise: a few bits over an offset. */
function noise(shape) {
  const data = new Uint16Array(shape.reduce((product, length) => product * length, 1));
  for (let i = 0, state = 1; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = 100 + (state >>> 27);
  }
  return {
    data,
    shape,
    stride: shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1)),
    dtype: "uint16",
  };
}

const subjects = [];
for (const compressor of ["none", "blosc-zstd"]) {
  for (const layout of ["chunks", "shards"]) {
    const isSharded = layout === "shards";
    const add = async (what, shape, chunkShape, shardShape, select) => {
      const name = `${what}, ${compressor}, ${layout}`;
      const shards = isSharded ? { shardShape } : {};
      const array = await createArray(store, name, { shape, dtype: "uint16", chunkShape, compressor, ...shards });
      await array.write([], noise(shape));
      subjects.push({ name, select, array: await openZarr(store, name) });
    };
    await add("plane of 60", [60, 1024, 1024], [1, 1024, 1024], [60, 1024, 1024], (i) => [(i * 7) % 60]);
    const from = (i, step) => [(i * step) % 3500, ((i * step) % 3500) + 512];
    await add("512² of 4096²", [4096, 4096], [256, 256], [2048, 2048], (i) => [from(i, 311), from(i, 173)]);
  }
}

const venv = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
const script = fileURLToPath(new URL("zarr_reads.py", import.meta.url));
const python = existsSync(venv) ? spawn(venv, [script, root], { stdio: ["pipe", "pipe", "inherit"] }) : undefined;
const lines = python && createInterface({ input: python.stdout })[Symbol.asyncIterator]();
await lines?.next();

async function ask(reader, { name }, selection) {
  python.stdin.write(`${JSON.stringify([reader, name, selection])}\n`);
  return Number((await lines.next()).value);
}

async function ours({ array }, selection) {
  const start = performance.now();
  await array.read(selection);
  return performance.now() - start;
}

const others = python === undefined ? [] : ["tensorstore", "zarr-python"];
console.log(`\nParts of Zarr arrays, median of ${turns} turns, load ${loadavg()[0].toFixed(1)}`);
for (const subject of subjects) {
  const times = [];
  for (let turn = -3; turn < turns; turn++) {
    const selection = subject.select(turn + 3);
    const row = [await ours(subject, selection)];
    for (const reader of others) row.push(await ask(reader, subject, selection));
    if (turn >= 0) times.push(row);
  }
  const column = (i) => median(times.map((row) => row[i]));
  const parts = others.map((reader, i) => {
    const ratio = median(times.map((row) => row[i + 1] / row[0]));
    return `${reader} ${column(i + 1).toFixed(2)} ms (${ratio.toFixed(2)}×)`;
  });
  console.log([subject.name.padEnd(36), `ours ${column(0).toFixed(2)} ms`, ...parts].join("  "));
}
python?.stdin.end();
await store.close();
await rm(root, { recursive: true });
