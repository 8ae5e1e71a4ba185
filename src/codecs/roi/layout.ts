/**
 * Where things are in ImageJ's file format for regions. All numbers are big-endian.
 *
 * @see ImageJ, `ij.io.RoiDecoder`
 */
import type { RoiKind } from "./roi.ts";

/** "Iout". */
export const MAGIC = 0x496f7574;
/** What is written: ImageJ 1.52t, and the one whose groups have two bytes. */
export const VERSION = 228;
export const VERSION_WIDE_GROUP = 229;
export const HEADER_LENGTH = 64;
export const HEADER2_LENGTH = 64;
/** Bytes of the second header that a file must have for ImageJ to look at it. */
export const HEADER2_MINIMUM = 52;

/** Offsets in the first header. */
export const at = {
  version: 4,
  type: 6,
  reserved: 7,
  top: 8,
  left: 10,
  bottom: 12,
  right: 14,
  count: 16,
  /** Four floats of lines and of boxes with fractions; the number of points where 16 bits are too few. */
  floats: 18,
  strokeWidth: 34,
  shapeLength: 36,
  strokeColor: 40,
  fillColor: 44,
  subtype: 48,
  options: 50,
  /** Style of an arrow, marker of a point; four bytes of one float for rotated forms. */
  style: 52,
  headSize: 53,
  cornerDiameter: 54,
  position: 56,
  header2: 60,
} as const;

/** Offsets in the second header. */
export const at2 = {
  reserved: 0,
  channel: 4,
  z: 8,
  t: 12,
  nameOffset: 16,
  nameLength: 20,
  labelColor: 24,
  labelFontSize: 28,
  group: 30,
  opacity: 31,
  imageLength: 32,
  strokeWidth: 36,
  propertiesOffset: 40,
  propertiesLength: 44,
  countersOffset: 48,
  wideGroup: 52,
  /** Nothing that is known. */
  rest: 54,
} as const;

/** Numbers of the types. A text, an image and a composite are rectangles, the rotated forms freehand outlines. */
export const typeOf: Readonly<Record<RoiKind, number>> = {
  polygon: 0,
  rectangle: 1,
  text: 1,
  image: 1,
  composite: 1,
  mask: 1,
  ellipse: 2,
  line: 3,
  freeline: 4,
  polyline: 5,
  freehand: 7,
  rotatedEllipse: 7,
  rotatedRectangle: 7,
  traced: 8,
  angle: 9,
  point: 10,
};

/** Kinds by the number of their type, where no subtype says otherwise. */
export const kindOfType: ReadonlyMap<
  number,
  "polygon" | "rectangle" | "ellipse" | "line" | "freeline" | "polyline" | "freehand" | "traced" | "angle" | "point"
> = new Map([
  [0, "polygon"],
  [1, "rectangle"],
  [2, "ellipse"],
  [3, "line"],
  [4, "freeline"],
  [5, "polyline"],
  [7, "freehand"],
  [8, "traced"],
  [9, "angle"],
  [10, "point"],
]);

export const subtypes = { text: 1, arrow: 2, ellipse: 3, image: 4, rotatedRectangle: 5 } as const;

/** Bit of the options that says float coordinates. */
export const SUBPIXEL = 1 << 7;

export const arrowStyles = ["filled", "notched", "open", "headless", "bar"] as const;
export const markers = ["hybrid", "cross", "dot", "circle"] as const;
export const justifications = ["left", "center", "right"] as const;

/** Steps of a path by their number, with how many coordinates follow. */
export const steps = [
  ["move", 2],
  ["line", 2],
  ["quad", 4],
  ["cubic", 6],
  ["close", 0],
] as const;

/** The property that tells a mask from another composite: `x y width height`. */
export const MASK_PROPERTY = "sluice.mask";

/** Whole coordinates below this cannot be told from those beyond 32,767. */
export const LEAST_WHOLE = -5000;
/** Whole coordinates end here. */
export const GREATEST_WHOLE = 65_535 + LEAST_WHOLE;
