/** What a client in another language makes of a bridge, and of the test vector of its page. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ndArray } from "../../src/core/nd-array.ts";
import { LiveBridge } from "../../src/live/bridge/bridge.ts";
import { decodeServerMessage, encodeServerMessage } from "../../src/live/bridge/protocol.ts";
import { DataStore } from "../../src/live/data-store.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { isPythonExpected, runPython, startPython } from "../support/python.ts";

const page = readFileSync(new URL("../../docs/live-bridge.md", import.meta.url), "utf8");
const vector = (/```hex\n([0-9a-f\n]+)```/.exec(page)?.[1] ?? "").replaceAll("\n", "");

const place = { index: 40, step: 1, count: 2, next: 42 };
const message = { type: "points", id: 3, ...place, value: "array", dtype: "float64", shape: [2] } as const;
const payload = new Uint8Array(Float64Array.of(1.5, -2).buffer);

describe("the test vector of the page", () => {
  it("is what a bridge writes and a client reads", () => {
    const bytes = encodeServerMessage({ ...message, payload });
    expect(Buffer.from(bytes).toString("hex")).toBe(vector);
    expect(decodeServerMessage(bytes)).toEqual({ ...message, byteOrder: "little", payload });
  });

  it.skipIf(!isPythonExpected)("is what a reader in Python makes of it", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-bridge-"));
    try {
      writeFileSync(join(folder, "messages"), vector);
      const [read] = runPython("live_bridge_client.py", "--decode", join(folder, "messages")) as unknown[];
      expect(read).toEqual({ ...message, byteOrder: "little", data: [1.5, -2] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a client in Python", () => {
  it.skipIf(!isPythonExpected)("reads numbers, JSON and frames, inside messages and by URL", async () => {
    await using store = new DataStore(new MemoryEngine());
    const scan = await store.createScan({ name: "align" }, { leaseMs: 0 });
    const diode = await scan.createStream("diode", { dtype: "float64" });
    const count = await scan.createStream("count", { dtype: "int64" });
    const words = await scan.createStream("words", { type: "json" });
    const camera = await scan.createStream("camera", { type: "frames", dtype: ">u2", shape: [8, 16] });
    await scan.prepare();
    await scan.start();
    const frame = Uint16Array.from({ length: 128 }, (_, i) => i * 257);
    await diode.send(Float64Array.of(0.5, -1.25));
    await count.send(2n ** 53n);
    await words.send({ name: "é" });
    await camera.send(ndArray(frame, [8, 16]));
    await using bridge = await LiveBridge.listen(store, { token: "word", inlineBytes: 100 });
    const reading = startPython(
      "live_bridge_client.py",
      bridge.url,
      "word",
      "diode",
      "count",
      "words",
      "camera",
    ).line();
    for (let i = 0; i < 50; i++) await diode.send(i);
    await scan.stop();
    expect(await reading).toEqual({
      diode: [0.5, -1.25, ...Array.from({ length: 50 }, (_, i) => i)],
      count: [2 ** 53],
      words: [{ name: "é" }],
      camera: [...frame],
    });
  });
});
