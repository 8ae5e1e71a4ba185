import { describe, expect, it } from "vitest";
import type { Codec } from "../../src/codecs/codec.ts";
import { CodecSet } from "../../src/codecs/codec-set.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { zeros } from "../../src/core/nd-array.ts";

function codec(name: string, suffixes: string[], mimeTypes: string[] = []): Codec {
  return { name, suffixes, mimeTypes, encode: () => new Uint8Array(), decode: () => name };
}

describe("CodecSet", () => {
  it("finds the longest registered suffix, whatever the case and the dots before it", () => {
    const set = new CodecSet([codec("zip", [".zip"]), codec("roi", [".roi.zip"])]);
    expect(set.forIdentifier("a/b.c/my.cell.ROI.Zip").name).toBe("roi");
    expect(set.forIdentifier("my.proi.zip").name).toBe("zip");
    expect(set.forIdentifier(".roi.zip").name).toBe("roi");
  });

  it("does not take the dots of a directory for a suffix", () => {
    expect(createCodecs().find("plate.tif/readme")).toBeUndefined();
  });

  it("finds by name and by MIME type without regard to case and parameters", () => {
    const set = createCodecs();
    expect(set.get("TIFF").name).toBe("tiff");
    expect(set.forMimeType("Text/CSV; charset=utf-8")?.name).toBe("csv");
    expect(set.forMimeType("application/x-unheard-of")).toBeUndefined();
  });

  it("lets a named format win over the suffix", () => {
    expect(createCodecs().forIdentifier("a.tif", "npy").name).toBe("npy");
  });

  it("answers an unknown suffix or format with those that are known", () => {
    const set = createCodecs();
    expect(() => set.forIdentifier("a.xyz")).toThrow(
      expect.objectContaining({ code: "INVALID_DATA", message: expect.stringContaining(".npy, .npz, .tif, .tiff") }),
    );
    expect(() => set.get("tif")).toThrow(
      expect.objectContaining({ code: "INVALID_DATA", message: expect.stringContaining('Did you mean "tiff"?') }),
    );
  });

  it.each([
    ["name", codec("TIFF", [".new"])],
    ["suffix", codec("mine", [".new", ".TIF"])],
    ["MIME type", codec("mine", [".new"], ["image/TIFF"])],
  ])("refuses a second codec with the same %s and registers nothing of it", (_what, second) => {
    const set = createCodecs();
    expect(() => set.register(second)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
    expect(set.find("a.new")).toBeUndefined();
    expect(set.names).toEqual(createCodecs().names);
  });

  it("replaces a codec with override, and leaves no suffix of the former behind", () => {
    const set = createCodecs();
    const mine = codec("tiff", [".tif"]);
    set.register(mine, { override: true });
    expect(set.forIdentifier("a.tif")).toBe(mine);
    expect(set.find("a.tiff")).toBeUndefined();
    expect(set.forMimeType("image/tiff")).toBeUndefined();
    expect(createCodecs().find("a.tiff")?.name).toBe("tiff");
  });

  it("refuses a suffix without a dot", () => {
    expect(() => new CodecSet([codec("mine", ["tif"])])).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  describe("forValue", () => {
    const set = createCodecs();
    const bytes = Uint8Array.of(1, 2);

    it.each(["a.xyz", "noSuffix", "a.bin", "a.RAW"])("stores bytes as they are under %s", (identifier) => {
      expect(set.forValue(bytes, identifier).name).toBe("bytes");
    });

    it.each(["a.tif", "a.npy", "a.json", "a.txt", "a.ome.tif"])("refuses opaque bytes under %s", (identifier) => {
      expect(() => set.forValue(bytes, identifier)).toThrow(
        expect.objectContaining({ code: "INVALID_DATA", message: expect.stringContaining('format: "bytes"') }),
      );
      expect(set.forValue(bytes, identifier, "bytes").name).toBe("bytes");
    });

    it("stores text under a suffix without a codec, and gives it to the codec of one that has", () => {
      expect(set.forValue("text", "a.log").name).toBe("text");
      expect(set.forValue("text", "a.tif").name).toBe("tiff");
    });

    it("refuses an array under a suffix without a codec", () => {
      expect(() => set.forValue(zeros([2], "uint8"), "a.xyz")).toThrow(
        expect.objectContaining({ code: "INVALID_DATA" }),
      );
    });
  });
});
