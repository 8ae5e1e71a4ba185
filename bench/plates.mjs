// A plate as a pipeline meets it: all wells loaded in one batch through a virtual workspace, and listings of a plate of many
// files; ours beside PolyStore, zarr-python and tensorstore where .venv has them, in turns. Milliseconds, and the ratio to
// ours within each turn. PLATE_WELLS, PLATE_FIELDS and PLATE_FILES say how large it is (small with
// ROUNDS=1), PLATE_COMPRESSOR how its Zarr is packed.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openWorkspace } from "../dist/backends/virtual/index.js";
import { setAttributes } from "../dist/backends/zarr/index.js";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { FileManager, ndArray } from "../dist/src/index.js";
import { noiseFrames } from "./support/frames.mjs";
import { median, shuffled } from "./support/interleave.mjs";

const rounds = Number(process.env.ROUNDS ?? 5);
const isShort = rounds === 1;
const wells = Number(process.env.PLATE_WELLS ?? (isShort ? 24 : 384));
const fields = Number(process.env.PLATE_FIELDS ?? 2);
const fileCount = Number(process.env.PLATE_FILES ?? (isShort ? 5000 : 100_000));
/** How the planes of the Zarr plate are packed: as PolyStore does, unless something else is asked for. */
const compressor = process.env.PLATE_COMPRESSOR ?? "zlib";
/** One MiB of uint16. */
const plane = [512, 1024];

const root = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
const names = Array.from({ length: wells }, (_, i) => {
  const column = String((i % 24) + 1).padStart(2, "0");
  return { row: String.fromCharCode(65 + Math.floor(i / 24)), column, well: `${rowOf(i)}${column}` };
});
const backends = new BackendSet(createRegistry(), {
  raw: { use: "disk", root, durability: "none" },
  plate: { use: "zarr", root: join(root, "plate.zarr"), zarrFormat: 2 },
});
const files = new FileManager(backends, { ifExists: "replace" });

const python = startPython();

await loads("tif");
await loads("npy");
await zarrLoads();
await listings();

python?.stdin.end();
await backends.close();
await rm(root, { recursive: true });

/** All fields of all wells in one batch; the fields of a well are the pages of one file, as instruments write them. */
async function loads(suffix) {
  await writeStacks((well) => `${suffix}/${well}.${suffix}`, "raw");
  const entries = {};
  for (const { well } of names) {
    for (let f = 0; f < fields; f++) {
      entries[`${well}/f${f}.${suffix}`] = { backend: "disk", address: `${suffix}/${well}.${suffix}`, axes: [f] };
    }
  }
  await describeFor(suffix, entries, "../");
  const workspace = await openWorkspace({
    mapping: { version: 1, entries },
    backends: new Map([["disk", await backends.get("raw")]]),
  });
  const paths = Object.keys(entries);
  await compare(`${wells} wells × ${fields} fields of 1 MiB from ${suffix}, through a workspace`, {
    ours: async () => check(await workspace.loadBatch(paths)),
    polystore: () => ask("workspace", join(root, `${suffix}-workspace`), paths),
  });
  await workspace.close();
}

/** The same from a Zarr plate, a chunk for each field. */
async function zarrLoads() {
  const plate = await backends.get("plate");
  const images = noiseFrames(fields, plane);
  const entries = {};
  const store = plate.store;
  for (const { row, column, well } of names) {
    const coordinates = images.map((_, f) => ({ z: f }));
    const paths = images.map((_, f) => `${well}_f${f}.tif`);
    const layout = { axes: [{ name: "z" }], coordinates, row, column };
    await plate.saveBatch(images, paths, { layout, compressor, chunks: "file" });
    const address = `${row}/${column}/0/0`;
    const places = Object.fromEntries(paths.map((path, f) => [path, [f]]));
    const attributes = { polystore_filename_map: places, polystore_output_paths: paths };
    if (python !== undefined) await setAttributes(store, address, attributes);
    for (const [path, axes] of Object.entries(places)) entries[path] = { backend: "plate", address, axes };
  }
  const workspace = await openWorkspace({ mapping: { version: 1, entries }, backends });
  const paths = Object.keys(entries);
  const folder = join(root, "plate.zarr");
  const arrays = names.map(({ row, column }) => `${row}/${column}/0/0`);
  await compare(`${wells} wells × ${fields} fields of 1 MiB from a Zarr plate, ${compressor}`, {
    ours: async () => check(await workspace.loadBatch(paths)),
    "ours, by the plate's own names": async () => check(await plate.loadBatch(paths)),
    polystore: () => ask("zarr", folder, paths),
    "zarr-python": () => ask("zarr-python", folder, arrays),
    tensorstore: () => ask("tensorstore", folder, arrays),
    "tensorstore, one thread": () => ask("tensorstore-one", folder, arrays),
  });
  await workspace.close();
}

/** A plate of many files: all in one folder, in folders of wells, and as a mapping. */
async function listings() {
  const perWell = Math.ceil(fileCount / wells);
  const named = names
    .flatMap(({ well }) => Array.from({ length: perWell }, (_, i) => [well, `${well}_s${i + 1}_w${(i % 4) + 1}.tif`]))
    .slice(0, fileCount);
  for (const folder of ["flat", ...names.map(({ well }) => `nested/${well}`)]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  for (const [well, name] of named) {
    await writeFile(join(root, "flat", name), "");
    await writeFile(join(root, "nested", well, name), "");
  }
  const options = { pattern: "*_w1.tif", extensions: [".tif"] };
  const expected = named.filter(([, name]) => name.endsWith("_w1.tif")).length;
  const list = async (folder, backend, more, count) => {
    const found = await files.listFiles(folder, backend, more);
    if (found.length !== count) throw new Error(`${found.length} of ${count} files were listed`);
  };
  for (const [folder, recursive] of [
    ["flat", false],
    ["nested", true],
  ]) {
    const what = `${named.length} files, ${folder === "flat" ? "in one folder" : "in folders of wells"}`;
    await compare(`${what}, listed whole`, {
      ours: () => list(folder, "raw", { recursive }, named.length),
      polystore: () => ask("list", join(root, folder), { recursive }),
    });
    await compare(`${what}, listed by pattern and extension`, {
      ours: () => list(folder, "raw", { recursive, ...options }, expected),
      polystore: () => ask("list", join(root, folder), { recursive, ...options }),
    });
  }
  const entries = {};
  for (const [well, name] of named) entries[`${well}/${name}`] = { backend: "disk", address: `nested/${well}/${name}` };
  const mapping = { version: 1, entries };
  await describeFor("list", entries, "../");
  await writeFile(join(root, "mapping.json"), JSON.stringify(mapping));
  const mappingFile = { store: await backends.store("raw"), key: "mapping.json" };
  const make = () => openWorkspace({ mapping: mappingFile, backends });
  await compare(`${named.length} paths, a workspace opened`, {
    ours: async () => (await make()).close(),
    polystore: () => ask("open", join(root, "list-workspace"), []),
  });
  files.registerBackend("work", await make());
  const at = join(root, "list-workspace");
  await compare(`${named.length} paths of a workspace, listed whole`, {
    ours: () => list("", "work", { recursive: true }, named.length),
    polystore: () => ask("list-workspace", at, { recursive: true }),
  });
  await compare(`${named.length} paths of a workspace, listed by pattern and extension`, {
    ours: () => list("", "work", { recursive: true, ...options }, expected),
    polystore: () => ask("list-workspace", at, { recursive: true, ...options }),
  });
  const [{ well }] = names;
  await compare(`one well of a workspace of ${named.length} paths, listed`, {
    ours: () => list(well, "work", {}, Math.min(perWell, named.length)),
    polystore: () => ask("list-workspace", at, { folder: well }),
  });
  await (await files.backend("work")).close();
}

/** One line: each candidate in every round, in random order. */
async function compare(title, candidates) {
  const asked = Object.entries(candidates).filter(([name]) => name.startsWith("ours") || python !== undefined);
  const times = [];
  for (let round = -1; round < rounds; round++) {
    const row = {};
    for (const [name, run] of shuffled(asked)) {
      const start = performance.now();
      // Python tells its own time.
      const told = await run();
      row[name] = told ?? performance.now() - start;
    }
    if (round >= 0) times.push(row);
  }
  console.log(`${title}, median of ${rounds}, load ${loadavg()[0].toFixed(1)}`);
  for (const [name] of asked) {
    const ms = median(times.map((row) => row[name]));
    const ratio = median(times.map((row) => row[name] / row.ours));
    console.log(`  ${name.padEnd(32)} ${ms.toFixed(ms < 10 ? 2 : 0).padStart(8)} ms   ×${ratio.toFixed(2)}`);
  }
}

async function writeStacks(pathOf, backend) {
  const images = noiseFrames(fields, plane);
  const data = new Uint16Array(fields * plane[0] * plane[1]);
  for (const [f, image] of images.entries()) data.set(image.data, f * plane[0] * plane[1]);
  const stack = ndArray(data, [fields, ...plane]);
  for (const { well } of names) await files.save(stack, pathOf(well), backend, { createParents: true });
}

/** The mapping as PolyStore reads it. */
async function describeFor(name, entries, up) {
  const mapping = Object.entries(entries).map(([path, { backend, address, axes = [] }]) => {
    return [path, { backend, backend_address: `${up}${address}`, source_axis_indices: axes }];
  });
  const metadata = { subdirectories: { ".": { workspace_mapping: Object.fromEntries(mapping) } } };
  await mkdir(join(root, `${name}-workspace`));
  await writeFile(join(root, `${name}-workspace/polystore_metadata.json`), JSON.stringify(metadata));
}

function check(values) {
  if (values.length !== wells * fields || values.at(-1)?.data.length !== plane[0] * plane[1]) {
    throw new Error("planes are missing");
  }
}

function rowOf(i) {
  return String.fromCharCode(65 + Math.floor(i / 24));
}

function startPython() {
  const path = fileURLToPath(new URL("../.venv/bin/python", import.meta.url));
  if (!existsSync(path)) return undefined;
  const script = fileURLToPath(new URL("plates.py", import.meta.url));
  const child = spawn(path, [script], { stdio: ["pipe", "pipe", "inherit"] });
  return { stdin: child.stdin, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

/** Milliseconds that Python took. */
async function ask(what, folder, argument) {
  python.stdin.write(`${JSON.stringify([what, folder, argument])}\n`);
  const { value, done } = await python.lines.next();
  if (done) throw new Error(`Python ended at ${what}`);
  return Number(value);
}
