/** What resonance's own tests of its catalogue expect, of ours. */
import { describe, expect, it } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { LazyImageSequence } from "../../../src/catalog/lazy-image-sequence.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { ndArray } from "../../../src/index.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { newBeamtime } from "../beamtime-folder.ts";

async function writeTestFile(events = 3): Promise<string> {
  const path = await newBeamtime();
  const writer = new RunWriter(path, { name: "PS", formula: "C8H8" });
  await writer.open();
  await writer.openRun("nexafs");
  await writer.openStream("primary", { Energy: { dtype: "number" } });
  for (let i = 0; i < events; i++) await writer.writeEvent({ Energy: 280 + i });
  await writer.closeRun();
  await writer.close();
  return path;
}

async function writeTestFileWithImages(images: number): Promise<string> {
  const path = await newBeamtime();
  const writer = new RunWriter(path, { name: "PS" });
  await writer.open();
  await writer.openRun("nexafs");
  await writer.openStream("primary", { detector_image: { dtype: "int32", external: true } });
  for (let i = 0; i < images; i++) {
    const event = await writer.writeEvent({ i });
    await writer.writeImage(event, "detector_image", ndArray(new Int32Array(16).fill(i), [4, 4]));
  }
  await writer.closeRun();
  await writer.close();
  return path;
}

async function onlyRun(catalog: Catalog) {
  const [run] = await catalog.recent(1);
  return catalog.get(run?.uid ?? "none");
}

describe("resonance's catalogue", () => {
  it("catalog_recent: lists runs with plan and sample", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    const runs = await catalog.recent(10);
    expect(runs.map(({ planName, sampleName }) => [planName, sampleName])).toEqual([["nexafs", "PS"]]);
  });

  it("catalog_by_sample: finds the runs of a sample, and none of another", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    expect((await catalog.bySample("PS")).length).toBe(1);
    expect(await catalog.bySample("nonexistent")).toEqual([]);
  });

  it("catalog_getitem: gives a run by its uid", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    const uid = (await catalog.recent(1))[0]?.uid ?? "";
    expect((await catalog.get(uid)).uid).toBe(uid);
  });

  it("catalog_getitem_missing_raises_keyerror: says NOT_FOUND for another uid", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    expect((await rejectionOf(catalog.get("nonexistent_uid"))).code).toBe("NOT_FOUND");
  });

  it("run_table: gives the events as a table", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    const table = await (await onlyRun(catalog)).table("primary");
    expect(table.length).toBe(3);
    expect(table.names).toEqual(["seq_num", "time", "Energy"]);
    expect([...table.column("Energy").data]).toEqual([280, 281, 282]);
  });

  it("run_sample_metadata: gives the sample", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    const { sample } = await onlyRun(catalog);
    expect([sample?.name, sample?.formula]).toEqual(["PS", "C8H8"]);
  });

  it("run_table_empty_stream: gives number and time, and no rows, for a stream that is not there", async () => {
    await using catalog = await Catalog.open(await writeTestFile());
    const table = await (await onlyRun(catalog)).table("nonexistent_stream");
    expect([table.length, table.names]).toEqual([0, ["seq_num", "time"]]);
  });

  it("catalog_context_manager: closes itself", async () => {
    const path = await writeTestFile();
    let kept: Catalog;
    {
      await using catalog = await Catalog.open(path);
      kept = catalog;
      expect((await catalog.recent()).length).toBe(1);
    }
    expect((await rejectionOf(kept.recent())).code).toBe("NOT_OPEN");
  });

  it("run_images_shape: knows how many images there are, and how large", async () => {
    await using catalog = await Catalog.open(await writeTestFileWithImages(3));
    const images = await (await onlyRun(catalog)).images();
    expect(images.length).toBe(3);
    expect(images.shape).toEqual([3, 4, 4]);
  });

  it("run_images_getitem_int: reads one image", async () => {
    await using catalog = await Catalog.open(await writeTestFileWithImages(2));
    const images = await (await onlyRun(catalog)).images();
    expect(await images.at(0)).toEqual(ndArray(new Int32Array(16), [4, 4]));
    expect(await images.at(1)).toEqual(ndArray(new Int32Array(16).fill(1), [4, 4]));
  });

  it("run_images_getitem_slice: reads several", async () => {
    await using catalog = await Catalog.open(await writeTestFileWithImages(3));
    const images = await (await onlyRun(catalog)).images();
    const sliced = await images.slice(0, 2).load();
    expect(sliced.shape).toEqual([2, 4, 4]);
    expect([...sliced.data]).toEqual([...new Array(16).fill(0), ...new Array(16).fill(1)]);
  });

  it("run_images_empty_field: gives none of a field that is not there", async () => {
    await using catalog = await Catalog.open(await writeTestFileWithImages(2));
    const images = await (await onlyRun(catalog)).images("nonexistent_field");
    expect(images).toBeInstanceOf(LazyImageSequence);
    expect(images.length).toBe(0);
  });
});
