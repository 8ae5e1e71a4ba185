import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { encodeItem, type StreamItem } from "../../backends/stream/item.ts";
import { encodeMessage } from "../../backends/stream/message.ts";
import { dtypes } from "../../src/core/dtype.ts";
import { ndArray, sliceArray, zeros } from "../../src/core/nd-array.ts";
import { bytesOf, everyDType } from "../backends/zarr/support.ts";
import { codeBlocks } from "../structure/markdown.ts";
import { hasProgram } from "../support/archives.ts";

if (!hasProgram("python3")) console.warn("interop: no python3, so the independent decoder of streams is not asked");

function python(messages: readonly Uint8Array[]): Record<string, unknown>[] {
  const folder = mkdtempSync(join(tmpdir(), "sluice-stream-"));
  try {
    const file = join(folder, "messages.hex");
    writeFileSync(file, messages.map((bytes) => Buffer.from(bytes).toString("hex")).join("\n"));
    const script = fileURLToPath(new URL("stream_decoder.py", import.meta.url));
    return JSON.parse(execFileSync("python3", [script, file], { encoding: "utf8" }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function itemOf(data: unknown, more: Partial<StreamItem> = {}): StreamItem {
  return { id: 1, path: "a/b", data, metadata: {}, producer: { name: "test" }, ...more };
}

// In CI the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!hasProgram("python3") && !process.env.CI)("a decoder in Python", () => {
  it("reads the vector of the documentation", () => {
    const page = readFileSync(new URL("../../docs/stream-wire-format.md", import.meta.url), "utf8");
    const [block] = codeBlocks(page, "hex");
    expect(python([Buffer.from(block!.code.replace(/\s/g, ""), "hex")])).toEqual([
      {
        type: "item",
        id: 7,
        path: "A01/f0.tif",
        value: "array",
        dtype: "uint16",
        shape: [2, 3],
        axes: ["y", "x"],
        byteOrder: "little",
        metadata: { channel: "GFP" },
        producer: { name: "demo" },
        batch: { id: "b1", index: 0, count: 2, metadata: { well: "A01" } },
        data: ["0", "1", "256", "513", "1027", "65535"],
      },
    ]);
  });

  it("reads arrays of every dtype, views among them, JSON, text, bytes and the messages without payload", () => {
    const arrays = everyDType.map((dtype) => {
      const array = zeros([2, 3], dtype);
      const bytes = bytesOf(array);
      // Small enough to be a finite number in every float.
      for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === "bool" ? i % 2 : i % 50;
      return array;
    });
    const view = sliceArray(ndArray(Int16Array.of(1, -2, 3, -4, 5, -6), [2, 3]), [null, 1]);
    const others = [{ shape: "polygon", points: [[0.5, 1]] }, "µm", Uint8Array.of(0, 255)];
    const read = python([
      ...[...arrays, view, ...others].map((data) => encodeItem(itemOf(data))),
      encodeMessage({ type: "hello", sender: "me" }),
      encodeMessage({ type: "ack", id: 3, error: { code: "NO_SPACE", message: "full", retryable: false } }),
    ]);
    arrays.forEach((array, i) => {
      const { shape, dtype, data } = read[i] as { shape: number[]; dtype: string; data: string[] };
      expect([shape, dtype]).toEqual([[2, 3], array.dtype]);
      if (array.dtype === "bool") expect(data).toEqual(["False", "True", "False", "True", "False", "True"]);
      else if (dtypes[array.dtype].kind !== "f") expect(data).toEqual([...(array.data as Uint8Array)].map(String));
      else if (array.dtype !== "float16") expect(data.map(Number)).toEqual([...(array.data as Float64Array)]);
    });
    const rest = read.slice(arrays.length);
    expect(rest.map(({ data }) => data)).toEqual([["-2", "5"], others[0], "µm", "00ff", undefined, undefined]);
    expect(rest.slice(-2)).toEqual([
      { type: "hello", sender: "me" },
      { type: "ack", id: 3, status: "error", error: { code: "NO_SPACE", message: "full", retryable: false } },
    ]);
  });
});
