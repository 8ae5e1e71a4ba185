import { expect, it } from "vitest";
import { openZarrArray } from "../../../backends/zarr/reader.ts";
import type { ByteWriter } from "../../../src/core/byte-store.ts";
import { WrappedStore } from "../../../src/layers/wrapped-store.ts";
import { frameOf, memoryStore, writerOver } from "./support.ts";

/** A store of buckets' kind: no positions, no directories; remembers what happened in which order. */
class Bucket extends WrappedStore {
  readonly log: string[] = [];

  constructor() {
    const inner = memoryStore();
    super("meter", inner, { ...inner.capabilities, positionalWrite: false, rename: "emulated" });
  }

  override async write(...args: Parameters<WrappedStore["write"]>): ReturnType<WrappedStore["write"]> {
    this.log.push(`put ${args[0]}`);
    return super.write(...args);
  }

  override async openWriter(...args: Parameters<WrappedStore["openWriter"]>): Promise<ByteWriter> {
    const [key] = args;
    this.log.push(`begin ${key}`);
    const writer = await super.openWriter(...args);
    const close: ByteWriter["close"] = async (options) => {
      const result = await writer.close(options);
      this.log.push(`stored ${key}`);
      return result;
    };
    return new Proxy(writer, {
      get: (target, name) => {
        const value = name === "close" ? close : Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

it("each shard is one upload, and frames are shown only when their shard is stored", async () => {
  const store = new Bucket();
  const shape = [64, 64];
  const writer = writerOver(store, { shardBytes: 2 * 64 * 64 * 2 });
  writer.updateSource("cam", "uint16", shape);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  const array = await openZarrArray(store, "cam");
  for (let i = 0; i < 5; i++) {
    await sink.write(frameOf(i, shape));
    await array.refresh();
    const stored = store.log.filter((line) => line.startsWith("stored cam/c/")).length;
    expect(array.shape[0]).toBeLessThanOrEqual(2 * stored);
  }
  await sink.close();
  expect(store.log).toEqual([
    "put zarr.json",
    "put cam/zarr.json",
    ...[0, 1, 2].flatMap((shard) => [`begin cam/c/${shard}/0/0`, `stored cam/c/${shard}/0/0`, "put cam/zarr.json"]),
  ]);
  await array.refresh();
  expect(array.shape).toEqual([5, ...shape]);
});
