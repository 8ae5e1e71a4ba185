/** Runs, streams, events and images in a beamtime file, looked at through connections of their own. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RunWriter } from "../../src/catalog/run-writer.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { arraysEqual, ndArray } from "../../src/core/nd-array.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { catalogEngines } from "../support/catalog-engines.ts";
import { newFolder } from "./beamtime-folder.ts";

const ps = { name: "PS" };
const ones = (height = 4, width = 4) => ndArray(new Int32Array(height * width).fill(1), [height, width]);
describe.each(catalogEngines)(
  "in $name",
  ({ name: engine, prepare, newBeamtime, rowsOf, arrayOf, writer: writerOf }) => {
    prepare();
    const count = async (path: string, table: string) =>
      (await rowsOf<{ n: number }>(path, `SELECT count(*) AS n FROM ${table}`))[0]?.n;

    describe("case 54: RunWriter does what resonance's tests ask", () => {
      it("context manager: a run, a stream and an event are there when it ends", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("nexafs");
          await writer.openStream("primary", { Energy: {} });
          await writer.writeEvent({ Energy: 285.0 }, { Energy: 1234567890.0 });
        });
        expect(await rowsOf(path, "SELECT plan_name, exit_status, num_events FROM runs")).toEqual([
          { plan_name: "nexafs", exit_status: "success", num_events: 1 },
        ]);
        expect(await count(path, "streams")).toBe(1);
        expect(await rowsOf(path, "SELECT seq_num, data, timestamps FROM events")).toEqual([
          { seq_num: 1, data: '{"Energy":285}', timestamps: '{"Energy":1234567890}' },
        ]);
      });

      it("multiple events are numbered from 1", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("nexafs");
          await writer.openStream("primary", {});
          for (let i = 0; i < 5; i++) await writer.writeEvent({});
        });
        const rows = await rowsOf<{ seq_num: number }>(path, "SELECT seq_num FROM events ORDER BY seq_num");
        expect(rows.map(({ seq_num }) => seq_num)).toEqual([1, 2, 3, 4, 5]);
      });

      it("sample upsert: the second writer finds the sample of the first", async () => {
        const path = await newBeamtime();
        for (let i = 0; i < 2; i++) await writerOf(path, ps).use((writer) => writer.openRun("nexafs"));
        expect(await count(path, "samples")).toBe(1);
        expect(await rowsOf(path, "SELECT DISTINCT sample_id FROM runs")).toEqual([{ sample_id: 1 }]);
      });

      it("exit status aborted", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps);
        await writer.open();
        await writer.openRun("nexafs");
        await writer.closeRun({ exitStatus: "aborted" });
        await writer.close();
        expect(await rowsOf(path, "SELECT exit_status FROM runs")).toEqual([{ exit_status: "aborted" }]);
      });

      it("an exception sets the status failed, and is thrown again as it is", async () => {
        const path = await newBeamtime();
        const reason = new TypeError("abort");
        const using = writerOf(path, ps).use(async (writer) => {
          await writer.openRun("nexafs");
          await writer.openStream("primary", {});
          throw reason;
        });
        await expect(using).rejects.toBe(reason);
        expect(await rowsOf(path, "SELECT exit_status FROM runs")).toEqual([{ exit_status: "failed" }]);
      });

      it("writeEvent throws without an open run", async () => {
        const writer = writerOf(await newBeamtime(), ps);
        await writer.open();
        await expect(writer.writeEvent({})).rejects.toMatchObject({ code: "NOT_OPEN", message: "No open run" });
        await writer.close();
      });

      it("closeRun forgets the run", async () => {
        const writer = writerOf(await newBeamtime(), ps);
        await writer.open();
        await writer.openRun("nexafs");
        await writer.openStream("primary", {});
        await writer.closeRun();
        expect(writer.runUid).toBeUndefined();
        await expect(writer.writeEvent({})).rejects.toMatchObject({ code: "NOT_OPEN", message: "No open run" });
        await writer.close();
      });

      it("writeImage makes a Zarr array and a reference", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const event = await writer.writeEvent({ Energy: 285.0 });
          await writer.writeImage(event, "detector_image", ones());
        });
        const [row] = await rowsOf<Record<string, unknown>>(path, "SELECT * FROM image_refs");
        expect(row).toMatchObject({ shape_x: 4, shape_y: 4, dtype: "int32", compression_codec: "blosc" });
        expect(row?.uri).toEqual(engine === "sqlite" ? null : expect.stringMatching(/^file:/));
        const array = await arrayOf(path, row?.zarr_group as string);
        expect(array.shape).toEqual([1, 4, 4]);
      });

      it("writeImage throws without an open stream", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps);
        await writer.open();
        await writer.openRun("scan");
        const writing = writer.writeImage("x", "field", ones());
        await expect(writing).rejects.toMatchObject({ code: "NOT_OPEN", message: "No open stream" });
        await writer.closeRun();
        await writer.close();
      });

      it("writeImage: several frames are one array, one frame a chunk", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          for (let i = 0; i < 3; i++) {
            await writer.writeImage(await writer.writeEvent({ i }), "detector_image", ones());
          }
        });
        const rows = await rowsOf<{ index_in_stack: number; zarr_group: string }>(
          path,
          "SELECT index_in_stack, zarr_group FROM image_refs ORDER BY index_in_stack",
        );
        expect(rows.map((row) => row.index_in_stack)).toEqual([0, 1, 2]);
        const array = await arrayOf(path, rows[0]?.zarr_group as string);
        expect(array.shape).toEqual([3, 4, 4]);
        expect(array.chunkShape).toEqual([1, 4, 4]);
      });
    });

    describe("calls in the wrong order", () => {
      it("say what the seed says", async () => {
        const writer = writerOf(await newBeamtime(), ps);
        const notOpen = { code: "NOT_OPEN", message: "RunWriter is not open" };
        await expect(writer.openRun("scan")).rejects.toMatchObject(notOpen);
        await expect(writer.openStream("primary", {})).rejects.toMatchObject(notOpen);
        await expect(writer.writeEvent({})).rejects.toMatchObject(notOpen);
        await expect(writer.writeImage("e", "f", ones())).rejects.toMatchObject(notOpen);
        await expect(writer.closeRun()).rejects.toMatchObject(notOpen);
        await expect(writer.close()).rejects.toMatchObject(notOpen);
        await writer.open();
        await expect(writer.open()).rejects.toMatchObject({
          code: "ALREADY_OPEN",
          message: "RunWriter is already open",
        });
        const noRun = { code: "NOT_OPEN", message: "No open run" };
        await expect(writer.openStream("primary", {})).rejects.toMatchObject(noRun);
        await expect(writer.writeImage("e", "f", ones())).rejects.toMatchObject(noRun);
        await expect(writer.closeRun()).rejects.toMatchObject(noRun);
        await writer.openRun("scan");
        await expect(writer.writeEvent({})).rejects.toMatchObject({ code: "NOT_OPEN", message: "No open stream" });
        await expect(writer.openRun("scan")).rejects.toMatchObject({ code: "ALREADY_OPEN" });
        await writer.close();
        await expect(writer.writeEvent({})).rejects.toMatchObject(notOpen);
      });

      it("of two openings at the same time one is refused", async () => {
        const writer = writerOf(await newBeamtime(), ps);
        const results = await Promise.allSettled([writer.open(), writer.open()]);
        expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
        await writer.close();
      });

      it("a run that is being closed takes nothing more, and is closed once", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps);
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        const before = writer.writeEvent({});
        const closing = writer.closeRun();
        const noRun = { code: "NOT_OPEN", message: "No open run" };
        await expect(writer.writeEvent({})).rejects.toMatchObject(noRun);
        await expect(writer.closeRun({ exitStatus: "failed" })).rejects.toMatchObject(noRun);
        await Promise.all([before, closing]);
        await writer.close();
        expect(await rowsOf(path, "SELECT exit_status, num_events FROM runs")).toEqual([
          { exit_status: "success", num_events: 1 },
        ]);
      });

      it("a run that close finds open is aborted, also with await using", async () => {
        const path = await newBeamtime();
        {
          await using writer = writerOf(path, ps);
          await writer.open();
          await writer.openRun("scan");
        }
        expect(await rowsOf(path, "SELECT exit_status FROM runs")).toEqual([{ exit_status: "aborted" }]);
        expect(await count(path, "writers")).toBe(0);
      });
    });

    describe("streams", () => {
      it("case 60: several are open at once, each with its own numbers", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          const baseline = await writer.openStream("baseline", {});
          await writer.openStream("primary", {});
          await writer.writeEvent({ a: 1 });
          await writer.writeEvent({ b: 1 }, {}, { stream: baseline });
          await writer.writeEvent({ a: 2 });
          await writer.openStream("later", {});
          await writer.writeEvent({ c: 1 });
        });
        expect(
          await rowsOf(
            path,
            "SELECT s.name, e.seq_num, e.data FROM events e JOIN streams s ON e.stream_uid = s.uid ORDER BY s.name, seq_num",
          ),
        ).toEqual([
          { name: "baseline", seq_num: 1, data: '{"b":1}' },
          { name: "later", seq_num: 1, data: '{"c":1}' },
          { name: "primary", seq_num: 1, data: '{"a":1}' },
          { name: "primary", seq_num: 2, data: '{"a":2}' },
        ]);
        expect(await rowsOf(path, "SELECT num_events FROM runs")).toEqual([{ num_events: 2 }]);
      });

      it("of a run without primary all events count", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          for (const name of ["a", "b"]) {
            await writer.openStream(name, {});
            await writer.writeEvent({});
          }
        });
        expect(await rowsOf(path, "SELECT num_events FROM runs")).toEqual([{ num_events: 2 }]);
      });

      it("a second stream of a name is refused, and the first goes on", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          await expect(writer.openStream("primary", {})).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
          await writer.writeEvent({});
        });
        expect(await count(path, "events")).toBe(1);
      });

      it("of another run are refused", async () => {
        await writerOf(await newBeamtime(), ps).use(async (writer) => {
          await writer.openRun("scan");
          const old = await writer.openStream("primary", {});
          await writer.closeRun();
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          await expect(writer.writeEvent({}, {}, { stream: old })).rejects.toMatchObject({ code: "NOT_FOUND" });
        });
      });
    });

    describe("samples", () => {
      it("what is said of one that is known replaces, what is not said stays", async () => {
        const path = await newBeamtime();
        const open = (sample: ConstructorParameters<typeof RunWriter>[1]) => writerOf(path, sample).use(async () => {});
        await open({ name: "PS", formula: "C8H8", tags: ["film"], extra: { thickness: 40 } });
        await open({ name: "PS", serial: "77" });
        expect(await rowsOf(path, "SELECT name, formula, serial, tags, extra FROM samples")).toEqual([
          { name: "PS", formula: "C8H8", serial: "77", tags: '["film"]', extra: '{"thickness":40}' },
        ]);
      });

      it("a number that is given is used, and one that is nobody's is refused", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async () => {});
        await writerOf(path, { id: 1, name: "another name" }).use((writer) => writer.openRun("scan"));
        expect(await rowsOf(path, "SELECT sample_id FROM runs")).toEqual([{ sample_id: 1 }]);
        expect(await rowsOf(path, "SELECT name FROM samples")).toEqual([{ name: "PS" }]);
        const nobody = writerOf(path, { id: 9, name: "PS" });
        await expect(nobody.open()).rejects.toMatchObject({ code: "NOT_FOUND" });
        expect(nobody.isOpen).toBe(false);
      });

      it("twenty writers of one name at the same time make one sample", async () => {
        const path = await newBeamtime();
        await Promise.all(Array.from({ length: 20 }, () => writerOf(path, ps).use((w) => w.openRun("scan"))));
        expect(await count(path, "samples")).toBe(1);
        expect(await count(path, "runs")).toBe(20);
      });
    });

    describe("what is in a row", () => {
      it("values keep what JSON alone would lose", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan", { metadata: { limit: Number.POSITIVE_INFINITY } });
          await writer.openStream("primary", {});
          await writer.writeEvent({
            a: Number.NaN,
            trace: Float64Array.of(1, 2.5),
            big: 2n ** 60n + 1n,
            at: new Date(0),
          });
          await expect(writer.writeEvent({ f: () => 1 })).rejects.toMatchObject({ code: "INVALID_DATA" });
        });
        expect(await rowsOf(path, "SELECT data FROM events")).toEqual([
          { data: '{"a":NaN,"trace":[1,2.5],"big":1152921504606846977,"at":"1970-01-01T00:00:00.000Z"}' },
        ]);
        expect(await rowsOf(path, "SELECT metadata FROM runs")).toEqual([{ metadata: '{"limit":Infinity}' }]);
      });

      it("operator, tags, times and uids are those that were given", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps, { operator: "Ada", time: () => 7 }).use(async (writer) => {
          await writer.openRun("scan", { uid: "r1", time: 5, metadata: { tags: ["a", "b", "a"] } });
          await writer.openStream("primary", {}, { uid: "s1", extra: { hints: {} } });
          await writer.writeEvent({}, {}, { uid: "e1", time: 6, seqNum: 4 });
          await writer.writeEvent({});
          await writer.closeRun({ extra: { reason: "done" } });
          await expect(writer.openRun("scan", { uid: "r1" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
          await writer.openRun("scan", { uid: "r2", operator: "Grace" });
        });
        expect(await rowsOf(path, "SELECT uid, operator, time_start, time_stop, extra FROM runs ORDER BY uid")).toEqual(
          [
            { uid: "r1", operator: "Ada", time_start: 5, time_stop: 7, extra: '{"reason":"done"}' },
            { uid: "r2", operator: "Grace", time_start: 7, time_stop: 7, extra: null },
          ],
        );
        expect(await rowsOf(path, "SELECT tag FROM run_tags ORDER BY tag")).toEqual([{ tag: "a" }, { tag: "b" }]);
        expect(await rowsOf(path, "SELECT seq_num, time FROM events")).toEqual([
          { seq_num: 4, time: 6 },
          { seq_num: 5, time: 7 },
        ]);
      });

      it("the caller's object may change at once", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const data = { x: 1 };
          const writing = writer.writeEvent(data);
          data.x = 2;
          await writing;
        });
        expect(await rowsOf(path, "SELECT data FROM events")).toEqual([{ data: '{"x":1}' }]);
      });
    });

    describe("groups", () => {
      it("are committed when the time is over", async () => {
        const path = await newBeamtime();
        const clock = new FakeClock();
        const writer = writerOf(path, ps, { clock, commitMs: 20 });
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        await writer.writeEvent({});
        await clock.advance(19);
        expect(await count(path, "events")).toBe(0);
        expect(writer.pendingRows).toBe(1);
        await clock.advance(1);
        // The group is on its way now; how long a server takes for it is not the clock's to say.
        await expect.poll(() => writer.pendingRows, { timeout: 30_000 }).toBe(0);
        expect(await count(path, "events")).toBe(1);
        await writer.close();
      });

      it("are committed when they are full, and callers wait for that", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps, { clock: new FakeClock(), commitRows: 10 });
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        for (let i = 0; i < 9; i++) await writer.writeEvent({ i });
        expect(await count(path, "events")).toBe(0);
        await writer.writeEvent({ i: 9 });
        expect(await count(path, "events")).toBe(10);
        await writer.close();
      });

      it("hold events of calls that nobody awaits, in their order", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps, { commitRows: 16 }).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          await Promise.all(Array.from({ length: 500 }, (_, i) => writer.writeEvent({ i })));
        });
        const rows = await rowsOf<{ data: string }>(path, "SELECT data FROM events ORDER BY seq_num");
        expect(rows.map(({ data }) => JSON.parse(data).i)).toEqual(Array.from({ length: 500 }, (_, i) => i));
      });

      it("flush commits what was accepted", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps, { clock: new FakeClock() });
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        await writer.writeEvent({});
        await writer.flush();
        expect(await count(path, "events")).toBe(1);
        await writer.close();
      });
    });

    describe("images", () => {
      it("case 58: of another shape or type are refused, and those before are unchanged", async () => {
        const path = await newBeamtime();
        const first = ndArray(
          Uint16Array.from({ length: 12 }, (_, i) => i * 5000),
          [3, 4],
        );
        const run = await writerOf(path, ps).use(async (writer) => {
          const uid = await writer.openRun("scan");
          await writer.openStream("primary", {});
          const event = await writer.writeEvent({});
          await writer.writeImage(event, "cam", first);
          const larger = ndArray(new Uint16Array(20), [4, 5]);
          await expect(writer.writeImage(event, "cam", larger)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
          const other = ndArray(new Int16Array(12), [3, 4]);
          await expect(writer.writeImage(event, "cam", other)).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
          const cube = ndArray(new Uint16Array(24), [2, 3, 4]);
          await expect(writer.writeImage(event, "cam", cube)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
          expect(await writer.writeImage(event, "cam", first)).toBe(1);
          expect(await writer.writeImage(event, "other", larger)).toBe(0);
          return uid;
        });
        const array = await arrayOf(path, `runs/${run}/cam`);
        expect(array.shape).toEqual([2, 3, 4]);
        for (const index of [0, 1]) expect(arraysEqual(await array.frame(index), first)).toBe(true);
        expect(
          await rowsOf(path, "SELECT field_name, index_in_stack, shape_x, shape_y FROM image_refs ORDER BY id"),
        ).toEqual([
          { field_name: "cam", index_in_stack: 0, shape_x: 3, shape_y: 4 },
          { field_name: "cam", index_in_stack: 1, shape_x: 3, shape_y: 4 },
          { field_name: "other", index_in_stack: 0, shape_x: 4, shape_y: 5 },
        ]);
      });

      it("of an event that is none of the run are refused before anything is stored", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const old = await writer.writeEvent({});
          await writer.closeRun();
          const run = await writer.openRun("scan");
          await writer.openStream("primary", {});
          for (const event of [old, "nobody's"]) {
            await expect(writer.writeImage(event, "cam", ones())).rejects.toMatchObject({ code: "NOT_FOUND" });
          }
          await expect(arrayOf(path, `runs/${run}/cam`)).rejects.toSatisfy((e) => isStorageError(e, "NOT_FOUND"));
        });
        expect(await count(path, "image_refs")).toBe(0);
      });

      it("of an event long ago find it in the file", async () => {
        const path = await newBeamtime();
        await writerOf(path, ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const first = await writer.writeEvent({});
          for (let i = 0; i < 1100; i++) await writer.writeEvent({});
          await writer.writeImage(first, "cam", ones());
        });
        expect(await rowsOf(path, "SELECT e.seq_num FROM image_refs i JOIN events e ON i.event_uid = e.uid")).toEqual([
          { seq_num: 1 },
        ]);
      });

      it("are no part of their array before the group of their rows is committed", async () => {
        const path = await newBeamtime();
        const clock = new FakeClock();
        const writer = writerOf(path, ps, { clock });
        await writer.open();
        const run = await writer.openRun("scan");
        await writer.openStream("primary", {});
        await writer.writeImage(await writer.writeEvent({}), "cam", ones());
        expect((await arrayOf(path, `runs/${run}/cam`)).shape).toEqual([0, 4, 4]);
        expect(await count(path, "events")).toBe(0);
        await writer.flush();
        expect((await arrayOf(path, `runs/${run}/cam`)).shape).toEqual([1, 4, 4]);
        expect(await count(path, "image_refs")).toBe(1);
        await writer.close();
      });

      it("come in the group of their event, if they are stored in time", async () => {
        const path = await newBeamtime();
        const writer = writerOf(path, ps, { commitMs: 5000 });
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        const event = await writer.writeEvent({});
        const storing = writer.writeImage(event, "cam", ones());
        await writer.flush();
        expect(await count(path, "image_refs")).toBe(1);
        await storing;
        await writer.close();
      });

      it.each(["", ".", "..", "a/b"])("a field called %j is refused", async (field) => {
        await writerOf(await newBeamtime(), ps).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const event = await writer.writeEvent({});
          await expect(writer.writeImage(event, field, ones())).rejects.toMatchObject({ code: "INVALID_KEY" });
        });
      });

      it("the codec is the one that packs them", async () => {
        const path = await newBeamtime();
        const root = join(await newFolder(), "bt-plain.zarr");
        for (const compressor of ["none", "zstd"]) {
          await writerOf(path, ps, { images: { use: "zarr", root, compressor } }).use(async (writer) => {
            await writer.openRun("scan");
            await writer.openStream("primary", {});
            await writer.writeImage(await writer.writeEvent({}), "cam", ones());
          });
        }
        const rows = await rowsOf<{ compression_codec: string; uri: string }>(
          path,
          "SELECT * FROM image_refs ORDER BY id",
        );
        expect(rows.map((row) => row.compression_codec)).toEqual(["none", "zstd"]);
        expect(rows[0]?.uri).toMatch(/^file:.*bt-plain\.zarr/);
      });

      it("go to no backend that does not take frames one at a time", async () => {
        await writerOf(await newBeamtime(), ps, { images: { use: "memory" } }).use(async (writer) => {
          await writer.openRun("scan");
          await writer.openStream("primary", {});
          const event = await writer.writeEvent({});
          await expect(writer.writeImage(event, "cam", ones())).rejects.toMatchObject({ code: "UNSUPPORTED" });
        });
      });
    });
  },
);
