import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { TiffWriter } from "../../backends/tiff/writer.ts";
import { createRegistry } from "../../registry/index.ts";
import { RunDocuments, SessionPathProvider } from "../../src/acquire/index.ts";
import { createCodecs } from "../../src/codecs/index.ts";
import type { Document } from "../../src/core/documents.ts";
import { arraysEqual, ndArray } from "../../src/core/nd-array.ts";
import { consolidate, filesOf } from "../support/event-model.ts";
import { pathOf, readPlainTiff, tiffSubject } from "../support/writer-subjects.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-tiff-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const openStore = async (uri: string) => new DiskStore({ root: pathOf(uri), durability: "none" });
const frame = (n: number) =>
  ndArray(
    Uint16Array.from({ length: 48 }, (_, i) => n * 100 + i),
    [6, 8],
  );

describe("The TIFF writer", () => {
  it("puts its store into the folder that a session reserved, and describes it in documents that name every file", async () => {
    const pathProvider = new SessionPathProvider({
      baseDir: folder,
      session: "exp 1",
      now: () => new Date(2026, 10, 21),
    });
    const writer = new TiffWriter("main", openStore, { pathProvider });
    const documents: Document[] = [];
    const run = new RunDocuments((document) => void documents.push(document));
    writer.register("cam", "uint16", [6, 8], 3);
    await run.start();
    await run.describe({ dataKeys: await writer.open("cam") });
    for (let n = 0; n < 3; n++) await writer.writeFrame("cam", frame(n));
    await writer.close();
    await run.assets("primary", writer.collectStreamDocs("cam", 3));

    const store = join(folder, "exp 1", "2026_11_21", "default_main_00000", "main.tiffs");
    expect(pathOf(writer.storeUri as string)).toBe(store);
    const resource = documents.flatMap(([name, document]) => (name === "stream_resource" ? [document] : []))[0];
    if (resource === undefined) throw new Error("No resource was announced");
    expect(resource.mimetype).toBe("multipart/related;type=image/tiff");
    expect(resource.uri).toMatch(/^file:\/\/localhost\/.*exp%201.*\/main\.tiffs\/cam\/$/);
    expect(resource.parameters.chunk_shape).toEqual([1, 6, 8]);
    const rows = consolidate(documents, "cam").shape[0] as number;
    const files = filesOf(resource.parameters.template as string, rows);
    expect(await readdir(pathOf(resource.uri))).toEqual(files);
    for (const [n, file] of files.entries()) {
      expect(arraysEqual(readPlainTiff(await readFile(join(pathOf(resource.uri), file))), frame(n))).toBe(true);
    }
    expect(JSON.parse(await readFile(join(store, "metadata.json"), "utf8"))).toEqual({
      format: "sluice-tiff-sequence",
      version: 1,
      complete: true,
      metadata: {},
      sources: {
        cam: { dtype: "uint16", shape: [6, 8], dims: ["time", "y", "x"], file: "cam/cam_{index:06}.tif", frames: 3 },
      },
    });
  });

  it("leaves nothing behind a failed frame that would count as one", async () => {
    const subject = tiffSubject(folder);
    const { writer } = subject;
    writer.setUri(subject.newUri());
    writer.register("cam", "uint16", [6, 8]);
    await writer.open("cam");
    subject.failNextFrame?.();
    const results = await Promise.allSettled([0, 1, 2].map((n) => writer.writeFrame("cam", frame(n))));
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(results[1]).toMatchObject({ reason: { code: "CONFLICT", retryable: true } });
    await writer.close();
    expect(await readdir(join(pathOf(writer.storeUri as string), "cam")).catch(() => [])).toEqual([]);
  });

  it("lets two writers at one place race, and one lose without harm", async () => {
    const writers = [0, 1].map(() => new TiffWriter("main", openStore, { uri: `file://${folder}/run.tiffs` }));
    for (const writer of writers) writer.register("cam", "uint16", [6, 8]);
    const results = await Promise.allSettled(writers.map((writer) => writer.open("cam")));
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const winner = writers.find((writer) => writer.isOpen) as TiffWriter;
    await winner.writeFrame("cam", frame(1));
    await winner.close();
    expect(await readdir(join(folder, "run.tiffs", "cam"))).toEqual(["cam_000000.tif"]);
  });

  it("compresses when told, and our codecs read it back", async () => {
    const writer = new TiffWriter("main", openStore, { uri: `file://${folder}/run.tiffs`, compression: "deflate" });
    writer.updateSource("cam", "float32", [32, 32], { pixelSizeMicrometers: 0.5 });
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    const smooth = ndArray(
      Float32Array.from({ length: 1024 }, (_, i) => i),
      [32, 32],
    );
    await sink.write(smooth);
    await sink.close();
    const bytes = await readFile(join(folder, "run.tiffs", "cam", "cam_000000.tif"));
    expect(bytes.byteLength).toBeLessThan(3500);
    const codec = createCodecs().get("tiff");
    const back = await codec.decode(new Uint8Array(bytes), { identifier: "cam", options: {} });
    expect(arraysEqual(back as never, smooth)).toBe(true);
  });

  it("refuses what a TIFF cannot hold, and options it does not know", async () => {
    const writer = new TiffWriter("main", openStore, { uri: `file://${folder}/run.tiffs` });
    writer.updateSource("trace", "uint16", [100]);
    await expect(writer.prepare("trace")).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    const open = (options: object) =>
      createRegistry().openWriter("tiff", options, { instance: "w", store: openStore as never });
    await expect(open({ compresion: "none" })).rejects.toThrow(/did you mean "compression"/);
    await expect(open({ filesInFlight: 0 })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(open({ compression: "lzw" })).rejects.toThrow(/"deflate"/);
  });
});
