/** What a region must be before it is written, and the making of new ones. */
import { describe } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";
import { isContiguous, isNdArray, sizeOf } from "../../core/nd-array.ts";
import { arrowStyles, GREATEST_WHOLE, justifications, LEAST_WHOLE, markers, typeOf } from "./layout.ts";
import {
  isRoi,
  type PathSegment,
  type Roi,
  type RoiBase,
  type RoiFlag,
  type RoiKind,
  type RoiPoint,
  roiFlags,
} from "./roi.ts";

/** A region as it is described to {@link createRoi}: `subpixel` is chosen where it is absent. */
export type RoiInit = Roi extends infer R
  ? R extends Roi
    ? Omit<R, "type" | "subpixel"> & { readonly subpixel?: boolean | undefined }
    : never
  : never;

/**
 * A new region. Numbers are rounded to float32, which is all that the format keeps; everything else is taken as it is,
 * and checked. Shares the memory of masks and images.
 *
 * @param init - `kind` and its fields. `subpixel` is true by default where a coordinate has a fraction or is outside of
 * −5000 to 60,535, where whole numbers of the format end.
 * @throws A {@link StorageError} `INVALID_DATA` that names what is wrong.
 * @example
 * ```ts
 * import { createRoi } from "sluice/codecs";
 * const nucleus = createRoi({ kind: "polygon", points: [[10, 10], [30, 12], [20, 31]], name: "nucleus 1" });
 * ```
 */
export function createRoi<K extends RoiKind>(init: RoiInit & { readonly kind: K }): Extract<Roi, { kind: K }> {
  const { subpixel, ...fields } = init;
  const rounded = Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, key === "counters" || key === "position" || key === "label" ? value : round(value)]),
  );
  const roi = { type: "roi", subpixel: false, ...rounded } as unknown as Roi;
  checkRoi({ ...roi, subpixel: true }, "createRoi");
  const made = { ...roi, subpixel: subpixel ?? !coordinatesOf(roi).every(isWhole) };
  checkRoi(made, "createRoi");
  return made as Extract<Roi, { kind: K }>;
}

/** Float32 of every number in a field; arrays of pixels and bytes are left alone. */
function round(value: unknown): unknown {
  // Plus 0, so that no zero has a sign: whole numbers of the format have none.
  if (typeof value === "number") return Math.fround(value) + 0;
  return Array.isArray(value) ? value.map(round) : value;
}

/** All coordinates of a region, x and y in turn. */
export function coordinatesOf(roi: Roi): number[] {
  switch (roi.kind) {
    case "line":
    case "rotatedEllipse":
    case "rotatedRectangle":
      return [...roi.start, ...roi.end];
    case "composite":
      return roi.path.flatMap((segment) => segment.slice(1) as number[]);
    case "rectangle":
    case "ellipse":
    case "text":
    case "image":
      return [roi.x, roi.y, roi.x + roi.width, roi.y + roi.height];
    case "mask":
      return [roi.x, roi.y];
    default:
      return roi.points.flat();
  }
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && value >= LEAST_WHOLE && value <= GREATEST_WHOLE;
}

/**
 * Checks everything that the format could not keep.
 *
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function checkRoi(value: unknown, identifier: string): Roi {
  const fail = (problem: string): never => {
    throw new StorageError("INVALID_DATA", `"${identifier}": ${problem}`, { identifier });
  };
  if (!isRoi(value)) return fail(`a region of interest is needed, see createRoi; got ${describe(value)}`);
  if (!Object.hasOwn(typeOf, value.kind)) {
    return fail(`"${String(value.kind)}" is no kind of region; there are: ${Object.keys(typeOf).join(", ")}`);
  }
  const problem = problemOfBase(value) ?? problemOfForm(value);
  if (problem !== undefined) fail(`${value.kind}${value.name === undefined ? "" : ` "${value.name}"`}: ${problem}`);
  if (!value.subpixel && value.kind !== "mask" && !coordinatesOf(value).every(isWhole)) {
    fail(`${value.kind}: without subpixel, coordinates are whole numbers from ${LEAST_WHOLE} to ${GREATEST_WHOLE}`);
  }
  return value;
}

function problemOfBase(roi: RoiBase): string | undefined {
  const { name, position = {}, group, flags = [], properties = {}, label, source, strokeWidth } = roi;
  const isText = (text: unknown) => text === undefined || typeof text === "string";
  if (typeof roi.subpixel !== "boolean") return "subpixel is true or false";
  if (!isText(name) || name === "") return "a name is text, or absent";
  for (const [axis, index] of Object.entries(position)) {
    if (!["slice", "channel", "z", "t"].includes(axis)) return `position has no "${axis}"; it has slice, channel, z, t`;
    if (index !== undefined && !isCount(index, 0, 2 ** 31 - 2)) return `position.${axis} counts from 0, got ${index}`;
  }
  for (const color of [roi.strokeColor, roi.fillColor, label?.color]) {
    if (color === undefined) continue;
    if (typeof color !== "string" || !/^#[0-9a-f]{6}([0-9a-f]{2})?$/i.test(color) || color === "#00000000") {
      return `a colour is "#rrggbb" or "#rrggbbaa" and not wholly transparent black, got ${JSON.stringify(color)}`;
    }
  }
  if (strokeWidth !== undefined && !(isFloat(strokeWidth) && strokeWidth > 0))
    return "strokeWidth is a float32 above 0";
  if (group !== undefined && !isCount(group, 1, 0xffff)) return "group is a whole number from 1 to 65535";
  if (label?.fontSize !== undefined && !isCount(label.fontSize, 1, 0x7fff)) return "label.fontSize is at least 1";
  const known = roiFlags.filter((flag) => flag !== "subpixel" && flags.includes(flag as RoiFlag));
  if (known.length !== flags.length || known.some((flag, i) => flag !== flags[i])) {
    return `flags are of these, each once, in this order: ${roiFlags.filter((flag) => flag !== "subpixel").join(", ")}`;
  }
  for (const [key, text] of Object.entries(properties)) {
    if (key !== key.trim() || key === "" || /[:=\r\n]/.test(key))
      return `${JSON.stringify(key)} cannot name a property`;
    if (typeof text !== "string" || text !== text.trim() || /[\r\n]/.test(text)) {
      return `property "${key}" is one line of text without space at its ends`;
    }
  }
  return source === undefined || source instanceof Uint8Array ? undefined : "source is the bytes of a file";
}

function problemOfForm(roi: Roi): string | undefined {
  switch (roi.kind) {
    case "point": {
      const { marker, markerSize, counters } = roi;
      if (marker !== undefined && !markers.includes(marker)) return `marker is one of ${markers.join(", ")}`;
      if (markerSize !== undefined && !isCount(markerSize, 1, 0x7fff)) return "markerSize is at least 1";
      if (counters !== undefined && counters.length !== roi.points.length) return "there is one counter to a point";
      if (counters?.some(({ counter, slice }) => !isCount(counter, 0, 0xff) || !isCount(slice, 0, 0xffffff))) {
        return "a counter is from 0 to 255, its slice from 0 to 16777215";
      }
      return problemOfPoints(roi.points);
    }
    case "line": {
      const { arrow } = roi;
      if (arrow !== undefined && !(arrowStyles.includes(arrow.style) && isCount(arrow.headSize, 0, 0xff))) {
        return `an arrow has a style (${arrowStyles.join(", ")}) and a headSize from 0 to 255`;
      }
      return problemOfPoints([roi.start, roi.end]);
    }
    case "rotatedEllipse":
      return isFloat(roi.aspectRatio) ? problemOfPoints([roi.start, roi.end]) : "aspectRatio is a float32";
    case "rotatedRectangle":
      return isFloat(roi.width) ? problemOfPoints([roi.start, roi.end]) : "width is a float32";
    case "composite":
      return problemOfPath(roi.path);
    case "mask":
      if (!isNdArray(roi.mask) || roi.mask.dtype !== "bool" || roi.mask.shape.length !== 2) {
        return "mask is a bool array [y, x]";
      }
      if (!isContiguous(roi.mask)) return "mask is in C order; contiguous() makes it so";
      if (!roi.mask.data.subarray(0, sizeOf(roi.mask.shape)).includes(1 as never))
        return "no pixel of the mask is true";
      return isCount(roi.x, -(2 ** 23), 2 ** 23) && isCount(roi.y, -(2 ** 23), 2 ** 23)
        ? undefined
        : "x and y of a mask are whole numbers";
    case "text":
      if (![roi.text, roi.fontName].every((text) => typeof text === "string")) return "text and fontName are text";
      if (!isCount(roi.fontSize, 0, 0x7fffffff) || !isCount(roi.fontStyle, 0, 0xff)) return "fontSize is at least 0";
      if (!justifications.includes(roi.justification)) return `justification is one of ${justifications.join(", ")}`;
      return isFloat(roi.angle) ? problemOfBox(roi) : "angle is a float32";
    case "image":
      if (!(roi.image instanceof Uint8Array) || roi.image.length === 0) return "image is the bytes of an image file";
      return isCount(roi.opacity, 0, 0xff) ? problemOfBox(roi) : "opacity is from 0 to 255";
    case "rectangle":
    case "ellipse": {
      const { cornerDiameter } = roi;
      if (cornerDiameter !== undefined && !(roi.kind === "rectangle" && isCount(cornerDiameter, 1, 0x7fff))) {
        return "cornerDiameter is a whole number of at least 1, and only rectangles have one";
      }
      return problemOfBox(roi);
    }
    default:
      return problemOfPoints(roi.points);
  }
}

function problemOfBox({ x, y, width, height }: { x: number; y: number; width: number; height: number }) {
  if (![x, y, width, height].every(isFloat)) return "x, y, width and height are float32";
  return width >= 0 && height >= 0 ? undefined : "width and height are at least 0";
}

function problemOfPoints(points: readonly RoiPoint[]): string | undefined {
  if (!Array.isArray(points) || points.length === 0) return "at least one point [x, y] is needed";
  const wrong = points.findIndex((point) => !(Array.isArray(point) && point.length === 2 && point.every(isFloat)));
  return wrong < 0 ? undefined : `point ${wrong} is no pair [x, y] of float32 numbers; createRoi rounds`;
}

function problemOfPath(path: readonly PathSegment[]): string | undefined {
  const lengths = { move: 3, line: 3, quad: 5, cubic: 7, close: 1 };
  if (!Array.isArray(path) || path.length === 0) return "a path has at least one segment";
  const wrong = path.findIndex(
    (segment) =>
      !Array.isArray(segment) ||
      lengths[segment[0] as keyof typeof lengths] !== segment.length ||
      !segment.slice(1).every(isFloat),
  );
  return wrong < 0 ? undefined : `segment ${wrong} of the path is none, such as ["line", x, y] in float32`;
}

function isFloat(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && Object.is(Math.fround(value), value);
}

function isCount(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
