import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { describe, expect, it, onTestFinished } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { arrowOf } from "../../../src/catalog/export/arrow.ts";
import type { ExportFormat, ExportOptions } from "../../../src/catalog/export/export-run.ts";
import type { CatalogRun } from "../../../src/catalog/run.ts";
import type { Document } from "../../../src/core/documents.ts";
import { ndArray } from "../../../src/index.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { consolidate, problemsOf } from "../../support/event-model.ts";
import { isPythonExpected, runPython } from "../../support/python.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { newFolder } from "../beamtime-folder.ts";

const number = { source: "mono", dtype: "number", shape: [], units: "eV" };
const integer = { source: "counter", dtype: "integer", shape: [] };

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, storeOf, imagesOption }) => {
  prepare();

  /** A run with everything: kinds of values, missing ones, frames, two streams, names that documents may not have. */
  async function fullRun(more: { status?: string | null; writer?: string } = {}): Promise<CatalogRun> {
    const path = await newBeamtime();
    const file = await BeamtimeFile.make(path);
    await file.sample(1, "PS", { formula: "C8H8", tags: ["film"] });
    await file.writer("here");
    const metadata = { "proposal.id": 5, tags: ["good"], deep: { "a/b": [{ "c.d": 1 }] } };
    await file.run({ uid: "run-1", plan: "nexafs", sample: 1, operator: "Ada", events: 3, metadata, ...more });
    const primary = await file.stream("run-1", "primary", {
      "mono.energy": number,
      counts: integer,
      cam: { dtype: "uint16", external: true },
    });
    await file.events(primary, [
      { "mono.energy": 280.5, counts: 1, label: "a", open: true, spectrum: [1, 2.5], note: { x: 1 } },
      '{"mono.energy": NaN, "counts": 1152921504606846977, "label": "", "spectrum": []}',
      { "mono.energy": null, counts: -3, label: 'say "hi",\r\nü', open: false, spectrum: null, note: "text" },
    ]);
    // Where nothing lies beside the rows, they say where the images are, as a run writer's do.
    const uri = imagesOption(path) && `file://localhost${storeOf(path)}`;
    await file.images(primary, "cam", "runs/run-1/cam", ndArray(new Uint16Array(3 * 20), [3, 4, 5]), uri);
    const baseline = await file.stream("run-1", "baseline", { ring: number });
    await file.events(baseline, [{ ring: 500 }]);
    await file.close();
    const catalog = await Catalog.open(path);
    onTestFinished(() => catalog.close());
    return catalog.get("run-1");
  }

  async function documentsOf(run: CatalogRun): Promise<Document[]> {
    const documents: Document[] = [];
    for await (const document of run.documents()) documents.push(document);
    return documents;
  }

  async function bytesOf(run: CatalogRun, format: ExportFormat, options?: ExportOptions): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of run.export(format, options)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  type Named<Name extends Document[0]> = Extract<Document, readonly [Name, unknown]>[1];
  const one = <Name extends Document[0]>(documents: readonly Document[], name: Name) =>
    documents.filter((document) => document[0] === name).map(([, doc]) => doc) as Named<Name>[];

  describe("the documents of a run", () => {
    it("are those of the event model, in its order", async () => {
      const documents = await documentsOf(await fullRun());
      expect(documents.map(([name]) => name)).toEqual([
        "start",
        "descriptor",
        "descriptor",
        "event",
        "event",
        "event",
        "event",
        "stream_resource",
        "stream_datum",
        "stop",
      ]);
      for (const [name, doc] of documents) expect(problemsOf(name, doc), name).toEqual([]);
    });

    it("begin with what is known of the run and its sample, under names that documents may have", async () => {
      const [start] = one(await documentsOf(await fullRun()), "start");
      expect(start).toEqual({
        uid: "run-1",
        time: 1_700_000_000,
        plan_name: "nexafs",
        operator: "Ada",
        sample: { name: "PS", formula: "C8H8", tags: ["film"], extra: {} },
        proposal_id: 5,
        tags: ["good"],
        deep: { a_b: [{ c_d: 1 }] },
      });
    });

    it("describe every field, also those of which the stream says nothing, and frames", async () => {
      const descriptors = one(await documentsOf(await fullRun()), "descriptor");
      const primary = descriptors.find(({ name }) => name === "primary");
      expect(primary?.data_keys).toEqual({
        mono_energy: number,
        counts: integer,
        label: { source: "catalogue:primary/label", dtype: "string", shape: [] },
        open: { source: "catalogue:primary/open", dtype: "boolean", shape: [] },
        spectrum: { source: "catalogue:primary/spectrum", dtype: "array", shape: [null] },
        note: { source: "catalogue:primary/note", dtype: "string", shape: [] },
        cam: {
          source: "catalogue:primary/cam",
          dtype: "array",
          dtype_numpy: "<u2",
          shape: [1, 4, 5],
          external: "STREAM:",
          dims: ["time", "y", "x"],
        },
      });
    });

    it("have each event with its time, and a timestamp for each value", async () => {
      const events = one(await documentsOf(await fullRun()), "event");
      const [first] = events.filter(({ descriptor, seq_num: n }) => descriptor === "run-1-primary" && n === 1);
      expect(first?.data).toMatchObject({ mono_energy: 280.5, counts: 1 });
      expect(first?.timestamps.mono_energy).toBe(1_700_000_001);
      for (const { data, timestamps } of events) expect(Object.keys(timestamps)).toEqual(Object.keys(data));
      const times = events.map(({ time }) => time);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });

    it("lead to the frame of each event", async () => {
      const run = await fullRun();
      const documents = await documentsOf(run);
      const [resource] = one(documents, "stream_resource");
      expect(resource).toMatchObject({ data_key: "cam", mimetype: "application/x-zarr", run_start: "run-1" });
      expect(resource?.parameters).toMatchObject({ path: "runs/run-1/cam", chunk_shape: [1, 4, 5] });
      const store = String(resource?.parameters.store_uri);
      expect(store).toMatch(/^file:\/\/localhost\/.*(bt|images)\.zarr$/);
      expect(resource?.uri).toBe(`${store}/runs/run-1/cam`);
      const { shape, rowOfEvent } = consolidate(documents, "cam");
      expect(shape).toEqual([3, 4, 5]);
      expect([...rowOfEvent]).toEqual([
        [1, 0],
        [2, 1],
        [3, 2],
      ]);
    });

    it.each([
      ["success", "success"],
      ["aborted", "abort"],
      ["failed", "fail"],
      ["lost", "fail"],
    ] as const)("of a run that is %s end with %s", async (status, expected) => {
      const [stop] = one(await documentsOf(await fullRun({ status })), "stop");
      expect(stop?.exit_status).toBe(expected);
      expect(stop?.num_events).toEqual({ primary: 3, baseline: 1 });
      expect(stop?.reason === "").toBe(status !== "lost");
    });

    it("of a run that goes on have no end", async () => {
      const documents = await documentsOf(await fullRun({ status: null, writer: "here" }));
      expect(documents.at(-1)?.[0]).toBe("stream_datum");
    });

    it("are lines of JSON that any reader takes", async () => {
      const run = await fullRun();
      const lines = (await bytesOf(run, "documents")).toString().trimEnd().split("\n");
      const parsed = lines.map((line) => JSON.parse(line) as { name: string; doc: object });
      expect(parsed.map(({ name }) => name)).toEqual((await documentsOf(run)).map(([name]) => name));
      expect(lines.some((line) => line.includes('"mono_energy":"NaN"'))).toBe(true);
      expect(lines.some((line) => line.includes('"counts":1152921504606846977'))).toBe(true);
    });
  });

  describe("a run as a table", () => {
    it("is written as CSV, with what is missing told from what is empty", async () => {
      expect((await bytesOf(await fullRun(), "csv")).toString()).toBe(
        [
          "seq_num,time,mono.energy,counts,label,open,spectrum,note",
          '1,1700000001.1,280.5,1,a,true,"[1,2.5]","{""x"":1}"',
          '2,1700000001.2,NaN,1152921504606846977,"",,[],',
          '3,1700000001.3,,-3,"say ""hi"",\r\nü",false,,text',
          "",
        ].join("\r\n"),
      );
    });

    it("is written as JSON lines", async () => {
      const lines = (await bytesOf(await fullRun(), "ndjson", { fields: ["label", "mono.energy"] })).toString();
      expect(lines).toBe(
        '{"seq_num":1,"time":1700000001.1,"label":"a","mono.energy":280.5}\n' +
          '{"seq_num":2,"time":1700000001.2,"label":"","mono.energy":"NaN"}\n' +
          '{"seq_num":3,"time":1700000001.3,"label":"say \\"hi\\",\\r\\nü","mono.energy":null}\n',
      );
    });

    it("is written as one JSON object with all streams", async () => {
      for (const pageRows of [1, 2, 100]) {
        const whole = JSON.parse((await bytesOf(await fullRun(), "json", { pageRows })).toString());
        expect(whole).toMatchObject({ uid: "run-1", planName: "nexafs", status: "success", sample: { name: "PS" } });
        expect(Object.keys(whole.streams)).toEqual(["baseline", "primary"]);
        expect(whole.streams.primary.rows.length).toBe(3);
        expect(whole.streams.primary.dataKeys["mono.energy"]).toEqual(number);
        expect(whole.streams.baseline.rows).toEqual([{ seq_num: 1, time: 1_700_000_001.1, ring: 500 }]);
      }
    });

    it.each([1, 2, 100])("is written as Arrow, a batch for %s rows", async (pageRows) => {
      const table = tableFromIPC(await bytesOf(await fullRun(), "arrow", { pageRows }));
      expect(table.batches.length).toBe(Math.ceil(3 / pageRows));
      expect(table.schema.fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
        "seq_num: Int32",
        "time: Float64",
        "mono.energy: Float64",
        "counts: Int64",
        "label: Utf8",
        "open: Bool",
        "spectrum: List<Float64>",
        "note: Utf8",
      ]);
      const rows = table.toArray().map((row) => ({ ...row.toJSON() }));
      expect(rows.map((row) => row["mono.energy"])).toEqual([280.5, Number.NaN, null]);
      expect(rows.map(({ counts }) => counts)).toEqual([1n, 1_152_921_504_606_846_977n, -3n]);
      expect(rows.map(({ open }) => open)).toEqual([true, null, false]);
      expect(rows.map(({ label }) => label)).toEqual(["a", "", 'say "hi",\r\nü']);
      expect(rows.map(({ spectrum }) => spectrum && [...spectrum])).toEqual([[1, 2.5], [], null]);
      expect(rows.map(({ note }) => note)).toEqual(['{"x":1}', null, '"text"']);
      const field = table.schema.fields.find(({ name }) => name === "mono.energy");
      expect(JSON.parse(field?.metadata.get("data_key") ?? "")).toEqual(number);
      expect(JSON.parse(table.schema.metadata.get("run") ?? "")).toMatchObject({ uid: "run-1" });
    });

    it("is written without rows where there are none", async () => {
      const run = await fullRun();
      const stream = "nobody";
      expect((await bytesOf(run, "csv", { stream })).toString()).toBe("seq_num,time\r\n");
      expect((await bytesOf(run, "ndjson", { stream })).length).toBe(0);
      const table = tableFromIPC(await bytesOf(run, "arrow", { stream }));
      expect([table.numRows, table.schema.names]).toEqual([0, ["seq_num", "time"]]);
    });

    it("goes straight into a file", async () => {
      const path = join(await newFolder(), "run.csv");
      await writeFile(path, (await fullRun()).export("csv", { stream: "baseline" }));
      expect(await readFile(path, "utf8")).toBe("seq_num,time,ring\r\n1,1700000001.1,500\r\n");
    });

    it("is not written in a format that is not known", async () => {
      const error = await rejectionOf(bytesOf(await fullRun(), "parquet" as never));
      expect(error.code).toBe("UNSUPPORTED");
      expect(error.message).toContain("arrow");
    });

    it("says how to install what writes Arrow", async () => {
      const absent = () => Promise.reject(new Error("Cannot find package"));
      const run = await fullRun();
      const error = await rejectionOf(arrowOf(() => run.pages(), {}, absent).next());
      expect(error.code).toBe("MISSING_DEPENDENCY");
      expect(error.message).toContain("npm install apache-arrow");
    });
  });

  describe.skipIf(!isPythonExpected)("Python", () => {
    it("takes the documents for those of event-model, and reads the tables with pyarrow and csv", async () => {
      const run = await fullRun();
      const folder = await newFolder();
      for (const [format, name] of [
        ["documents", "run.jsonl"],
        ["arrow", "run.arrow"],
        ["csv", "run.csv"],
      ] as const) {
        await writeFile(
          join(folder, name),
          run.export(format, { pageRows: 2, fields: ["counts", "label", "open", "spectrum"] }),
        );
      }
      expect(runPython("catalogue_exports.py", folder)).toEqual({
        names: (await documentsOf(run)).map(([name]) => name),
        problems: [],
        batches: 2,
        types: {
          seq_num: "int32",
          time: "double",
          counts: "int64",
          label: "string",
          open: "bool",
          spectrum: "list<item: double>",
        },
        columns: {
          seq_num: [1, 2, 3],
          time: [1_700_000_001.1, 1_700_000_001.2, 1_700_000_001.3],
          counts: [1, 2 ** 60, -3],
          label: ["a", "", 'say "hi",\r\nü'],
          open: [true, null, false],
          spectrum: [[1, 2.5], [], null],
        },
        nulls: { seq_num: 0, time: 0, counts: 0, label: 0, open: 1, spectrum: 1 },
        run: expect.objectContaining({ uid: "run-1", planName: "nexafs" }),
        csv: [
          ["seq_num", "time", "counts", "label", "open", "spectrum"],
          ["1", "1700000001.1", "1", "a", "true", "[1,2.5]"],
          ["2", "1700000001.2", "1152921504606846977", "", "", "[]"],
          ["3", "1700000001.3", "-3", 'say "hi",\r\nü', "false", ""],
        ],
      });
    });
  });
});
