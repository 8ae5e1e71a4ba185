import { gunzipSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import NumcodecsBlosc from "numcodecs/blosc";
import NumcodecsLz4 from "numcodecs/lz4";
import NumcodecsZstd from "numcodecs/zstd";
import { describe, expect, it } from "vitest";
import { CodecChain } from "../../../backends/zarr/codec-chain.ts";
import type { NamedConfiguration } from "../../../backends/zarr/metadata.ts";
import type { Endian } from "../../../src/core/dtype.ts";
import { arrayToBytes, type NdArray, ndArray, zeros } from "../../../src/core/nd-array.ts";
import { anyArray, bitsOf, ramp } from "../../support/arrays.ts";

const blosc = (cname: string, shuffle: string, clevel = 5): NamedConfiguration => ({
  name: "blosc",
  configuration: { cname, clevel, shuffle, blocksize: 0 },
});

const packers: Record<string, NamedConfiguration> = {
  gzip: { name: "gzip", configuration: { level: 1 } },
  zlib: { name: "zlib", configuration: { level: 9 } },
  zstd: { name: "zstd", configuration: { level: 0, checksum: false } },
  lz4: { name: "lz4", configuration: { acceleration: 1 } },
  crc32c: { name: "crc32c" },
  "blosc zstd": blosc("zstd", "shuffle"),
  "blosc zstd, not shuffled": blosc("zstd", "noshuffle"),
  "blosc zstd, not compressed": blosc("zstd", "shuffle", 0),
  "blosc lz4": blosc("lz4", "shuffle"),
  "blosc zlib": blosc("zlib", "noshuffle"),
  "blosc lz4 with the bit shuffle": blosc("lz4", "bitshuffle"),
  "blosc blosclz": blosc("blosclz", "shuffle"),
  "blosc lz4hc": blosc("lz4hc", "shuffle"),
};

function chainOf(array: NdArray, codecs: readonly NamedConfiguration[], endian: Endian = "little"): CodecChain {
  const bytes = { name: "bytes", configuration: { endian } };
  const first = codecs.filter(({ name }) => name === "transpose");
  const rest = codecs.filter(({ name }) => name !== "transpose");
  return CodecChain.create([...first, bytes, ...rest], array.dtype, array.shape.length) as CodecChain;
}

/** What an independent decoder makes of the bytes. */
async function foreign(name: string, bytes: Uint8Array): Promise<Uint8Array> {
  if (name === "gzip") return gunzipSync(bytes);
  if (name === "zlib") return inflateSync(bytes);
  if (name === "zstd") return NumcodecsZstd.fromConfig({ id: "zstd" }).decode(bytes);
  if (name === "lz4") return NumcodecsLz4.fromConfig({ id: "lz4" }).decode(bytes);
  if (name === "crc32c") return bytes.subarray(0, -4);
  return NumcodecsBlosc.fromConfig({ id: "blosc" }).decode(bytes);
}

describe("the codecs of an array", () => {
  it.each(Object.entries(packers))(
    "%s comes back equal: any type, any strides, both byte orders",
    async (_, packer) => {
      await fc.assert(
        fc.asyncProperty(
          anyArray({ minLength: 1 }),
          fc.constantFrom<Endian>("little", "big"),
          async (array, endian) => {
            const chain = chainOf(array, [packer], endian);
            const stored = (await chain.encode(array)).slice();
            expect(bitsOf(await chain.decode(stored, array.shape))).toEqual(bitsOf(array));
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  it.each(Object.entries(packers))("%s is read by others", async (_, packer) => {
    for (const dtype of ["uint8", "uint16", "float64"] as const) {
      const array = ramp([20, 50], dtype);
      const bytes = await foreign(packer.name, await chainOf(array, [packer]).encode(array));
      expect(Buffer.compare(Buffer.from(bytes), Buffer.from(arrayToBytes(array)))).toBe(0);
    }
  });

  it("several follow one another, after any number of transpositions", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyArray({ minLength: 1, minRank: 1 }).chain((array) => {
          const axes = array.shape.map((_, axis) => axis);
          const order = fc.shuffledSubarray(axes, { minLength: axes.length });
          return fc.record({ array: fc.constant(array), orders: fc.array(order, { maxLength: 3 }) });
        }),
        fc.subarray(Object.values(packers)),
        async ({ array, orders }, rest) => {
          const transposes = orders.map((order) => ({ name: "transpose", configuration: { order } }));
          const chain = chainOf(array, [...transposes, ...rest]);
          const stored = (await chain.encode(array)).slice();
          expect(bitsOf(await chain.decode(stored, array.shape))).toEqual(bitsOf(array));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("store the axes in the order that transpose names, in the byte order that bytes names", async () => {
    const array = ndArray(Uint16Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const chain = chainOf(array, [{ name: "transpose", configuration: { order: [1, 0] } }], "big");
    expect([...(await chain.encode(array))]).toEqual([0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6]);
  });

  it("pack chunks beside each other, also those that are larger than the first", async () => {
    for (const packer of Object.values(packers)) {
      const arrays = Array.from({ length: 20 }, (_, i) => ramp([i + 1, 300], "uint16"));
      const chain = chainOf(ramp([1, 1], "uint16"), [packer]);
      const stored = await Promise.all(arrays.map(async (array) => (await chain.encode(array)).slice()));
      for (const [i, array] of arrays.entries()) {
        expect(bitsOf(await chain.decode(stored[i] as Uint8Array, array.shape))).toEqual(bitsOf(array));
      }
    }
  });

  it.each(Object.entries(packers))("damaged bytes are CORRUPT, by the name of the codec: %s", async (_, packer) => {
    const array = ramp([30, 40], "uint16");
    const chain = chainOf(array, [packer]);
    const stored = (await chain.encode(array)).slice();
    const refusal = { code: "CORRUPT", message: expect.stringContaining(`codec "${packer.name}"`) };
    for (const length of [0, 3, 10, stored.length - 1]) {
      await expect(chain.decode(stored.slice(0, length), array.shape), `${length} bytes`).rejects.toMatchObject(
        refusal,
      );
    }
    const other = stored.slice();
    other.fill(0x55, 0, 16);
    await expect(chain.decode(other, array.shape), "another head").rejects.toMatchObject(refusal);
  });

  it.each(["gzip", "lz4", "blosc zstd"])("%s that would fill the memory is refused before it does", async (name) => {
    const packer = packers[name] as NamedConfiguration;
    for (const length of [300, 70_000, 4 * 2 ** 20]) {
      const bomb = zeros([length], "uint8");
      const stored = (await chainOf(bomb, [packer]).encode(bomb)).slice();
      await expect(chainOf(bomb, [packer]).decode(stored, [length - 1])).rejects.toMatchObject({
        code: "CORRUPT",
        message: expect.stringContaining(`codec "${packer.name}"`),
      });
    }
  });

  it("a Zstandard frame that says it holds more than its chunk is refused before it is unpacked", async () => {
    // RFC 8878: the magic number, a single segment with a length of 1, 2, 4 or 8 bytes.
    for (const header of ["20ff", "60ffff", "a0ffffffff", "e00000000000010000"]) {
      const frame = Buffer.from(`28b52ffd${header}010000`, "hex");
      const array = ramp([8], "uint8");
      await expect(chainOf(array, [packers.zstd as NamedConfiguration]).decode(frame, [8])).rejects.toMatchObject({
        code: "CORRUPT",
        message: expect.stringMatching(/codec "zstd": the stream says that it holds \d+ bytes instead of 8/),
      });
    }
  });

  it("a checksum finds every flipped bit", async () => {
    const array = ramp([4], "uint16");
    const chain = chainOf(array, [packers.crc32c as NamedConfiguration]);
    const stored = (await chain.encode(array)).slice();
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const damaged = stored.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await expect(chain.decode(damaged, array.shape)).rejects.toMatchObject({ code: "CORRUPT" });
    }
  });

  it("bytes of another length are CORRUPT", async () => {
    const array = ramp([4], "uint16");
    const refusal = { code: "CORRUPT", message: expect.stringContaining('codec "bytes"') };
    await expect(chainOf(array, []).decode(new Uint8Array(7), [4])).rejects.toMatchObject(refusal);
  });

  it("are unknown where we have no code for one", () => {
    for (const codecs of [
      [{ name: "delta" }],
      [{ name: "bytes" }, { name: "delta" }],
      [{ name: "transpose", configuration: { order: [0, 0] } }, { name: "bytes" }],
      [{ name: "bytes", configuration: { endian: "middle" } }],
      [],
    ]) {
      expect(CodecChain.create(codecs, "uint8", 2)).toBeUndefined();
    }
  });
});
