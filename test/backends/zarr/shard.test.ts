import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShardIndex, shardIndexBytes } from "../../../backends/zarr/shard.ts";
import { crc32c } from "../../../src/codecs/crc32c.ts";

describe("the index of a shard", () => {
  it("is pairs of little-endian 64-bit numbers, all ones where empty, then the CRC-32C", () => {
    const index = new ShardIndex(2);
    index.set(1, 2 ** 33 + 5, 7);
    const bytes = index.encode();
    const view = new DataView(bytes.buffer);
    expect(bytes.byteLength).toBe(36);
    expect(view.getBigUint64(0, true)).toBe(2n ** 64n - 1n);
    expect(view.getBigUint64(8, true)).toBe(2n ** 64n - 1n);
    expect(view.getBigUint64(16, true)).toBe(2n ** 33n + 5n);
    expect(view.getBigUint64(24, true)).toBe(7n);
    expect(view.getUint32(32, true)).toBe(crc32c(bytes.subarray(0, 32)));
  });

  it("comes back equal, in both byte orders", () => {
    const entry = fc.option(fc.tuple(fc.nat(2 ** 40), fc.nat(2 ** 31)), { nil: undefined });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 20 }), fc.boolean(), (entries, isBig) => {
        const index = new ShardIndex(entries.length);
        for (const [chunk, value] of entries.entries()) if (value) index.set(chunk, ...value);
        let bytes = index.encode();
        if (isBig) {
          bytes = Uint8Array.from(bytes);
          const body = bytes.subarray(0, -4);
          for (let at = 0; at < body.length; at += 8) body.subarray(at, at + 8).reverse();
          new DataView(bytes.buffer).setUint32(body.length, crc32c(body), true);
        }
        const back = ShardIndex.decode(bytes, entries.length, { endian: isBig ? "big" : "little" });
        entries.forEach((value, chunk) => {
          expect(back.get(chunk)).toEqual(value && { offset: value[0], length: value[1] });
        });
      }),
    );
  });

  it("is refused as CORRUPT when any bit of it has changed, or its length is wrong", () => {
    const index = new ShardIndex(3);
    index.set(0, 0, 10);
    const bytes = index.encode();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = bytes.slice();
      copy[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => ShardIndex.decode(copy, 3)).toThrow(expect.objectContaining({ code: "CORRUPT" }));
    }
    expect(() => ShardIndex.decode(bytes, 4)).toThrow(expect.objectContaining({ code: "CORRUPT" }));
    expect(shardIndexBytes(3, false)).toBe(48);
    expect(ShardIndex.decode(bytes.subarray(0, 48), 3, { hasChecksum: false }).get(0)).toEqual({
      offset: 0,
      length: 10,
    });
  });
});
