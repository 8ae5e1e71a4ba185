import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DocumentFile, documentKey, RunDocuments } from "../../src/acquire/index.ts";
import type { DataKey, Document, StreamAsset } from "../../src/core/documents.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { consolidate, firstChunks, problemsOf } from "../support/event-model.ts";
import { PlainWriter } from "../support/plain-writer.ts";

const position: DataKey = { source: "sim://x", dtype: "number", shape: [], units: "mm", object_name: "stage" };
const reading = (value: unknown) => ({ value, timestamp: 1.8e9 });

function newRun() {
  const documents: Document[] = [];
  return { documents, run: new RunDocuments((document) => void documents.push(document)) };
}

async function openWriter(framesPerEvent = 1) {
  const writer = new PlainWriter("main", { uri: "plain://a" });
  writer.register("cam", "uint8", [10, 15]);
  writer.register("det", "uint8", [10, 15]);
  const keys = { ...(await writer.open("cam", framesPerEvent)), ...(await writer.open("det", framesPerEvent)) };
  const frame = ndArray(new Uint8Array(150), [10, 15]);
  const write = async (name: string, count: number) => {
    for (let i = 0; i < count; i++) await writer.writeFrame(name, frame);
  };
  const collect = (count = 99): StreamAsset[] => [
    ...writer.collectStreamDocs("cam", count),
    ...writer.collectStreamDocs("det", count),
  ];
  return { writer, keys, write, collect };
}

describe("The documents of a run", () => {
  it("are valid by the event model, and join to the frames that were written", async () => {
    const { documents, run } = newRun();
    const { keys, write, collect } = await openWriter();
    const start = await run.start({ plan_name: "count", num: 5 });
    const configuration = {
      stage: { data: { speed: 2 }, timestamps: { speed: 1.8e9 }, data_keys: { speed: { ...position, units: "mm/s" } } },
    };
    const descriptor = await run.describe({ dataKeys: { x: position, ...keys }, configuration });
    for (const batch of [2, 3]) {
      await write("cam", batch);
      await write("det", batch);
      for (let i = 0; i < batch; i++) await run.event("primary", { x: reading(i) });
      await run.assets("primary", collect());
    }
    const stop = await run.stop("success");
    expect(documents.flatMap(([name, document]) => problemsOf(name, document))).toEqual([]);
    expect(documents.map(([name]) => name)).toEqual([
      ...["start", "descriptor", "event", "event"],
      ...["stream_resource", "stream_datum", "stream_resource", "stream_datum"],
      ...["event", "event", "event", "stream_datum", "stream_datum", "stop"],
    ]);
    expect(descriptor).toMatchObject({
      run_start: start.uid,
      name: "primary",
      object_keys: { stage: ["x"], cam: ["cam"], det: ["det"] },
      configuration,
    });
    for (const [name, document] of documents) {
      if (name === "stream_resource") expect(document.run_start).toBe(start.uid);
      if (name === "stream_datum") expect(document.descriptor).toBe(descriptor.uid);
    }
    expect(stop).toMatchObject({ run_start: start.uid, exit_status: "success", num_events: { primary: 5 } });
    expect(consolidate(documents, "cam").shape).toEqual([5, 10, 15]);
    expect([...consolidate(documents, "det").rowOfEvent]).toEqual([0, 1, 2, 3, 4].map((row) => [row + 1, row]));
  });

  it("with seven frames an event join to five times seven frames", async () => {
    const { documents, run } = newRun();
    const { keys, write, collect } = await openWriter(7);
    await run.start();
    await run.describe({ dataKeys: keys });
    await write("cam", 36);
    await write("det", 35);
    await run.assets("primary", collect(5));
    expect(consolidate(documents, "cam").shape).toEqual([35, 10, 15]);
    expect(firstChunks(5, 7, 3)).toEqual([...Array(11).fill(3), 2]);
    expect(firstChunks(5, 7, 3, false)).toEqual(Array.from({ length: 5 }, () => [3, 3, 1]).flat());
  });

  it("number events over two stores of one key without a gap", async () => {
    const { documents, run } = newRun();
    const first = await openWriter();
    const second = await openWriter();
    await run.start();
    await run.describe({ dataKeys: first.keys });
    for (const { write, collect } of [first, second]) {
      await write("cam", 2);
      await write("det", 2);
      await run.assets("primary", collect());
    }
    const ranges = documents.flatMap(([name, document]) =>
      name === "stream_datum" ? [[document.indices.start, document.seq_nums.start, document.seq_nums.stop]] : [],
    );
    expect(ranges).toEqual([
      [0, 1, 3],
      [0, 1, 3],
      [0, 3, 5],
      [0, 3, 5],
    ]);
  });

  it("are refused, and nothing emitted or counted, where readers would go wrong", async () => {
    const { documents, run } = newRun();
    const { keys, write, collect } = await openWriter();
    await run.start();
    await run.describe({ dataKeys: { x: position, ...keys } });
    await write("cam", 2);
    await write("det", 1);
    const uneven = collect();
    const before = documents.length;
    const codes: string[] = [];
    const attempt = async (work: () => Promise<unknown>) =>
      codes.push(
        await work().then(
          () => "accepted",
          (error: { code: string }) => error.code,
        ),
      );
    await attempt(() => run.assets("primary", uneven));
    await attempt(() => run.assets("primary", uneven.slice(0, 2)));
    await attempt(() =>
      run.assets(
        "primary",
        uneven.filter(([name]) => name === "stream_datum"),
      ),
    );
    await attempt(() => run.assets("baseline", uneven));
    await attempt(() => run.event("primary", { y: reading(1) }));
    await attempt(() => run.event("primary", { x: reading(1), cam: reading(2) }));
    await attempt(() => run.event("primary", { x: reading(Number.NaN) }));
    await attempt(() => run.describe({ dataKeys: {} }));
    await attempt(() => run.describe({ name: "b", dataKeys: { "a.b": position } }));
    await attempt(() => run.describe({ name: "b", dataKeys: { a: { ...position, dtype: "uint16" as never } } }));
    await attempt(() => run.describe({ name: "b", dataKeys: { a: { ...position, dtype_numpy: "uint16" } } }));
    await attempt(() => run.describe({ name: "b", dataKeys: { a: { ...position, dims: ["x"] } } }));
    await attempt(() => run.start());
    expect(codes).toEqual([
      ...["CONFLICT", "CONFLICT", "INVALID_DATA", "NOT_FOUND", "INVALID_DATA", "INVALID_DATA", "INVALID_DATA"],
      ...["CONFLICT", "INVALID_DATA", "INVALID_DATA", "INVALID_DATA", "INVALID_DATA", "CONFLICT"],
    ]);
    expect(documents).toHaveLength(before);
    const even = uneven.map((asset): StreamAsset => {
      if (asset[0] === "stream_resource") return asset;
      return ["stream_datum", { ...asset[1], indices: { start: 0, stop: 1 } }];
    });
    await run.assets("primary", even);
    const gap = even.flatMap((asset): StreamAsset[] =>
      asset[0] === "stream_resource" ? [] : [["stream_datum", { ...asset[1], indices: { start: 2, stop: 3 } }]],
    );
    await expect(run.assets("primary", gap)).rejects.toThrow(/next row is 1/);
    await expect(run.assets("primary", even)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await run.stop("fail", "enough")).num_events).toEqual({ primary: 1 });
  });

  it("begin with the start and end with the stop", async () => {
    const { run } = newRun();
    await expect(run.describe({ dataKeys: {} })).rejects.toMatchObject({ code: "NOT_OPEN" });
    await run.start();
    await run.stop("abort");
    await expect(run.stop("success")).rejects.toMatchObject({ code: "NOT_OPEN" });
    await expect(run.event("primary", {})).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("have no dots or slashes in the keys of the start, at any depth", async () => {
    const { run } = newRun();
    await expect(run.start({ sample: { "a/b": 1 } })).rejects.toThrow(/rename it to "a_b"/);
    await expect(run.start({ sample: { list: [{ "a.b": 1 }] } })).rejects.toMatchObject({ code: "INVALID_DATA" });
    expect(documentKey("stage.x/1")).toBe("stage_x_1");
    await run.start({ sample: { text: "a.b/c" } });
  });
});

describe("A document file", () => {
  it("has each document as a line, in order, also when appends are not awaited", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-documents-"));
    try {
      const file = new DocumentFile(join(folder, "made", "run.jsonl"));
      const seen: Document[] = [];
      const run = new RunDocuments((document) => {
        seen.push(document);
        void file.append(document);
      });
      await run.start({ operator: "Ada Łovelace" });
      await run.describe({ dataKeys: { x: position } });
      for (let i = 0; i < 20; i++) await run.event("primary", { x: reading(i) });
      await run.stop("success");
      await file.close();
      await file.close();
      const lines = (await readFile(file.path, "utf8")).trimEnd().split("\n");
      expect(lines.map((line) => JSON.parse(line))).toEqual(seen.map(([name, doc]) => ({ name, doc })));
      await file.append(["stop", { uid: "1", time: 1.8e9, run_start: "", exit_status: "fail" }]);
      await file.close();
      expect((await readFile(file.path, "utf8")).trimEnd().split("\n")).toHaveLength(lines.length + 1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says which file it could not write, and tries again with the next document", async () => {
    const file = new DocumentFile("/dev/null/run.jsonl");
    const stop: Document = ["stop", { uid: "1", time: 1.8e9, run_start: "", exit_status: "fail" }];
    for (let i = 0; i < 2; i++) {
      await expect(file.append(stop)).rejects.toMatchObject({ identifier: "/dev/null/run.jsonl" });
    }
    await file.close();
  });
});
