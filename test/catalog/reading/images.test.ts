import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { BackendSet, createRegistry } from "../../../registry/index.ts";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { readFrames } from "../../../src/catalog/image-refs.ts";
import { copyArray, type NdArray, ndArray, sliceArray } from "../../../src/index.ts";
import { METER_CHANNEL, type MeterEvent } from "../../../src/layers/meter.ts";
import { BeamtimeFile, saveFrames } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";

/** Frames of 4 × 6 pixels that are all different. */
function stack(count: number): NdArray {
  return ndArray(
    Uint16Array.from({ length: count * 24 }, (_, i) => i),
    [count, 4, 6],
  );
}

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, storeOf, imagesOption }) => {
  prepare();

  /** A file with one run "a" of as many events as frames, each with its frame as "cam". */
  async function withImages(frames: NdArray, save = true): Promise<{ path: string; file: BeamtimeFile }> {
    const path = await newBeamtime();
    const file = await BeamtimeFile.make(path);
    onTestFinished(() => file.close());
    await file.run({ uid: "a" });
    const stream = await file.stream("a");
    await file.events(
      stream,
      Array.from({ length: frames.shape[0] ?? 0 }, () => ({})),
    );
    await file.images(stream, "cam", "runs/a/cam", frames);
    if (save) await saveFrames(storeOf(path), "runs/a/cam", frames);
    return { path, file };
  }

  async function imagesOf(path: string, field = "cam", options = {}) {
    const catalog = await Catalog.open(path, { images: imagesOption(path), ...options });
    onTestFinished(() => catalog.close());
    return (await catalog.get("a")).images(field);
  }

  describe("a sequence of images", () => {
    it("knows number, size and type without reading any", async () => {
      const { path } = await withImages(stack(5), false);
      const images = await imagesOf(path);
      expect([images.length, images.shape, images.dtype]).toEqual([5, [5, 4, 6], "uint16"]);
      expect((await rejectionOf(images.at(0))).code).toBe("NOT_FOUND");
    });

    it("reads one, from the front and from the back", async () => {
      const frames = stack(5);
      const images = await imagesOf((await withImages(frames)).path);
      for (const index of [0, 4, -1, -5]) {
        expect(await images.at(index)).toEqual(copyArray(sliceArray(frames, [index])));
      }
    });

    it.each([5, -6, 0.5, Number.NaN, Number.POSITIVE_INFINITY])("has no image %s", async (index) => {
      const images = await imagesOf((await withImages(stack(5))).path);
      const error = await rejectionOf(images.at(index));
      expect(error.code).toBe("OUT_OF_RANGE");
      expect(error.message).toContain(String(index));
    });

    it("is sliced as lists are, in Python's ways too", async () => {
      const count = 7;
      const images = await imagesOf((await withImages(stack(count))).path);
      const bound = fc.option(fc.integer({ min: -9, max: 9 }), { nil: undefined });
      const steps = fc.integer({ min: -4, max: 4 }).filter((step) => step !== 0);
      await fc.assert(
        fc.asyncProperty(bound, bound, steps, async (start, stop, step) => {
          const sliced = images.slice(start, stop, step);
          const expected = pythonSlice(count, start, stop, step);
          expect(sliced.shape).toEqual([expected.length, 4, 6]);
          const { data, shape } = await sliced.load();
          expect(shape).toEqual([expected.length, 4, 6]);
          expect([...data].filter((_, i) => i % 24 === 0)).toEqual(expected.map((i) => i * 24));
        }),
        { numRuns: 60 },
      );
    });

    it("is sliced again", async () => {
      const images = await imagesOf((await withImages(stack(10))).path);
      const { data } = await images.slice(1, 9, 2).slice(undefined, undefined, -1).slice(1).load();
      expect([...data].filter((_, i) => i % 24 === 0)).toEqual([5, 3, 1].map((i) => i * 24));
    });

    it.each([
      [0, 1, 0],
      [0.5, undefined, 1],
      [0, 5, Number.NaN],
    ])("is not sliced by %s, %s, %s", async (start, stop, step) => {
      const images = await imagesOf((await withImages(stack(5))).path);
      expect((await rejectionOf(() => images.slice(start, stop, step))).code).toBe("OUT_OF_RANGE");
    });

    it("gives its images one after the other", async () => {
      const images = await imagesOf((await withImages(stack(3))).path);
      const first: unknown[] = [];
      for await (const image of images) first.push(image.data[0]);
      expect(first).toEqual([0, 24, 48]);
    });

    it("of a field that is not there is empty", async () => {
      const images = await imagesOf((await withImages(stack(2))).path, "nobody");
      expect([images.length, images.shape, images.dtype]).toEqual([0, [0, 0, 0], undefined]);
      expect((await images.load()).shape).toEqual([0, 0, 0]);
      expect(images.slice(0, 5).length).toBe(0);
      for await (const _ of images) expect.unreachable();
      expect((await rejectionOf(images.at(0))).code).toBe("OUT_OF_RANGE");
    });

    it("fetches the frames that are asked for, and no others", async () => {
      const { path } = await withImages(stack(50));
      const keys: string[] = [];
      const listen = (event: unknown) => {
        const { operation, key } = event as MeterEvent;
        if (operation === "read" && key.includes("/c/")) keys.push(key.replace(/.*\/c\//, ""));
      };
      subscribe(METER_CHANNEL, listen);
      onTestFinished(() => void unsubscribe(METER_CHANNEL, listen));
      const store = { use: "disk", root: storeOf(path), layers: [{ use: "meter" }] };
      const images = await imagesOf(path, "cam", { images: { use: "zarr", store } });
      expect(keys).toEqual([]);
      await images.at(-1);
      expect(keys.splice(0)).toEqual(["49/0/0"]);
      await images.slice(0, 40, 20).load();
      expect(keys.splice(0)).toEqual(["0/0/0", "20/0/0"]);
      await images.slice(10, 13).load();
      expect(keys.splice(0).sort()).toEqual(["10/0/0", "11/0/0", "12/0/0"]);
    });

    it("has all images of a long run, in the order in which they were written, also of two streams", async () => {
      const path = await newBeamtime();
      await using file = await BeamtimeFile.make(path);
      await file.run({ uid: "a" });
      const [one, two] = [await file.stream("a", "one"), await file.stream("a", "two")];
      const count = 10_003;
      await file.events(
        one,
        Array.from({ length: count }, () => ({})),
      );
      await file.events(two, [{}, {}]);
      const reference = { field_name: "cam", zarr_group: "g", shape_x: 4, shape_y: 6, dtype: "uint16" };
      const events = Array.from({ length: count }, (_, i) => `${one}-${i + 1}`);
      // Two images of one event, at the end of a page.
      events.splice(9999, 0, `${one}-10000`);
      events.splice(50, 0, `${two}-1`);
      events.push(`${two}-2`);
      await file.insertMany(
        "image_refs",
        events.map((uid, i) => ({ event_uid: uid, index_in_stack: i, ...reference })),
      );
      const catalog = await Catalog.open(path);
      onTestFinished(() => catalog.close());
      const run = await catalog.get("a");
      const { runs, count: found } = await readFrames(file.database, "a", "cam", await run.streams());
      expect(found).toBe(count + 3);
      // One run of neighbours: nothing is out of order, missing or twice.
      expect(runs.map(({ first, count: length }) => [first, length])).toEqual([[0, count + 3]]);
    });

    it("says which frame is missing in its store", async () => {
      const { path, file } = await withImages(stack(2));
      await file.images("a-primary", "cam", "runs/a/other", stack(1));
      const images = await imagesOf(path);
      const error = await rejectionOf(images.at(1));
      expect(error.code).toBe("NOT_FOUND");
      expect(error.message).toContain('frame 0 of "runs/a/other"');
      // The rows say more frames than the array has.
      await file.insert("image_refs", {
        event_uid: "a-primary-1",
        field_name: "cam",
        zarr_group: "runs/a/cam",
        index_in_stack: 9,
        shape_x: 4,
        shape_y: 6,
        dtype: "uint16",
      });
      expect((await rejectionOf((await imagesOf(path)).at(2))).message).toContain('frame 9 of "runs/a/cam"');
    });

    it("does not join frames that do not fit", async () => {
      const { path, file } = await withImages(stack(2));
      const other = ndArray(new Uint16Array(6), [1, 2, 3]);
      await file.images("a-primary", "cam", "runs/a/other", other);
      await saveFrames(storeOf(path), "runs/a/other", other);
      const images = await imagesOf(path);
      // It is an image of the first event.
      expect((await images.at(1)).shape).toEqual([2, 3]);
      expect((await rejectionOf(images.load())).code).toBe("SHAPE_MISMATCH");
    });
  });

  describe("images elsewhere", () => {
    const inFolder = async (use: string, uri: string, frames: NdArray) => {
      await using backends = new BackendSet(createRegistry());
      await using writer = await backends.openWriter({ use, uri });
      writer.updateSource("cam", frames.dtype, frames.shape.slice(1));
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      for (let i = 0; i < (frames.shape[0] ?? 0); i++) await sink.write(sliceArray(frames, [i]));
      await sink.close();
      return [...writer.collectStreamDocs("cam", frames.shape[0] ?? 0)];
    };

    it.each(["zarr", "tiff"])("that came as documents of the %s writer are read by what those say", async (use) => {
      const path = await newBeamtime();
      const frames = stack(6);
      await using file = await BeamtimeFile.make(path);
      await file.run({ uid: "a" });
      const dataKey = { source: "sim", dtype: "array", shape: [1, 4, 6], dtype_numpy: "<u2", external: "STREAM:" };
      const stream = await file.stream("a", "primary", { cam: dataKey });
      const folder = join(dirname(storeOf(path)), "frames # 1%");
      await mkdir(folder);
      for (const [, document] of await inFolder(use, pathToFileURL(folder).href, frames)) {
        if ("parameters" in document) {
          const { uid, data_key, mimetype, uri, parameters } = document;
          await file.insert("stream_resources", { uid, run_uid: "a", data_key, mimetype, uri, parameters });
        } else {
          const { start, stop } = document.indices;
          await file.insert("stream_data", {
            uid: document.uid,
            resource_uid: document.stream_resource,
            stream_uid: stream,
            index_start: start,
            index_stop: stop,
            seq_start: start + 1,
            seq_stop: stop + 1,
          });
        }
      }
      const catalog = await Catalog.open(path);
      onTestFinished(() => catalog.close());
      const run = await catalog.get("a");
      expect(await run.imageFields()).toEqual(["cam"]);
      const images = await run.images("cam");
      expect([images.shape, images.dtype]).toEqual([[6, 4, 6], "uint16"]);
      expect(await images.at(-2)).toEqual(copyArray(sliceArray(frames, [4])));
      expect((await images.slice(1, 4).load()).data).toEqual(frames.data.slice(24, 96));
    });

    it("that events refer to by a URI are read there", async () => {
      const { path, file } = await withImages(stack(1));
      const frames = stack(3);
      const elsewhere = join(dirname(storeOf(path)), "elsewhere.zarr");
      await saveFrames(elsewhere, "x/y", frames);
      await file.images("a-primary", "far", "x/y", stack(1), pathToFileURL(elsewhere).href);
      expect(await (await imagesOf(path, "far")).at(0)).toEqual(copyArray(sliceArray(frames, [0])));
    });

    it("in a store of the caller's set are read through it", async () => {
      const { path } = await withImages(stack(2));
      const root = storeOf(path);
      await using backends = new BackendSet(createRegistry(), { mine: { use: "zarr", root } });
      const images = await imagesOf(path, "cam", { backends, images: "mine" });
      expect((await images.at(1)).data[0]).toBe(24);
    });

    it("of a type that nobody reads here are not guessed at", async () => {
      const path = await newBeamtime();
      await using file = await BeamtimeFile.make(path);
      await file.run({ uid: "a" });
      const stream = await file.stream("a");
      await file.insert("stream_resources", {
        uid: "r",
        run_uid: "a",
        data_key: "cam",
        mimetype: "application/x-hdf5",
        uri: "file:///x.h5",
        parameters: {},
      });
      await file.insert("stream_data", {
        uid: "d",
        resource_uid: "r",
        stream_uid: stream,
        index_start: 0,
        index_stop: 2,
        seq_start: 1,
        seq_stop: 3,
      });
      const images = await imagesOf(path);
      expect(images.length).toBe(2);
      const error = await rejectionOf(images.at(0));
      expect(error.code).toBe("UNSUPPORTED");
      expect(error.message).toContain("application/x-hdf5");
    });
  });
});

function pythonSlice(count: number, start: number | undefined, stop: number | undefined, step: number): number[] {
  const indexes = Array.from({ length: count }, (_, i) => i);
  const from = (value: number) => (value < 0 ? value + count : value);
  const first = start === undefined ? (step > 0 ? 0 : count - 1) : from(start);
  const end = stop === undefined ? (step > 0 ? count : -1) : stop < -count && step < 0 ? -1 : from(stop);
  if (step > 0) return indexes.filter((i) => i >= first && i < end && (i - Math.max(first, 0)) % step === 0);
  return indexes.reverse().filter((i) => i <= first && i > end && (Math.min(first, count - 1) - i) % -step === 0);
}
