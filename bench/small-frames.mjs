// What one small frame costs through the full asynchronous API.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { noiseFrames } from "./support/frames.mjs";
import { interleave } from "./support/interleave.mjs";
import { acquire } from "./support/zarr-run.mjs";

const frames = noiseFrames(16, [64, 64]);
const bytes = frames.map(({ data }) => new Uint8Array(data.buffer));
const count = 50_000;

const sluice = (amount, options) => async (directory) => {
  await acquire(directory, frames, amount, options);
  return amount / 1e6;
};
const oneFile = async (directory) => {
  const file = openSync(join(directory, "limit"), "w");
  for (let i = 0; i < count; i++) writeSync(file, bytes[i % bytes.length]);
  closeSync(file);
  return count / 1e6;
};

await interleave(
  "64×64 uint16, time per frame",
  [
    { name: "one file, writeSync a frame", run: oneFile },
    { name: "sluice none", run: sluice(count, { codec: "none" }) },
    { name: "sluice blosc-zstd", run: sluice(5_000, { codec: "blosc-zstd" }) },
  ],
  { rounds: Number(process.env.ROUNDS ?? 5), unit: "µs", invert: true },
);
