// Finished files of a live scan: `node bench/live-view.mjs`. How much memory writing takes beyond what the process had, each
// in a process of its own, on Linux. FRAMES=1024 says how many frames of 1 MiB.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { h5maps, LiveFile, openBlobTier, openLive, writeHdf5, writeZarr } from "../dist/src/live/index.js";

const FRAMES = Number(process.env.FRAMES ?? 256);
const SHAPE = [512, 1024];

const peakBytes = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

async function measure(format) {
  const root = mkdtempSync(join(process.env.DIRECTORY ?? tmpdir(), "sluice-bench-view-"));
  const path = join(root, "data.h5");
  try {
    const blobs = await openBlobTier({ root: join(root, "blobs") });
    const store = await openLive(join(root, "live"));
    const layout = { children: { 1.1: [{ NX_class: "NXentry" }, { data: { type: "stream", stream: "camera" } }] } };
    const scan = await store.createScan({ name: "bench", number: 1, path }, { info: h5maps(path, layout) });
    const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: SHAPE }, { blobs });
    await scan.prepare();
    await scan.start();
    const data = new Uint16Array(SHAPE[0] * SHAPE[1]);
    for (let i = 0; i < FRAMES; i++) {
      for (let n = 0; n < data.length; n++) data[n] = (n * 40503 + i) >> (n % 7);
      await camera.send({ data, dtype: "uint16", shape: SHAPE, stride: [SHAPE[1], 1] });
    }
    await scan.close();
    const before = process.memoryUsage.rss();
    const file = await LiveFile.open(store, path);
    const start = performance.now();
    if (format === "zarr") await writeZarr(file, { to: join(root, "data.zarr") });
    else await writeHdf5(file, format === "hdf5, gzip 1" ? { gzip: 1 } : {});
    const seconds = (performance.now() - start) / 1000;
    console.log(
      `${format}: ${FRAMES} MiB in ${seconds.toFixed(1)} s, ${((peakBytes() - before) / 1e6).toFixed(0)} MB more memory`,
    );
    await file[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await blobs[Symbol.asyncDispose]();
  } finally {
    rmSync(root, { recursive: true });
  }
}

if (process.argv[2] === undefined) {
  for (const format of ["hdf5", "hdf5, gzip 1", "zarr"]) {
    await once(fork(fileURLToPath(import.meta.url), [format]), "exit");
  }
  console.log(`load ${loadavg()[0].toFixed(1)}`);
} else await measure(process.argv[2]);
