import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, test } from "vitest";
import * as zarrita from "zarrita";
import { DiskStore } from "../../../backends/disk/store.ts";
import type { ZarrOptions } from "../../../backends/zarr/options.ts";
import { ZarrWriter } from "../../../backends/zarr/writer.ts";
import { ZarritaStore } from "../../../backends/zarr/zarrita-store.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { type WriterSubject, writerConformance } from "../../../src/testing/writer-kit.ts";

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-zarr-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const diskAt = (uri: string) => new DiskStore({ root: fileURLToPath(uri), durability: "none" });

/** Frames are read around the writer, and around our reader too: by zarrita. */
async function readFrames(uri: string, source: string): Promise<NdArray[]> {
  const array = await zarrita.open.v3(new ZarritaStore(diskAt(uri), source), { kind: "array" });
  const [frames = 0, ...shape] = array.shape;
  const { data } = await zarrita.get(array as zarrita.Array<"uint8" | "uint16", ZarritaStore>);
  const size = data.length / Math.max(1, frames);
  return Array.from({ length: frames }, (_, i) => ndArray(data.slice(i * size, (i + 1) * size), shape));
}

function subject(options: ZarrOptions): WriterSubject {
  return {
    writer: new ZarrWriter("scan", async (uri) => diskAt(uri), options),
    newUri: () => pathToFileURL(join(folder, `run-${count++}`)).href,
    readFrames,
    readMetadata: async (uri) => JSON.parse(await readFile(join(fileURLToPath(uri), "zarr.json"), "utf8")).attributes,
  };
}

const runner = { describe, test };
writerConformance(runner, "The Zarr writer", { make: async () => subject({}) });
writerConformance(runner, "The Zarr writer with small shards", { make: async () => subject({ shardBytes: 200 }) });
writerConformance(runner, "The Zarr writer with Blosc", {
  make: async () => subject({ codec: "blosc-zstd", shardBytes: 200 }),
});
