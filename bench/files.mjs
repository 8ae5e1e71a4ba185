// Saving and loading one array through FileManager, against raw fs that leaves the file just as safe.
import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { FileManager } from "../dist/src/index.js";
import { noiseFrames } from "./support/frames.mjs";
import { interleave } from "./support/interleave.mjs";

const [frame] = noiseFrames(1, [2048, 2048]);
const bytes = new Uint8Array(frame.data.buffer);
const megabytes = bytes.byteLength / 1e6;
const times = 16;
const rounds = Number(process.env.ROUNDS ?? 5);

const managed = async (root, durability, work) => {
  const backends = new BackendSet(createRegistry(), { data: { use: "disk", root, durability } });
  try {
    await work(new FileManager(backends));
  } finally {
    await backends.close();
  }
};
const save = (durability) => async (directory) => {
  await managed(directory, durability, async (files) => {
    for (let i = 0; i < times; i++) await files.save(frame, `a${i}.npy`, "data");
  });
  return times * megabytes;
};
/** The least that leaves the same: a file beside, all of it, synced, renamed, and the folder synced. */
const raw = (isDurable) => async (directory) => {
  for (let i = 0; i < times; i++) {
    const path = join(directory, `a${i}.npy`);
    const file = await open(`${path}.tmp`, "wx");
    await file.write(bytes);
    if (isDurable) await file.datasync();
    await file.close();
    await rename(`${path}.tmp`, path);
    if (!isDurable) continue;
    const folder = await open(directory);
    await folder.sync();
    await folder.close();
  }
  return times * megabytes;
};
const rawSync = (isDurable) => async (directory) => {
  for (let i = 0; i < times; i++) {
    const path = join(directory, `a${i}.npy`);
    const file = openSync(`${path}.tmp`, "wx");
    writeSync(file, bytes);
    if (isDurable) fdatasyncSync(file);
    closeSync(file);
    renameSync(`${path}.tmp`, path);
    if (!isDurable) continue;
    const folder = openSync(directory);
    fsyncSync(folder);
    closeSync(folder);
  }
  return times * megabytes;
};
const load = async (directory) => {
  let seconds = 0;
  await managed(directory, "none", async (files) => {
    await files.save(frame, "a.npy", "data");
    const start = performance.now();
    for (let i = 0; i < times; i++) await files.load("a.npy", "data");
    seconds = (performance.now() - start) / 1000;
  });
  return { amount: times * megabytes, seconds };
};
const rawLoad = (read) => async (directory) => {
  await managed(directory, "none", (files) => files.save(frame, "a.npy", "data"));
  const start = performance.now();
  for (let i = 0; i < times; i++) await read(join(directory, "a.npy"));
  return { amount: times * megabytes, seconds: (performance.now() - start) / 1000 };
};

for (const [title, durability] of [
  ["durable", "full"],
  ["page cache", "none"],
]) {
  await interleave(
    `save 8 MiB, ${title}`,
    [
      { name: "fs.promises", run: raw(durability === "full") },
      { name: "fs sync", run: rawSync(durability === "full") },
      { name: "FileManager.save npy", run: save(durability) },
    ],
    { rounds, unit: "MB/s" },
  );
}
await interleave(
  "load 8 MiB",
  [
    { name: "fs.promises.readFile", run: rawLoad(readFile) },
    { name: "fs.readFileSync", run: rawLoad(readFileSync) },
    { name: "FileManager.load npy", run: load },
  ],
  { rounds, unit: "MB/s" },
);
