import { expect, it } from "vitest";
import memory from "../../backends/memory/index.ts";
import { MemoryWriter } from "../../backends/memory/writer.ts";
import { ndArray } from "../../src/core/nd-array.ts";

const frame = (n: number) => ndArray(new Uint8Array(16).fill(n), [4, 4]);

async function open(writer: MemoryWriter, uri: string) {
  writer.updateSource("cam", "uint8", [4, 4]);
  writer.setUri(uri);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  return sink;
}

it("The memory writer refuses and counts frames beyond its quota, and has room again when a run is discarded", async () => {
  const writer = new MemoryWriter("m", { quotaBytes: 40 });
  const sink = await open(writer, "mem://a");
  for (let n = 0; n < 2; n++) await sink.write(frame(n));
  await expect(sink.write(frame(2))).rejects.toMatchObject({ code: "NO_SPACE", identifier: "cam" });
  expect(writer.sources.get("cam")).toMatchObject({ framesWritten: 2, framesRejected: 1 });
  expect(() => writer.discard("mem://a")).toThrow(/is open/);
  await sink.close();
  expect([writer.byteLength, writer.runs]).toEqual([32, ["mem://a"]]);
  writer.discard("mem://a");
  const next = await open(writer, "mem://b");
  expect(await next.write(frame(3))).toBe(0);
  await writer.close();
  expect(writer.frames("cam").map(({ data }) => data[0])).toEqual([3]);
});

it("The memory writer says where its frames are as mem://…#source", async () => {
  const writer = new MemoryWriter("m");
  const sink = await open(writer, "mem://a");
  await sink.write(frame(0));
  expect(writer.collectStreamDocs("cam", 1)[0]?.[1]).toMatchObject({
    uri: "mem://a#cam",
    mimetype: "application/x-memory",
    parameters: { chunk_shape: [1, 4, 4] },
  });
  await writer.close();
});

it("The memory writer claims no file, also when it is sent to the folder of a run", async () => {
  const writer = new MemoryWriter("m");
  const sink = await open(writer, "file://localhost/data/count_00000");
  await sink.write(frame(0));
  expect(writer.storeUri).toMatch(/^mem:.*count_00000$/);
  expect(writer.collectStreamDocs("cam", 1)[0]?.[1]).toMatchObject({ uri: `${writer.storeUri}#cam` });
  expect(writer.frames("cam")).toHaveLength(1);
  await writer.close();
});

it("The memory backend opens its writer with the options of a session", async () => {
  const writer = await memory.openWriter?.(
    { quotaBytes: 8, uri: "mem://a" },
    { instance: "group", store: () => Promise.reject(new Error("memory needs no store")) },
  );
  expect(writer?.name).toBe("group");
  writer?.register("cam", "uint8", [4, 4]);
  await writer?.open("cam");
  await expect(writer?.writeFrame("cam", frame(0))).rejects.toMatchObject({ code: "NO_SPACE" });
  await writer?.close();
});
