// Large frames into Zarr, against a plain one-file write of the same bytes and against zarrita.
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as zarrita from "zarrita";
import { noiseFrames } from "./support/frames.mjs";
import { interleave } from "./support/interleave.mjs";
import { acquire } from "./support/zarr-run.mjs";
import { FolderMap } from "./support/zarrita-folder.mjs";

const shape = [2048, 2048];
const frames = noiseFrames(8, shape);
const bytes = frames.map(({ data }) => new Uint8Array(data.buffer));
const megabytes = bytes[0].byteLength / 1e6;
const rounds = Number(process.env.ROUNDS ?? 5);

const oneFile = (count, isDurable) => async (directory) => {
  const file = openSync(join(directory, "limit"), "w");
  for (let i = 0; i < count; i++) writeSync(file, bytes[i % bytes.length]);
  if (isDurable) fdatasyncSync(file);
  closeSync(file);
  return count * megabytes;
};
const sluice = (count, options) => async (directory) => {
  await acquire(directory, frames, count, options);
  return count * megabytes;
};
const withZarrita = (count, codecs) => async (directory) => {
  const array = await zarrita.create(new FolderMap(directory), {
    shape: [count, ...shape],
    chunkShape: [1, ...shape],
    dtype: "uint16",
    codecs,
    fillValue: 0,
  });
  for (let i = 0; i < count; i++) {
    const frame = frames[i % frames.length];
    const stack = { data: frame.data, shape: [1, ...shape], stride: [shape[0] * shape[1], shape[1], 1] };
    await zarrita.set(array, [zarrita.slice(i, i + 1), null, null], stack);
  }
  return count * megabytes;
};

const plain = [{ name: "bytes", configuration: { endian: "little" } }];
const blosc = { name: "blosc", configuration: { cname: "zstd", clevel: 1, shuffle: "shuffle", blocksize: 0 } };

await interleave(
  "2048×2048 uint16, page cache",
  [
    { name: "one file", run: oneFile(64, false) },
    { name: "sluice none", run: sluice(64, { codec: "none" }) },
    { name: "sluice blosc-zstd", run: sluice(64, { codec: "blosc-zstd" }) },
    { name: "zarrita none", run: withZarrita(48, plain) },
    { name: "zarrita blosc-zstd", run: withZarrita(12, [...plain, blosc]) },
  ],
  { rounds, unit: "MB/s" },
);
await interleave(
  "2048×2048 uint16, durable",
  [
    { name: "one file + fdatasync", run: oneFile(64, true) },
    { name: "sluice none, data", run: sluice(64, { codec: "none", durability: "data" }) },
    { name: "sluice none, full", run: sluice(64, { codec: "none", durability: "full" }) },
    { name: "sluice blosc-zstd, full", run: sluice(64, { codec: "blosc-zstd", durability: "full" }) },
  ],
  { rounds, unit: "MB/s" },
);
