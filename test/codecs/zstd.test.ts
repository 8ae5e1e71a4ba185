import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { loadZstd, type ZstdProvider, zstdLoaders } from "../../src/codecs/zstd.ts";

const providers = (await Promise.all(zstdLoaders.map((load) => load()))).filter((found) => found !== undefined);
const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * i) >> 8);

describe("zstd", () => {
  it("finds the native package, and numcodecs, in a full installation", () => {
    expect(providers.map(({ name }) => name)).toEqual(expect.arrayContaining(["@mongodb-js/zstd", "numcodecs"]));
  });

  it("takes the first provider that is there", async () => {
    const [first] = providers as [ZstdProvider];
    expect((await loadZstd()).name).toBe(first.name);
    expect(await loadZstd([async () => undefined, async () => first])).toBe(first);
  });

  it("names the command that installs one where there is none", async () => {
    await expect(loadZstd([async () => undefined])).rejects.toMatchObject({
      code: "MISSING_DEPENDENCY",
      message: expect.stringContaining("npm install @mongodb-js/zstd"),
    });
  });

  for (const writer of providers) {
    for (const reader of providers) {
      it(`reads with ${reader.name} what ${writer.name} compressed`, async () => {
        const packed = await writer.compress(bytes.subarray(1), 1);
        expect(packed.byteLength).toBeLessThan(bytes.byteLength);
        expect(Buffer.compare(await reader.decompress(packed), bytes.subarray(1))).toBe(0);
      });
    }
  }

  for (const provider of providers) {
    it(`rejects damaged bytes with ${provider.name}`, async () => {
      await expect(provider.decompress(Uint8Array.of(1, 2, 3, 4, 5))).rejects.toBeDefined();
    });
  }

  it("is unpacked on the calling thread, into memory that is there, and never to more than was asked for", async () => {
    for (const { compress, decompressNow } of providers) {
      const packed = await compress(bytes, 1);
      expect(Buffer.compare(decompressNow!(packed, bytes.byteLength), bytes)).toBe(0);
      const into = new Uint8Array(bytes.byteLength + 10).fill(7);
      const unpacked = decompressNow!(packed, bytes.byteLength, into);
      expect(Buffer.compare(unpacked, bytes)).toBe(0);
      expect(unpacked.buffer).toBe(into.buffer);
      expect(into.subarray(bytes.byteLength)).toEqual(new Uint8Array(10).fill(7));
      expect(() => decompressNow!(packed, 40_000)).toThrow();
      expect(() => decompressNow!(packed.slice(0, 100), bytes.byteLength)).toThrow();
      expect(() => decompressNow!(new Uint8Array(0), bytes.byteLength)).toThrow();
    }
  });

  it("is unpacked piece by piece, several frames beside each other", async () => {
    const [{ compress, open }] = providers as [ZstdProvider];
    const packed = await compress(bytes, 1);
    const readers = [open!(packed), open!(packed)];
    const parts = readers.map(() => new Uint8Array(bytes.byteLength + 5));
    for (let at = 0; at < bytes.byteLength; at += 7000) {
      const lengths = readers.map((reader, i) => reader.next((parts[i] as Uint8Array).subarray(at, at + 7000)));
      expect(lengths).toEqual(Array(2).fill(Math.min(7000, bytes.byteLength - at)));
    }
    for (const part of parts) expect(Buffer.compare(part.subarray(0, bytes.byteLength), bytes)).toBe(0);
    expect(readers[0]?.next(new Uint8Array(5))).toBe(0);
    expect(() => open!(packed.slice(0, -1)).next(new Uint8Array(bytes.byteLength))).toThrow("ends too early");
    expect(() => open!(Uint8Array.of(1, 2, 3, 4, 5)).next(new Uint8Array(5))).toThrow();
  });

  it("has the same calls where the package for the calling thread is loaded by several threads", async () => {
    const packed = await (providers[0] as ZstdProvider).compress(bytes, 1);
    const source = `
      const { parentPort, workerData } = require("node:worker_threads");
      const binding = require("zstd-napi/binding.js");
      const context = new binding.DCtx();
      for (let i = 0; i < 200; i++) context.decompress(new Uint8Array(100_000), workerData);
      const out = new Uint8Array(100_000);
      parentPort.postMessage({ length: context.decompress(out, workerData), out });`;
    const workers = [1, 2].map(() => new Worker(source, { eval: true, workerData: packed }));
    const messages = await Promise.all(workers.map((worker) => once(worker, "message")));
    for (const [{ length, out }] of messages as [{ length: number; out: Uint8Array }][]) {
      expect(length).toBe(bytes.byteLength);
      expect(Buffer.compare(out, bytes)).toBe(0);
    }
  });
});
