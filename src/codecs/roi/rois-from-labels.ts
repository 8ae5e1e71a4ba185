/** Regions of interest from an image of labels, as segmentation makes them. */
import { checkNdArray } from "../../core/checks.ts";
import { dtypes } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { contiguous, type NdArray, ndArray } from "../../core/nd-array.ts";
import { createRoi } from "./check-roi.ts";
import { outlineOf } from "./mask-outline.ts";
import type { CompositeRoi, MaskRoi, PathRoi, PathSegment, RoiBase, RoiPoint } from "./roi.ts";

/** Options of {@link roisFromLabels}. */
export interface LabelRoiOptions {
  /**
   * What a label becomes. `"outline"`: a `polygon` along the sides of its pixels, or a `composite` where it has holes or
   * several pieces. `"mask"`: its pixels. Either is exactly the label. Default `"outline"`.
   */
  readonly as?: "outline" | "mask" | undefined;
  /** Labels of fewer pixels are left out. Default 1. */
  readonly minArea?: number | undefined;
  /** What is not an object. Default 0. */
  readonly background?: number | undefined;
  /** Where the regions lie in a stack. */
  readonly position?: RoiBase["position"];
  /** Names the region of a label. Default: its number. */
  readonly name?: ((label: bigint) => string) | undefined;
}

/** Pixels of a label, and the box around them, both ends included. */
interface Extent {
  area: number;
  readonly y0: number;
  x0: number;
  x1: number;
  y1: number;
}

/**
 * A region of interest for each label of an image, ordered by label. Each has the properties `label` and `area` (in
 * pixels), and fills exactly the pixels of its label: coordinates are corners of pixels, pixels that touch only by a
 * corner are separate pieces of it.
 *
 * @param labels - Whole numbers, `[y, x]`, any strides. Not changed, and not shared.
 * @throws A {@link StorageError} `INVALID_DATA` for other than two axes, `DTYPE_MISMATCH` for other than whole numbers.
 * @example
 * ```ts
 * import { ndArray } from "sluice";
 * import { roisFromLabels } from "sluice/codecs";
 * const labels = ndArray(Uint16Array.of(0, 7, 7, 0, 7, 7), [2, 3]);
 * const [cell] = roisFromLabels(labels); // polygon (1, 0) (3, 0) (3, 2) (1, 2), properties { label: "7", area: "4" }
 * ```
 * @see PolyStore `roi.py`, `extract_rois_from_labeled_mask`
 */
export function roisFromLabels(labels: NdArray, options: LabelRoiOptions = {}): (PathRoi | CompositeRoi | MaskRoi)[] {
  const { as = "outline", minArea = 1, background = 0, position, name = String } = options;
  checkNdArray(labels, { operation: "roisFromLabels" });
  if (!["u", "i"].includes(dtypes[labels.dtype].kind)) {
    throw invalid("DTYPE_MISMATCH", `Labels are whole numbers, not ${labels.dtype}`);
  }
  if (labels.shape.length !== 2) {
    throw invalid("INVALID_DATA", `Labels of one plane [y, x] are needed, got [${labels.shape.join(", ")}]`);
  }
  if (as !== "outline" && as !== "mask") throw invalid("INVALID_DATA", `as must be "outline" or "mask"`);
  if (!Number.isFinite(minArea)) throw invalid("INVALID_DATA", `minArea must be a number, got ${String(minArea)}`);
  if (!Number.isSafeInteger(background)) {
    throw invalid("INVALID_DATA", `background must be a whole number, got ${String(background)}`);
  }
  const plane = contiguous(labels);
  const extents = [...extentsOf(plane, background)].filter(([, { area }]) => area >= minArea);
  extents.sort(([a], [b]) => (a < b ? -1 : 1));
  return extents.map(([label, extent]) => {
    const { x0, y0, area } = extent;
    const mask = maskOf(plane, label, extent);
    const properties = { label: String(label), area: String(area) };
    const base = { name: name(BigInt(label)), properties, ...(position === undefined ? {} : { position }) };
    if (as === "mask") return createRoi({ kind: "mask", x: x0, y: y0, mask, ...base });
    return outlineRoi(outlineOf(mask, x0, y0), base);
  });
}

function outlineRoi(
  path: readonly PathSegment[],
  base: Pick<RoiBase, "name" | "properties" | "position">,
): PathRoi | CompositeRoi {
  const isOne = path.filter(([step]) => step === "move").length === 1;
  if (!isOne) return createRoi({ kind: "composite", path, ...base });
  const points = path.flatMap((segment) => {
    const [step, ...at] = segment;
    return step === "close" ? [] : [at as unknown as RoiPoint];
  });
  return createRoi({ kind: "polygon", points, ...base });
}

/** All labels, in one pass. */
function extentsOf({ data, shape }: NdArray, background: number): Map<number | bigint, Extent> {
  const [height, width] = shape as [number, number];
  const found = new Map<number | bigint, Extent>();
  const none = typeof data[0] === "bigint" ? BigInt(background) : background;
  let last: number | bigint = none;
  let extent: Extent | undefined;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const label = data[at] as number | bigint;
      if (label === none) continue;
      // Neighbours have the same label, nearly always.
      if (label !== last || extent === undefined) {
        extent = found.get(label);
        if (extent === undefined) {
          extent = { area: 0, x0: x, y0: y, x1: x, y1: y };
          found.set(label, extent);
        }
        last = label;
      }
      extent.area++;
      if (x < extent.x0) extent.x0 = x;
      if (x > extent.x1) extent.x1 = x;
      extent.y1 = y;
    }
  }
  return found;
}

function maskOf({ data, shape }: NdArray, label: number | bigint, { x0, y0, x1, y1 }: Extent): NdArray {
  const [height, width] = [y1 - y0 + 1, x1 - x0 + 1];
  const mask = new Uint8Array(height * width);
  for (let y = 0; y < height; y++) {
    const row = (y0 + y) * (shape[1] as number) + x0;
    for (let x = 0; x < width; x++) if (data[row + x] === label) mask[y * width + x] = 1;
  }
  return ndArray(mask, [height, width], "bool");
}

function invalid(code: "INVALID_DATA" | "DTYPE_MISMATCH", message: string): StorageError {
  return new StorageError(code, message, { operation: "roisFromLabels" });
}
