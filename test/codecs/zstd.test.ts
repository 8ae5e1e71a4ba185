import * as zlib from "node:zlib";
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

  it("is unpacked on the calling thread by the Nodes that can, and never to more than was asked for", async () => {
    const able = providers.filter(({ decompressNow }) => decompressNow !== undefined);
    expect(able.map(({ name }) => name)).toEqual("zstdDecompressSync" in zlib ? ["node:zlib"] : []);
    for (const { compress, decompressNow } of able) {
      const packed = await compress(bytes, 1);
      expect(Buffer.compare(decompressNow!(packed, bytes.byteLength), bytes)).toBe(0);
      expect(() => decompressNow!(packed, 40_000)).toThrow();
      expect(() => decompressNow!(packed.slice(0, 100), bytes.byteLength)).toThrow();
    }
  });
});
