import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskInside } from "../../src/codecs/roi/mask-outline.ts";
import type { PathSegment, Roi } from "../../src/codecs/roi/roi.ts";
import { roiArchiveCodec } from "../../src/codecs/roi/roi-archive-codec.ts";
import { roisFromLabels } from "../../src/codecs/roi/rois-from-labels.ts";
import { type NdArray, ndArray, sliceArray, zeros } from "../../src/core/nd-array.ts";
import { rejectionOf } from "../support/rejection.ts";
import { roundTrip } from "./codec-calls.ts";

/** Labels as they are drawn: a line for each row, `.` for the background. */
function drawn(text: string): NdArray {
  const rows = text.trim().split(/\s+/);
  const values = rows.flatMap((row) => [...row].map((letter) => (letter === "." ? 0 : Number(letter))));
  return ndArray(Uint16Array.from(values), [rows.length, (rows[0] as string).length]);
}

/** Fills outlines of an image of labels again, each with the number that its properties say. */
function painted(rois: readonly Roi[], shape: readonly number[]): number[] {
  const [height, width] = shape as [number, number];
  const out = new Array<number>(height * width).fill(0);
  for (const roi of rois) {
    const label = Number(roi.properties?.label);
    if (roi.kind === "mask") {
      const columns = roi.mask.shape[1] as number;
      roi.mask.data.forEach((pixel: number | bigint, at: number) => {
        if (pixel === 1) out[(roi.y + Math.floor(at / columns)) * width + roi.x + (at % columns)] = label;
      });
      continue;
    }
    const points = roi.kind === "polygon" ? roi.points : [];
    const path: PathSegment[] =
      roi.kind === "composite"
        ? [...roi.path]
        : [...points.map(([x, y], i) => [i === 0 ? "move" : "line", x, y] as const), ["close"]];
    const mask = maskInside(path, { x: 0, y: 0, width, height });
    mask?.data.forEach((pixel: number | bigint, at: number) => {
      if (pixel === 1) out[at] = label;
    });
  }
  return out;
}

describe("regions from an image of labels", () => {
  it("are polygons along the sides of pixels, in the order of the labels", () => {
    const [seven, nine, ...others] = roisFromLabels(drawn("..77 9.77 ...."));
    expect([seven, others]).toEqual([
      {
        type: "roi",
        kind: "polygon",
        subpixel: false,
        points: [
          [2, 0],
          [4, 0],
          [4, 2],
          [2, 2],
        ],
        name: "7",
        properties: { label: "7", area: "4" },
      },
      [],
    ]);
    expect(nine).toMatchObject({ name: "9", properties: { label: "9", area: "1" } });
  });

  it("follow every corner of what is no rectangle", () => {
    const [roi] = roisFromLabels(drawn("11. 1.. 111"));
    const points = roi?.kind === "polygon" ? roi.points.map((point) => point.join()) : [];
    expect(points).toEqual(["0,0", "2,0", "2,1", "1,1", "1,2", "3,2", "3,3", "0,3"]);
  });

  it("are composites where there are holes, or several pieces, also those that touch by a corner", () => {
    const pieces = (text: string) => {
      const [roi] = roisFromLabels(drawn(text));
      return roi?.kind === "composite" ? roi.path.filter(([step]) => step === "move").length : roi?.kind;
    };
    expect([pieces("111 1.1 111"), pieces("1.1"), pieces("1. .1"), pieces("11 11")]).toEqual([2, 2, 2, "polygon"]);
  });

  it("leave out what is small, take another background, names and a position, and are masks if asked", () => {
    const labels = drawn("1122 3.22");
    expect(roisFromLabels(labels, { minArea: 2 }).map(({ name }) => name)).toEqual(["1", "2"]);
    const others = roisFromLabels(labels, { background: 2, name: (label) => `cell ${label}`, position: { z: 3 } });
    expect(others.map(({ name, position }) => [name, position])).toEqual([
      ["cell 0", { z: 3 }],
      ["cell 1", { z: 3 }],
      ["cell 3", { z: 3 }],
    ]);
    const [mask] = roisFromLabels(labels, { as: "mask", minArea: 4 });
    expect(mask).toMatchObject({ kind: "mask", x: 2, y: 0, mask: { shape: [2, 2] }, properties: { area: "4" } });
    expect(roisFromLabels(zeros([0, 5], "uint8"))).toEqual([]);
    expect(roisFromLabels(zeros([4, 5], "uint8"))).toEqual([]);
  });

  it("take every whole type, views too, also labels that no number holds", () => {
    const volume = ndArray(BigUint64Array.of(0n, 0n, 2n ** 63n, 5n, 2n ** 63n, 0n), [1, 2, 3]);
    const rois = roisFromLabels(sliceArray(volume, [0, [0, 2], [1, 3]]));
    expect(rois.map(({ properties }) => properties)).toEqual([{ label: String(2n ** 63n), area: "2" }]);
    expect(roisFromLabels(ndArray(Int8Array.of(-3, 0), [1, 2])).map(({ name }) => name)).toEqual(["-3"]);
  });

  it.each(["outline", "mask"] as const)("fill exactly their pixels, and come back from an archive: %s", async (as) => {
    const labelled = fc
      .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
      .chain(([height, width]) =>
        fc
          .array(fc.integer({ min: 0, max: 3 }), { minLength: height * width, maxLength: height * width })
          .map((values) => ndArray(Uint8Array.from(values), [height, width])),
      );
    await fc.assert(
      fc.asyncProperty(labelled, async (labels) => {
        const rois = roisFromLabels(labels, { as });
        expect(painted(rois, labels.shape)).toEqual([...labels.data]);
        const loaded = (await roundTrip(roiArchiveCodec, rois)) as Roi[];
        expect(loaded).toEqual(rois);
      }),
      { numRuns: 60 },
    );
  });

  it("refuse what is no plane of labels", async () => {
    const cases: [unknown, object, string][] = [
      [zeros([4], "uint8"), {}, "INVALID_DATA"],
      [zeros([2, 2, 2], "uint8"), {}, "INVALID_DATA"],
      [zeros([2, 2], "float32"), {}, "DTYPE_MISMATCH"],
      [zeros([2, 2], "bool"), {}, "DTYPE_MISMATCH"],
      ["labels", {}, "INVALID_DATA"],
      [zeros([2, 2], "uint8"), { as: "points" }, "INVALID_DATA"],
      [zeros([2, 2], "uint8"), { minArea: "9" }, "INVALID_DATA"],
      [zeros([2, 2], "uint8"), { background: 0.5 }, "INVALID_DATA"],
    ];
    for (const [labels, options, code] of cases) {
      expect((await rejectionOf(() => roisFromLabels(labels as NdArray, options))).code).toBe(code);
    }
  });
});
