import { describe, expect, it } from "vitest";
import { fillValueBytes } from "../../../backends/zarr/fill-value.ts";
import { encodeMetadata, frameArrayMetadata, groupMetadata, parseMetadata } from "../../../backends/zarr/metadata.ts";

const layout = {
  dtype: "uint16",
  frameShape: [4, 5],
  framesPerShard: 3,
  codec: { name: "blosc-zstd", level: 1 },
  dimensionNames: ["t", "y", "x"],
  attributes: { gain: 2 },
} as const;

describe("Zarr metadata", () => {
  it("says everything that a strict reader wants", () => {
    expect(JSON.parse(new TextDecoder().decode(encodeMetadata(frameArrayMetadata(layout, 7))))).toEqual({
      zarr_format: 3,
      node_type: "array",
      shape: [7, 4, 5],
      data_type: "uint16",
      chunk_grid: { name: "regular", configuration: { chunk_shape: [3, 4, 5] } },
      chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
      fill_value: 0,
      codecs: [
        {
          name: "sharding_indexed",
          configuration: {
            chunk_shape: [1, 4, 5],
            codecs: [
              { name: "bytes", configuration: { endian: "little" } },
              {
                name: "blosc",
                configuration: { cname: "zstd", clevel: 1, shuffle: "shuffle", typesize: 2, blocksize: 0 },
              },
            ],
            index_codecs: [{ name: "bytes", configuration: { endian: "little" } }, { name: "crc32c" }],
            index_location: "end",
          },
        },
      ],
      attributes: { gain: 2 },
      dimension_names: ["t", "y", "x"],
    });
  });

  it("fills bool with false, and leaves out byte order and shuffle where an element is one byte", () => {
    const metadata = frameArrayMetadata({ ...layout, dtype: "bool" }, 0);
    expect(metadata.fill_value).toBe(false);
    expect(JSON.stringify(metadata.codecs)).toContain('{"name":"bytes"}');
    expect(JSON.stringify(metadata.codecs)).toContain('"shuffle":"noshuffle"');
  });

  it("reads what it writes", () => {
    for (const metadata of [groupMetadata({ a: [1] }), frameArrayMetadata(layout, 1)]) {
      expect(parseMetadata(encodeMetadata(metadata), "zarr.json")).toEqual(metadata);
    }
  });

  it.each([
    ["not JSON", "{"],
    ["not UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["null", "null"],
    ["another format", { zarr_format: 2, node_type: "group" }],
    ["no node type", { zarr_format: 3 }],
    ["attributes that are a list", { zarr_format: 3, node_type: "group", attributes: [] }],
    ["a negative shape", { ...frameArrayMetadata(layout, 1), shape: [-1] }],
    ["no chunk grid", { ...frameArrayMetadata(layout, 1), chunk_grid: undefined }],
    ["a codec without a name", { ...frameArrayMetadata(layout, 1), codecs: [{}] }],
    ["no fill value", { ...frameArrayMetadata(layout, 1), fill_value: undefined }],
  ])("refuses %s as CORRUPT, with the key", (_what, document) => {
    const text = typeof document === "string" ? document : JSON.stringify(document);
    const bytes = document instanceof Uint8Array ? document : new TextEncoder().encode(text);
    expect(() => parseMetadata(bytes, "cam/zarr.json")).toThrow(
      expect.objectContaining({ code: "CORRUPT", identifier: "cam/zarr.json" }),
    );
  });

  it.each([
    [true, "bool", "01"],
    [-2, "int16", "feff"],
    [255, "uint8", "ff"],
    [-1, "int64", "ffffffffffffffff"],
    [1.5, "float32", "0000c03f"],
    [1, "float16", "003c"],
    ["NaN", "float64", "000000000000f87f"],
    ["-Infinity", "float32", "000080ff"],
    ["0x7fc00001", "float32", "0100c07f"],
  ] as const)("turns the fill value %s of %s into bytes", (fill, dtype, hex) => {
    expect(Buffer.from(fillValueBytes(fill, dtype)).toString("hex")).toBe(hex);
  });

  it("refuses fill values of another kind", () => {
    expect(() => fillValueBytes("a", "uint8")).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
    expect(() => fillValueBytes(2 ** 63, "uint64")).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
    expect(() => fillValueBytes(1.5, "uint8")).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
  });
});
