// A plate from end to end: an instrument's files → even illumination and projections → an OME-Zarr plate and a picture.
// `disk` (into ./data), `memory` or `s3` as its argument says where results stay: one key below, and nothing else.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { arraysEqual, BackendSet, createRegistry, FileManager, materialize, type NdArray, ndArray } from "sluice";
import { type VirtualWorkspace, wellPosition } from "sluice/backends/virtual";
import { readImage, type SaveBatchOptions, validateNgff, writeImage } from "sluice/backends/zarr/ngff";

/** Steps of a corrected image for one of a raw image, so that rounding loses nothing that can be seen. */
const STEPS = 64;

const archives: Record<string, { use: string; [option: string]: unknown }> = {
  disk: { use: "disk", root: "data" },
  memory: { use: "memory" },
  // Credentials come from where Amazon's own tools have them.
  s3: { use: "s3", bucket: process.env.PLATE_BUCKET, endpoint: process.env.AWS_ENDPOINT_URL, prefix: "screen" },
};
const archive = archives[process.argv[2] ?? "disk"];
assert.ok(archive, `Results stay in one of ${Object.keys(archives).join(", ")}`);

await using backends = new BackendSet(createRegistry(), {
  raw: {
    use: "disk",
    root: process.env.SLUICE_TEST_DATA ?? fileURLToPath(new URL("../../shared/data", import.meta.url)),
  },
  fields: { use: "virtual", source: "raw", folder: "plate", grammar: "as_barcode" },
  human: { use: "virtual", source: "raw", folder: "human", grammar: "as_barcode" },
  work: { use: "memory" },
  archive,
  plate: { use: "zarr", store: "archive", path: "transfluor.zarr" },
  reopened: { use: "zarr", store: "archive", path: "transfluor.zarr" },
});
const files = new FileManager(backends, { ifExists: "replace" });

// 1. What there is: the grammar has read it from the names of the files.
const workspace = (await backends.get("fields")) as VirtualWorkspace;
const images = Object.entries((await workspace.toMapping()).entries).map(([path, { coordinates }]) => {
  assert.ok(coordinates);
  return { path, ...coordinates };
});
const wells = [...new Set(images.map(({ well }) => well))];
console.log(`${images.length} images of ${wells.length} wells, ${workspace.unparsed.length} files left out`);

// 2. Illumination of each channel, and the images without it, in memory.
for (const channel of new Set(images.map((image) => image.channel))) {
  const paths = images.filter((image) => image.channel === channel).map(({ path }) => path);
  const raw = await files.loadArrays(paths, "fields");
  const flat = flatField(raw);
  await files.save(flat, `illumination/c${channel}`, "work", { createParents: true });
  await files.saveBatch(
    raw.map((image) => divide(image, flat)),
    paths,
    "work",
    { createParents: true },
  );
  const gains = [...flat.data].map(Number).sort((a, b) => a - b);
  console.log(
    `channel ${channel}: illumination from ${gains[0]?.toFixed(2)} to ${gains.at(-1)?.toFixed(2)} of its mean`,
  );
}

// 3. One well after another: its fields and their projection become images of the plate, each in two resolutions.
const table: Record<string, string>[] = [];
for (const well of wells) {
  const fields = images.filter((image) => image.well === well);
  const corrected = await files.loadArrays(
    fields.map(({ path }) => path),
    "work",
  );
  const projection = maximum(corrected);
  const projected = `${well}/${well}_max.tif`;
  await files.save(projection, projected, "work");
  table.push({ well, fields: String(fields.length), mean: mean(projection).toFixed(3) });

  const paths = [...fields.map(({ path }) => path), projected];
  await files.saveBatch<SaveBatchOptions>([...corrected, projection], paths, "plate", {
    layout: {
      axes: [{ name: "field" }, { name: "c" }],
      image: "field",
      coordinates: [...fields.map(({ field }) => ({ field, c: "GFP" })), { field: "max", c: "GFP" }],
      row: well.slice(0, -2),
      column: well.slice(-2),
    },
    plate: "",
    plateName: "Transfluor",
    levels: 2,
    channels: [{ label: "GFP", color: "00FF00", window: { start: 0, end: 255 * STEPS } }],
  });
}
await files.save(table, "wells.csv", "work");
await using job = materialize(files, { from: "work", to: "plate" });
await job.add("wells.csv");
await job.finish();

// 4. Reopened by its key: everything is there as it was made.
const store = await backends.store("archive");
const { isValid, version, images: count, violations } = await validateNgff(store, "transfluor.zarr");
assert.ok(isValid, JSON.stringify(violations));
for (const path of [...images.map((image) => image.path), ...wells.map((well) => `${well}/${well}_max.tif`)]) {
  assert.ok(arraysEqual(await files.loadArray(path, "reopened"), await files.loadArray(path, "work")), path);
}
assert.deepEqual(await files.load("wells.csv", "reopened"), table);
console.log(
  `transfluor.zarr: OME-Zarr ${version}, ${count} images, ${wells.length} rows in wells.csv, equal to memory`,
);

// 5. A picture of the plate, from its coarser resolution, each well at its place.
const places = wells.map((well) => ({ well, ...wellPosition(well) }));
const top = Math.min(...places.map(({ row }) => row));
const left = Math.min(...places.map(({ column }) => column));
const tiles = await Promise.all(
  places.map(async ({ well, row, column }) => {
    const path = `${well.slice(0, -2)}/${well.slice(-2)}/max/0`;
    const { shape = [] } = await files.stat(path, "reopened");
    const { array } = await files.sample(path, "reopened", { origin: shape.map(() => 0), shape, resolution: 1 });
    return { array, row: row - top, column: column - left };
  }),
);
await files.save(contactSheet(tiles), "contact-sheet.png", "plate", { format: "png" });
const sheet = await files.loadArray("contact-sheet.png", "reopened");
console.log(`contact-sheet.png: ${sheet.dtype} [${sheet.shape}]`);

// 6. Three channels of human cells, as one image with colours.
const channels = await files.loadArrays(await files.listFiles("", "human", { recursive: true }), "human");
await writeImage(store, "human.zarr", stack(channels), {
  axes: ["c", "y", "x"],
  channels: [
    { label: "DNA", color: "0000FF" },
    { label: "PH3", color: "FF0000" },
    { label: "cell body", color: "00FF00" },
  ],
  ifExists: "replace",
});
const human = await readImage(store, "human.zarr");
console.log(`human.zarr: ${human.omero?.channels.map(({ label, color }) => `${label} #${color}`).join(", ")}`);

/** Illumination: the mean of all images, smoothed over squares of 2 × `reach` + 1 elements, divided by its own mean. */
function flatField(images: readonly NdArray[], reach = 64): NdArray {
  const [height = 0, width = 0] = images[0]?.shape ?? [];
  const stride = width + 1;
  // Each is the sum of all that is above it and to its left, so that any square takes four of them.
  const sums = new Float64Array((height + 1) * stride);
  for (let i = 0; i < height * width; i++) {
    const at = (Math.floor(i / width) + 1) * stride + (i % width) + 1;
    const here = images.reduce((sum, { data }) => sum + Number(data[i]), 0);
    sums[at] = here + sums[at - 1]! + sums[at - stride]! - sums[at - stride - 1]!;
  }
  const smooth = Float64Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    const [top, bottom] = [Math.max(y - reach, 0) * stride, Math.min(y + reach + 1, height) * stride];
    const [left, right] = [Math.max(x - reach, 0), Math.min(x + reach + 1, width)];
    const sum = sums[bottom + right]! - sums[top + right]! - sums[bottom + left]! + sums[top + left]!;
    return sum / (((bottom - top) / stride) * (right - left));
  });
  const whole = smooth.reduce((sum, value) => sum + value, 0) / smooth.length;
  return ndArray(
    Float32Array.from(smooth, (value) => value / whole),
    [height, width],
  );
}

function divide(image: NdArray, flat: NdArray): NdArray {
  const corrected = (value: number, i: number) => Math.min(Math.round((STEPS * value) / Number(flat.data[i])), 65535);
  return ndArray(Uint16Array.from(image.data as Uint8Array, corrected), image.shape);
}

function maximum(images: readonly NdArray[]): NdArray {
  const greatest = (_: unknown, i: number) => Math.max(...images.map(({ data }) => Number(data[i])));
  return ndArray(Uint16Array.from(images[0]!.data as Uint16Array, greatest), images[0]!.shape);
}

/** In grey levels of the raw images. */
function mean({ data }: NdArray): number {
  return (data as Uint16Array).reduce((sum, value) => sum + value, 0) / data.length / STEPS;
}

/** `[y, x]` images as one `[c, y, x]`. */
function stack(images: readonly NdArray[]): NdArray {
  const bytes = images.flatMap(({ data }) => [...(data as Uint8Array)]);
  return ndArray(Uint8Array.from(bytes), [images.length, ...images[0]!.shape]);
}

/** Tiles in the rows and columns of the plate; the brightest thousandth is white in all of them. */
function contactSheet(tiles: readonly { array: NdArray; row: number; column: number }[]): NdArray {
  const [height = 0, width = 0] = tiles[0]!.array.shape.slice(-2);
  const rows = Math.max(...tiles.map(({ row }) => row)) + 1;
  const columns = Math.max(...tiles.map(({ column }) => column)) + 1;
  const ordered = Uint16Array.from(tiles.flatMap(({ array }) => [...(array.data as Uint16Array)])).sort();
  const white = ordered[Math.floor(ordered.length * 0.999)]!;
  const sheet = new Uint8ClampedArray(rows * height * columns * width);
  for (const { array, row, column } of tiles) {
    const corner = row * height * columns * width + column * width;
    (array.data as Uint16Array).forEach((value, i) => {
      sheet[corner + Math.floor(i / width) * columns * width + (i % width)] = (255 * value) / white;
    });
  }
  return ndArray(new Uint8Array(sheet.buffer), [rows * height, columns * width]);
}
