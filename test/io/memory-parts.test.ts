import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chunksOf } from "../../src/io/chunks.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

describe.each([
  ["disk, which fills the memory of its reader", () => freshDisk({ durability: "none" })],
  ["memory, which brings its own", freshMemory],
] as const)("chunks of a value in %s", (_name, make) => {
  test.each([0, 1, 262_143, 262_144, 1_000_003])("%d bytes come whole and in order", async (byteLength) => {
    const { store, side, dispose } = await make();
    const value = Uint8Array.from({ length: byteLength }, (_, i) => (i * 7919) % 251);
    await side.put("a", value);
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(await store.readStream("a"))) chunks.push(chunk.slice());
    expect(Buffer.concat(chunks).equals(value)).toBe(true);
    await dispose?.();
  });

  test("leaving the loop closes what was open; an abort is its failure", async () => {
    const { store, side, dispose } = await make();
    await side.put("a", new Uint8Array(3_000_000));
    const files = () => readdirSync("/proc/self/fd").length;
    const before = files();
    for await (const chunk of chunksOf(await store.readStream("a"))) if (chunk.byteLength > 0) break;
    expect(files()).toBe(before);
    const controller = new AbortController();
    const { signal } = controller;
    const reading = async () => {
      for await (const _ of chunksOf(await store.readStream("a", { signal }))) controller.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: "ABORTED" });
    await dispose?.();
  });
});
