import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore, ReadOptions } from "../../src/core/byte-store.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { text } from "../../src/testing/byte-store-checks.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const around: Record<string, (below: ByteStore) => ByteStore> = {
  cache: (below) => new CacheStore(below, { medium: new MemoryStore() }),
  checksum: (below) => new ChecksumStore(below, { sums: new MemoryStore() }),
  retry: (below) => new RetryStore(below),
};

const reads: Record<string, (store: ByteStore, options?: ReadOptions) => Promise<Uint8Array>> = {
  read: (store, options) => store.read("a", options),
  readRanges: async (store, options) => (await store.readRanges("a", [{ offset: 0 }], options))[0] as Uint8Array,
  readStream: async (store, options) =>
    new Uint8Array(await new Response(await store.readStream("a", options)).arrayBuffer()),
};

/** A layer over a store in which the value is overwritten each time after somebody has asked about it. */
async function overwriting(layer: string, times: number) {
  const below = new MemoryStore();
  let left = 0;
  let version = 0;
  const store = (around[layer] as (below: ByteStore) => ByteStore)(
    replaceMethods(below, {
      stat: async (key, options) => {
        const stat = await below.stat(key, options);
        if (left-- > 0) await write();
        return stat;
      },
    }),
  );
  // Through the layer, which knows its sum then.
  const write = () => store.write("a", text(`version ${++version}`));
  const { etag } = await write();
  left = times;
  return { store, etag };
}

describe.each(Object.keys(around))("a value that is overwritten while it is read through %s", (layer) => {
  // Only streams ask before they read, through retry.
  const operations = Object.keys(reads).filter((operation) => layer !== "retry" || operation === "readStream");

  it.each(operations)("is the new one to %s", async (operation) => {
    const { store } = await overwriting(layer, 3);
    const value = await (reads[operation] as (store: ByteStore) => Promise<Uint8Array>)(store);
    expect(new TextDecoder().decode(value)).toBe("version 4");
  });

  it.each(operations)("is gone to %s of the old one", async (operation) => {
    const { store, etag } = await overwriting(layer, 1);
    const read = (reads[operation] as (store: ByteStore, options: ReadOptions) => Promise<Uint8Array>)(store, {
      ifMatch: etag,
    });
    await expect(read).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
  });

  it("is not followed for ever", async () => {
    const { store } = await overwriting(layer, Number.POSITIVE_INFINITY);
    await expect(store.readStream("a")).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
  });
});
