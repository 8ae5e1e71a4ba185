/** Calls of a RunWriter that meet: what is under way when a run or a writer ends, and what must not be taken at all. */
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Catalog } from "../../src/catalog/catalog.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import type { RunWriterOptions } from "../../src/catalog/run-writer-types.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { catalogEngines } from "../support/catalog-engines.ts";
import * as files from "./beamtime-folder.ts";

const ps = { name: "PS" };
const image = (value: number) => ndArray(new Uint16Array(12).fill(value), [3, 4]);

/** Opens a writer, a run and a stream. */
async function begin(writer: RunWriter) {
  await writer.open();
  const run = await writer.openRun("scan");
  const stream = await writer.openStream("primary", {});
  return { writer, run, stream };
}

describe.each(catalogEngines)("in $name", (engine) => {
  const { prepare, newBeamtime, rowsOf, storeOf, imagesOption } = engine;
  prepare();
  const openWriter = (path: string, options: RunWriterOptions = {}) => begin(engine.writer(path, ps, options));

  describe("a run that ends", () => {
    it("has no image of an old event that nobody awaited, or all of it", async () => {
      const path = await newBeamtime();
      const { writer, run } = await openWriter(path);
      const first = await writer.writeEvent({});
      await writer.writeImage(first, "cam", image(1));
      for (let i = 0; i < 1100; i++) await writer.writeEvent({});
      await writer.flush();
      const late = writer.writeImage(first, "cam", image(2)).then(
        () => undefined,
        (error: unknown) => error,
      );
      await writer.closeRun();
      const refused = await late;
      await writer.close();
      const catalog = await Catalog.open(path, { images: imagesOption(path) });
      const images = await (await catalog.get(run)).images("cam");
      for (let i = 0; i < images.length; i++) expect((await images.at(i)).data[0]).toBe(i + 1);
      expect(images.length).toBe(refused === undefined ? 2 : 1);
      if (refused !== undefined) expect(refused).toMatchObject({ code: "NOT_OPEN" });
      await catalog.close();
    });

    it("ends as it was told to, also if the writer is closed meanwhile", async () => {
      const path = await newBeamtime();
      const { writer } = await openWriter(path);
      for (let i = 0; i < 10; i++) await writer.writeEvent({ i });
      const closingRun = writer.closeRun({ exitStatus: "success" });
      await Promise.all([closingRun, writer.close()]);
      expect(await rowsOf(path, "SELECT exit_status, num_events FROM runs")).toEqual([
        { exit_status: "success", num_events: 10 },
      ]);
      expect(await rowsOf(path, "SELECT * FROM writers")).toEqual([]);
    });
  });

  describe("a writer that is closed", () => {
    it("twice at the same time loses nothing", async () => {
      const path = await newBeamtime();
      const { writer } = await openWriter(path);
      for (let i = 0; i < 10; i++) await writer.writeEvent({ i });
      const [first] = await Promise.allSettled([writer.close(), writer.close()]);
      expect(first).toMatchObject({ status: "fulfilled" });
      expect(writer.isOpen).toBe(false);
      expect(await rowsOf(path, "SELECT exit_status, num_events FROM runs")).toEqual([
        { exit_status: "aborted", num_events: 10 },
      ]);
    });

    it("while it gives a sign of life gives no other", async () => {
      const clock = new FakeClock();
      const errors: unknown[] = [];
      const { writer } = await openWriter(await newBeamtime(), {
        clock,
        time: () => 1000 + clock.now() / 1000,
        onError: (error) => errors.push(error),
      });
      await writer.closeRun();
      const passing = clock.advance(20_000);
      const closing = writer.close();
      await Promise.all([passing, closing]);
      await clock.advance(100_000);
      expect(clock.pending).toBe(0);
      expect(errors).toEqual([]);
    });

    it("with events that cannot be committed is no longer believed to write its run", async () => {
      const path = await newBeamtime();
      const { writer, run } = await openWriter(path, { commitMs: 60_000 });
      await writer.writeImage(await writer.writeEvent({}), "cam", image(1));
      // Without its array, the image cannot become a part of it, and so the group cannot be committed.
      await rm(storeOf(path), { recursive: true });
      await expect(writer.close()).rejects.toThrow();
      expect(writer.isOpen).toBe(false);
      await new RunWriter(path, ps).use(async (next) => expect(next.lostRuns).toEqual([run]));
    });
  });

  describe("a writer that opens", () => {
    it("and whose listeners throw is closed, with all of them told", async () => {
      const path = await newBeamtime();
      const { writer } = await openWriter(path, { commitMs: 60_000 });
      await writer.writeImage(await writer.writeEvent({}), "cam", image(1));
      await rm(storeOf(path), { recursive: true });
      await expect(writer.close()).rejects.toThrow();
      const heard: string[] = [];
      const next = new RunWriter(path, ps);
      for (const name of ["first", "second"]) {
        next.onRunEnd(async () => {
          heard.push(name);
          throw new Error(`no index for the ${name}`);
        });
      }
      await expect(next.use(async () => {})).rejects.toThrow("2 failures");
      expect(heard).toEqual(["first", "second"]);
      expect(next.isOpen).toBe(false);
      expect(await rowsOf(path, "SELECT * FROM writers")).toEqual([]);
    });
  });

  describe("events with numbers of their own", () => {
    it("are followed from the first on, also from 0 or below", async () => {
      const path = await newBeamtime();
      const { writer, run } = await openWriter(path);
      const numbers = [-1, 0, 1, 5];
      for (const seqNum of numbers) await writer.writeEvent({}, {}, { seqNum });
      await writer.closeRun();
      await writer.close();
      const catalog = await Catalog.open(path, { images: imagesOption(path) });
      const seen: number[] = [];
      for await (const { seqNum } of (await catalog.get(run)).follow()) seen.push(seqNum);
      expect(seen).toEqual(numbers);
      await catalog.close();
    });
  });

  describe("options of other names", () => {
    it("are refused: metadata a level too high, or a status alone, would be lost without a word", async () => {
      const path = await newBeamtime();
      const { writer } = await openWriter(path);
      for (const options of [
        "failed",
        { status: "failed" },
        { exitStatus: "failed", metadata: {} },
        ["failed"],
        null,
      ]) {
        await expect(writer.closeRun(options as never)).rejects.toMatchObject({
          code: "INVALID_DATA",
          message: expect.stringContaining("exitStatus"),
        });
      }
      await writer.closeRun({ exitStatus: "failed" });
      for (const options of [{ edge: "C K" }, "night", []]) {
        await expect(writer.openRun("scan", options as never)).rejects.toMatchObject({
          code: "INVALID_DATA",
          message: expect.stringContaining("metadata"),
        });
      }
      await writer.close();
      expect(await rowsOf(path, "SELECT exit_status FROM runs")).toEqual([{ exit_status: "failed" }]);
    });
  });

  describe("what no column can hold", () => {
    it("is refused at once, and keeps nothing else from being committed", async () => {
      const path = await newBeamtime();
      const { writer, stream } = await openWriter(path, { commitMs: 60_000 });
      const datum = { uid: "d", stream_resource: "r", descriptor: stream, seq_nums: { start: 1, stop: 2 } };
      const wrong: (() => Promise<unknown>)[] = [
        () => writer.writeEvent({}, {}, { time: Number.NaN }),
        () => writer.writeEvent({}, {}, { time: "now" as unknown as number }),
        () => writer.writeEvent({}, {}, { seqNum: Number.NaN }),
        () => writer.writeEvent({}, {}, { seqNum: 1.5 }),
        () => writer.writeEvent({}, {}, { uid: {} as string }),
        () => writer.writeStreamDatum({ ...datum, indices: { start: 0 } as { start: number; stop: number } }),
        () => writer.writeStreamResource({ uid: "r", data_key: "k", uri: "file:///x", parameters: {} } as never),
        () => writer.writeEvent({ forgotten: Promise.resolve(1) }),
        () => writer.writeEvent({ map: new Map([[1, 2]]) }),
        () => writer.writeEvent({ bytes: new ArrayBuffer(8) }),
        () => writer.closeRun({ time: Number.NaN }),
      ];
      for (const call of wrong) await expect(call(), String(call)).rejects.toMatchObject({ code: "INVALID_DATA" });
      await writer.writeEvent({ fine: 1 });
      await writer.closeRun();
      for (const options of [{ time: Number.NaN }, { uid: 5 as unknown as string }]) {
        await expect(writer.openRun("scan", options)).rejects.toMatchObject({ code: "INVALID_DATA" });
      }
      await expect(writer.openRun(undefined as unknown as string)).rejects.toMatchObject({ code: "INVALID_DATA" });
      const nameless = engine.writer(path, undefined as unknown as typeof ps).open();
      await expect(nameless).rejects.toMatchObject({ code: "INVALID_DATA" });
      expect(writer.refusedRows).toBe(0);
      await writer.close();
      expect(await rowsOf(path, "SELECT seq_num, data FROM events")).toEqual([{ seq_num: 1, data: '{"fine":1}' }]);
    });
  });
});

describe("a beamtime file", () => {
  it("that is opened by a link finds the images where those find them who come without it", async () => {
    const path = await files.newBeamtime();
    const link = join(await files.newFolder(), "today.db");
    await new RunWriter(path, ps).use(async () => {});
    await symlink(path, link);
    const { writer, run } = await begin(new RunWriter(link, ps));
    await writer.writeImage(await writer.writeEvent({}), "cam", image(7));
    await writer.closeRun();
    await writer.close();
    for (const one of [path, link]) {
      const catalog = await Catalog.open(one);
      expect((await (await (await catalog.get(run)).images("cam")).at(0)).data[0]).toBe(7);
      await catalog.close();
    }
  });

  it.each(["a b#1?x=%20&é.db", "ψ [1] {2} ;'.db"])("with the name %s is written and read", async (name) => {
    const folder = join(await files.newFolder(), "of 100% #1?");
    await mkdir(folder);
    const path = join(folder, name);
    const { writer, run } = await begin(new RunWriter(path, ps));
    const fields = ["cam #1?", "é%20", "c", "a.b"];
    for (const field of fields) await writer.writeImage(await writer.writeEvent({}), field, image(7));
    await writer.closeRun();
    await writer.close();
    const catalog = await Catalog.open(path);
    const found = await catalog.get(run);
    for (const field of fields) expect((await (await found.images(field)).at(-1)).data[0]).toBe(7);
    await catalog.close();
  });
});
