/** Documents of the event model as rows, and the same documents out of the file again. */
import { describe, expect, it } from "vitest";
import { RunDocuments } from "../../src/acquire/run-documents.ts";
import { DocumentRecorder } from "../../src/catalog/document-recorder.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import type { DataKey, Document } from "../../src/core/documents.ts";
import { catalogEngines } from "../support/catalog-engines.ts";

const diode: DataKey = { source: "sim://diode", dtype: "number", shape: [], object_name: "diode" };
const camera: DataKey = {
  source: "sim://camera",
  dtype: "array",
  shape: [1, 4, 5],
  dtype_numpy: "<u2",
  external: "STREAM:",
  object_name: "camera",
};

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime, rowsOf }) => {
  prepare();

  /** Records a run with readings and frames by reference; answers its documents. */
  async function recordRun(path: string, stop: "success" | "abort" | "fail" = "success"): Promise<Document[]> {
    const documents: Document[] = [];
    await using writer = new RunWriter(path, { name: "PS" });
    await writer.open();
    const recorder = new DocumentRecorder(writer);
    const run = new RunDocuments(async (document) => {
      documents.push(document);
      await recorder.record(document);
    });
    await run.start({ plan_name: "count", scan_id: 7, operator: "Ada", tags: ["night"] });
    await run.describe({ dataKeys: { diode, camera }, hints: { diode: { fields: ["diode"] } } });
    await run.assets("primary", [
      [
        "stream_resource",
        {
          uid: "resource",
          run_start: run.uid as string,
          data_key: "camera",
          mimetype: "application/x-zarr",
          uri: "file://localhost/data/run.zarr/camera",
          parameters: { chunk_shape: [1, 4, 5], path: "camera" },
        },
      ],
      [
        "stream_datum",
        {
          uid: "datum",
          descriptor: "",
          stream_resource: "resource",
          indices: { start: 0, stop: 2 },
          seq_nums: { start: 1, stop: 3 },
        },
      ],
    ]);
    for (const value of [0.25, 0.5]) await run.event("primary", { diode: { value, timestamp: 1000 + value } });
    await run.stop(stop, "as planned");
    return documents;
  }

  describe("a recorder of documents", () => {
    it("keeps uids, times, numbers, and where the frames are", async () => {
      const path = await newBeamtime();
      const documents = await recordRun(path);
      const [start, descriptor] = documents as [
        ["start", { uid: string; time: number }],
        ["descriptor", { uid: string }],
      ];
      expect(
        await rowsOf(path, "SELECT uid, plan_name, time_start, exit_status, num_events, operator FROM runs"),
      ).toEqual([
        {
          uid: start[1].uid,
          plan_name: "count",
          time_start: start[1].time,
          exit_status: "success",
          num_events: 2,
          operator: "Ada",
        },
      ]);
      expect(await rowsOf(path, "SELECT tag FROM run_tags")).toEqual([{ tag: "night" }]);
      expect(await rowsOf(path, "SELECT uid, name FROM streams")).toEqual([
        { uid: descriptor[1].uid, name: "primary" },
      ]);
      expect(await rowsOf(path, "SELECT seq_num, data FROM events ORDER BY seq_num")).toEqual([
        { seq_num: 1, data: '{"diode":0.25}' },
        { seq_num: 2, data: '{"diode":0.5}' },
      ]);
      expect(await rowsOf(path, "SELECT uri, data_key, mimetype FROM stream_resources")).toEqual([
        { uri: "file://localhost/data/run.zarr/camera", data_key: "camera", mimetype: "application/x-zarr" },
      ]);
      expect(
        await rowsOf(path, "SELECT stream_uid, index_start, index_stop, seq_start, seq_stop FROM stream_data"),
      ).toEqual([{ stream_uid: descriptor[1].uid, index_start: 0, index_stop: 2, seq_start: 1, seq_stop: 3 }]);
    });

    it.each([
      ["success", "success"],
      ["abort", "aborted"],
      ["fail", "failed"],
    ] as const)("a stop document that says %s is %s", async (said, written) => {
      const path = await newBeamtime();
      await recordRun(path, said);
      expect(await rowsOf(path, "SELECT exit_status FROM runs")).toEqual([{ exit_status: written }]);
    });

    it("refuses documents of another run, and those that come too early", async () => {
      await using writer = new RunWriter(await newBeamtime(), { name: "PS" });
      await writer.open();
      const recorder = new DocumentRecorder(writer);
      const event = { uid: "e", time: 1, descriptor: "d", seq_num: 1, data: {}, timestamps: {} };
      await expect(recorder.record(["event", event])).rejects.toMatchObject({ code: "NOT_OPEN" });
      await recorder.record(["start", { uid: "r", time: 1 }]);
      await expect(recorder.record(["start", { uid: "r2", time: 1 }])).rejects.toMatchObject({ code: "ALREADY_OPEN" });
      const stop = { uid: "s", time: 2, run_start: "other", exit_status: "success" } as const;
      await expect(recorder.record(["stop", stop])).rejects.toMatchObject({ code: "CONFLICT" });
      const descriptor = { uid: "d", time: 1, name: "primary", data_keys: {}, configuration: {}, object_keys: {} };
      const refused = recorder.record(["descriptor", { ...descriptor, run_start: "other" }]);
      await expect(refused).rejects.toMatchObject({ code: "CONFLICT" });
      await recorder.record(["descriptor", { ...descriptor, run_start: "r" }]);
      await expect(recorder.record(["event", { ...event, descriptor: "x" }])).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
    });

    it("what the file has a rule against is left out, reported and counted, and the rest is written", async () => {
      const path = await newBeamtime();
      const reported: string[] = [];
      const writer = new RunWriter(path, { name: "PS" }, { onError: ({ code }) => reported.push(code) });
      await writer.open();
      await writer.openRun("count");
      const stream = await writer.openStream("primary", {});
      await writer.writeEvent({ i: 1 }, {}, { uid: "same" });
      await writer.writeEvent({ i: 2 }, {}, { uid: "same" });
      await writer.writeStreamDatum({
        uid: "datum",
        descriptor: stream,
        stream_resource: "never came",
        indices: { start: 0, stop: 1 },
        seq_nums: { start: 1, stop: 2 },
      });
      await writer.writeEvent({ i: 3 });
      await expect(writer.flush()).rejects.toMatchObject({ code: "CONFLICT", message: /^2 rows were left out/ });
      expect(writer.refusedRows).toBe(2);
      expect(reported).toEqual(["CONFLICT"]);
      await writer.flush();
      await writer.closeRun();
      await writer.close();
      expect(await rowsOf(path, "SELECT data FROM events ORDER BY seq_num")).toEqual([
        { data: '{"i":1}' },
        { data: '{"i":3}' },
      ]);
    });
  });
});
