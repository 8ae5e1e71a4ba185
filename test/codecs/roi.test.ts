import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRoi, type RoiInit } from "../../src/codecs/roi/check-roi.ts";
import { maskInside, outlineOf } from "../../src/codecs/roi/mask-outline.ts";
import { isRoi, type Roi } from "../../src/codecs/roi/roi.ts";
import { roiCodec } from "../../src/codecs/roi/roi-codec.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { rejectionOf } from "../support/rejection.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";
import { everyRoi } from "./roi-values.ts";

describe("regions of interest", () => {
  it.each(everyRoi.map((init) => [`${init.kind} ${init.name ?? ""}`.trim(), init] as const))(
    "%s comes back equal, and says nothing more",
    async (_, init) => {
      const roi = createRoi(init);
      expect(isRoi(roi)).toBe(true);
      expect(await roundTrip(roiCodec, roi)).toEqual(roi);
    },
  );

  it("are what ImageJ's format says, byte by byte", async () => {
    const bytes = await encode(
      roiCodec,
      createRoi({
        kind: "polygon",
        points: [
          [10, 20],
          [13, 20],
          [10, 25],
        ],
        name: "n",
      }),
    );
    const hex = Buffer.from(bytes).toString("hex");
    // Iout, version 228, type 0; top, left, bottom, right; 3 points; … ; second header at 76.
    expect(hex.slice(0, 36)).toBe("496f757400e400000014000a0019000d0003");
    expect(hex.slice(120, 128)).toBe("0000004c");
    expect(hex.slice(128, 152)).toBe("000000030000000000000005");
    // The name at 140, one letter.
    expect(hex.slice(2 * (76 + 16), 2 * (76 + 24))).toBe("0000008c00000001");
    expect(hex.slice(280)).toBe("006e");
  });

  it("createRoi rounds to float32 and chooses subpixel by the coordinates", () => {
    const slanted = createRoi({ kind: "line", start: [0.1, 0], end: [5, 5] });
    expect(slanted).toMatchObject({ subpixel: true, start: [Math.fround(0.1), 0] });
    expect(createRoi({ kind: "point", points: [[3, 4]] }).subpixel).toBe(false);
    expect(createRoi({ kind: "point", points: [[70_000, 4]] }).subpixel).toBe(true);
    expect(createRoi({ kind: "point", points: [[3, 4]], subpixel: true }).subpixel).toBe(true);
  });

  it("saving refuses what the format would change, by name", async () => {
    const wrong: [Partial<Record<string, unknown>>, RegExp][] = [
      [{ kind: "polygon", points: [] }, /at least one point/],
      [{ kind: "polygon", points: [[0.1, 2]], subpixel: true }, /point 0 .* createRoi rounds/],
      [{ kind: "polygon", points: [[0.5, 2]], subpixel: false }, /without subpixel/],
      [{ kind: "blob" }, /"blob" is no kind of region; there are: polygon/],
      [{ kind: "line", start: [0, 0], end: [1, 1], strokeColor: "red" }, /#rrggbb/],
      [{ kind: "line", start: [0, 0], end: [1, 1], group: 70_000 }, /group/],
      [{ kind: "line", start: [0, 0], end: [1, 1], position: { y: 1 } }, /position has no "y"/],
      [{ kind: "line", start: [0, 0], end: [1, 1], position: { z: -1 } }, /position.z counts from 0/],
      [{ kind: "line", start: [0, 0], end: [1, 1], flags: ["subpixel"] }, /flags are of these/],
      [{ kind: "line", start: [0, 0], end: [1, 1], properties: { "a:b": "c" } }, /cannot name a property/],
      [{ kind: "mask", x: 0, y: 0, mask: ndArray(new Uint8Array(4), [2, 2], "bool") }, /no pixel/],
      [{ kind: "mask", x: 0, y: 0, mask: ndArray(new Uint8Array(4), [2, 2]) }, /bool array/],
      [{ kind: "ellipse", x: 0, y: 0, width: -1, height: 2 }, /at least 0/],
      [{ kind: "point", points: [[1, 1]], counters: [] }, /one counter to a point/],
    ];
    for (const [fields, message] of wrong) {
      const error = await rejectionOf(encode(roiCodec, { type: "roi", subpixel: false, ...fields }));
      expect(isStorageError(error, "INVALID_DATA"), String(message)).toBe(true);
      expect(String(error)).toMatch(message);
    }
    expect(String(await rejectionOf(encode(roiCodec, { x: 1 })))).toMatch(/region of interest is needed/);
  });

  it("any points, whole or not, come back equal", async () => {
    const whole = fc.integer({ min: -5000, max: 60_535 });
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    const points = fc.oneof(
      fc.array(fc.tuple(whole, whole), { minLength: 1, maxLength: 40 }),
      fc.array(fc.tuple(float, float), { minLength: 1, maxLength: 40 }),
    );
    const kind = fc.constantFrom("polygon", "polyline", "freehand", "traced", "freeline", "point" as const);
    const law = fc.asyncProperty(points, kind, fc.string({ unit: "binary" }), async (points, kind, name) => {
      const roi = createRoi({ kind, points, ...(name === "" ? {} : { name }) } as RoiInit);
      expect(await roundTrip(roiCodec, roi)).toEqual(roi);
    });
    await fc.assert(law, { numRuns: 200 });
  });

  it("any mask comes back equal, through an outline that holds just its pixels", async () => {
    const law = fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.constantFrom(0, 0, 1, 1, 1), { minLength: 1, maxLength: 80 }),
      fc.integer({ min: -30, max: 40 }),
      async (width, pixels, x) => {
        const height = Math.ceil(pixels.length / width);
        const data = new Uint8Array(width * height);
        data.set(pixels);
        data[0] = 1;
        const mask = ndArray(data, [height, width], "bool");
        expect(maskInside(outlineOf(mask, x, 7), { x, y: 7, width, height })).toEqual(mask);
        const roi = createRoi({ kind: "mask", x, y: 7, mask, name: "m", properties: { area: "3" } });
        expect(await roundTrip(roiCodec, roi)).toEqual(roi);
      },
    );
    await fc.assert(law, { numRuns: 300 });
  });

  it("outlines go around pixels clockwise, around holes the other way, and keep corners apart", () => {
    const ring = ndArray(new Uint8Array([1, 1, 1, 1, 0, 1, 1, 1, 1]), [3, 3], "bool");
    expect(outlineOf(ring, 0, 0)).toEqual(
      [
        ["move", 0, 0],
        ["line", 3, 0],
        ["line", 3, 3],
        ["line", 0, 3],
        ["close"],
        ["move", 1, 2],
        ["line", 2, 2],
        ["line", 2, 1],
        ["line", 1, 1],
        ["close"],
      ].map((s) => s),
    );
    const corners = ndArray(new Uint8Array([1, 0, 0, 1]), [2, 2], "bool");
    expect(outlineOf(corners, 0, 0).filter(([step]) => step === "close")).toHaveLength(2);
  });
});

describe("files of other programs", () => {
  /** A file as ImageJ 1.47 would write it, with an option and a field that are unknown here. */
  async function foreign(
    init: RoiInit = {
      kind: "polygon",
      points: [
        [10, 20],
        [13, 20],
        [10, 25],
      ],
      name: "cell",
    },
  ) {
    const bytes = await encode(roiCodec, createRoi(init));
    const view = new DataView(bytes.buffer);
    view.setInt16(4, 230);
    view.setUint8(7, 0x5a);
    view.setUint16(50, view.getUint16(50) | 0x4000);
    view.setUint32(view.getInt32(60) + 58, 0xdecade00);
    return bytes;
  }

  it("are written byte by byte as they were while nobody changes the region", async () => {
    const bytes = await foreign();
    const roi = (await decode(roiCodec, bytes)) as Roi;
    expect(roi).toMatchObject({ kind: "polygon", name: "cell" });
    expect(roi.source).toEqual(bytes);
    expect(await encode(roiCodec, roi)).toEqual(bytes);
    expect(await encode(roiCodec, { ...roi })).toEqual(bytes);
    expect(await encode(roiCodec, structuredClone(roi))).toEqual(bytes);
  });

  it("leave what is unknown in a region that was changed", async () => {
    const roi = (await decode(roiCodec, await foreign())) as Roi;
    const bytes = await encode(roiCodec, { ...roi, name: "another name", strokeColor: "#ff0000" });
    const view = new DataView(bytes.buffer);
    expect(await decode(roiCodec, bytes)).toMatchObject({
      name: "another name",
      strokeColor: "#ff0000",
      kind: "polygon",
    });
    expect(view.getInt16(4)).toBe(230);
    expect(view.getUint8(7)).toBe(0x5a);
    expect(view.getUint16(50) & 0x4000).toBe(0x4000);
    expect(view.getUint32(view.getInt32(60) + 58)).toBe(0xdecade00);
  });

  it("without a second header, as ImageJ wrote them long ago, load", async () => {
    const bytes = (await encode(roiCodec, createRoi({ kind: "rectangle", x: 3, y: 4, width: 5, height: 6 }))).slice(
      0,
      64,
    );
    new DataView(bytes.buffer).setUint32(60, 0);
    const roi = await decode(roiCodec, bytes);
    expect(roi).toMatchObject({ kind: "rectangle", x: 3, y: 4, width: 5, height: 6, source: bytes });
    expect(await encode(roiCodec, roi)).toEqual(bytes);
    expect(await decode(roiCodec, await encode(roiCodec, { ...(roi as Roi), name: "new" }))).toMatchObject({
      name: "new",
    });
  });

  it("a mask that was moved elsewhere loads as the composite that it is now", async () => {
    const mask = ndArray(new Uint8Array([1]), [1, 1], "bool");
    const bytes = await encode(roiCodec, createRoi({ kind: "mask", x: 3, y: 3, mask }));
    new DataView(bytes.buffer).setFloat32(64 + 4, 9);
    expect(await decode(roiCodec, bytes)).toMatchObject({
      kind: "composite",
      properties: { "sluice.mask": "3 3 1 1" },
    });
  });

  it("cut off anywhere, or of a type that there is not, are refused or are whole", async () => {
    for (const init of everyRoi) {
      const bytes = await encode(roiCodec, createRoi(init));
      const view = new DataView(bytes.buffer);
      const header2 = view.getInt32(60);
      for (let length = 0; length < header2; length++) {
        const error = await rejectionOf(decode(roiCodec, bytes.slice(0, length)));
        expect(isStorageError(error, "CORRUPT"), `${init.kind} cut at ${length}`).toBe(true);
      }
      view.setUint8(6, 6);
      const error = await rejectionOf(decode(roiCodec, bytes));
      expect(isStorageError(error, "UNSUPPORTED", "CORRUPT"), init.kind).toBe(true);
    }
  });

  it("with any bytes changed are a region that is written back as it was, or a typed error", async () => {
    const samples = await Promise.all(everyRoi.map((init) => encode(roiCodec, createRoi(init))));
    const law = fc.asyncProperty(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      async (sample, changes) => {
        const bytes = sample.slice();
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          const roi = (await decode(roiCodec, bytes)) as Roi;
          expect(await encode(roiCodec, roi)).toEqual(bytes);
        } catch (error) {
          if (!(error instanceof StorageError)) throw error;
          expect(["CORRUPT", "UNSUPPORTED", "INVALID_DATA"]).toContain(error.code);
        }
      },
    );
    await fc.assert(law, { numRuns: 1000 });
  });
});
