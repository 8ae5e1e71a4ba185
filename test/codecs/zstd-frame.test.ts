import { describe, expect, it } from "vitest";
import { createArray } from "../../backends/zarr/index.ts";
import { zstdLoaders } from "../../src/codecs/zstd.ts";
import { withZstdContentSize, zstdContentSize } from "../../src/codecs/zstd-frame.ts";
import { memoryStore } from "../backends/zarr/support.ts";
import { ramp } from "../support/arrays.ts";

const providers = (await Promise.all(zstdLoaders.map((load) => load()))).filter((one) => one !== undefined);

describe("the header of a Zstandard frame", () => {
  it.each(providers)("of $name says its length, and every decoder takes it", async (provider) => {
    for (const length of [1, 255, 256, 65_791, 65_792, 100_000, 3_000_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * i) >> 7);
      const frame = await provider.compress(bytes, 1);
      const sized = withZstdContentSize(frame, length);
      expect(zstdContentSize(sized)).toBe(length);
      expect(withZstdContentSize(sized, length)).toBe(sized);
      for (const decoder of providers) expect(Buffer.compare(await decoder.decompress(sized), bytes)).toBe(0);
    }
  });

  it("holds lengths of more than 32 bits, dictionaries and checksums as they are", () => {
    // No length, a window, a dictionary of two bytes, a checksum.
    const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0b0000_0110, 0x58, 0xaa, 0xbb, 1, 0, 0);
    const sized = withZstdContentSize(frame, 2 ** 33 + 5);
    expect([...sized.subarray(4)]).toEqual([0b1100_0110, 0x58, 0xaa, 0xbb, 5, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0]);
    expect(zstdContentSize(sized)).toBe(2 ** 33 + 5);
    expect([...withZstdContentSize(frame, 7).subarray(4, 12)]).toEqual([0b1000_0110, 0x58, 0xaa, 0xbb, 7, 0, 0, 0]);
    for (const other of [new Uint8Array(3), new Uint8Array(40)]) {
      expect(withZstdContentSize(other, 9)).toBe(other);
      expect(zstdContentSize(other)).toBeUndefined();
    }
  });

  it("says the length in every chunk that Zarr packs with Zstandard: older numcodecs reads no others", async () => {
    for (const zarrFormat of [2, 3] as const) {
      const store = memoryStore();
      const layout = { chunkShape: [16, 30], compressor: "zstd", zarrFormat } as const;
      const array = await createArray(store, "a", { shape: [20, 30], dtype: "uint16", ...layout });
      await array.write([], ramp([20, 30], "uint16"));
      for (const key of zarrFormat === 2 ? ["a/0/0", "a/1/0"] : ["a/c/0/0", "a/c/1/0"]) {
        expect(zstdContentSize(await store.read(key))).toBe(16 * 30 * 2);
      }
    }
  });
});
