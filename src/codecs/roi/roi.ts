/**
 * Regions of interest, as plain objects.
 *
 * @see ImageJ, `ij.gui.Roi` and its subclasses; PolyStore `roi.py`
 */
import type { NdArray } from "../../core/nd-array.ts";

/** A place in pixels, from the upper left corner of the image. */
export type RoiPoint = readonly [x: number, y: number];

/** Where a region lies in a stack or hyperstack. Every number counts from 0; one that is absent means: on all of them. */
export interface RoiPosition {
  /** Index in a plain stack. */
  readonly slice?: number | undefined;
  readonly channel?: number | undefined;
  readonly z?: number | undefined;
  readonly t?: number | undefined;
}

/** What ImageJ keeps of a region in one bit each; in the order of the bits. */
export const roiFlags = [
  "splineFit",
  "doubleHeaded",
  "outline",
  "overlayLabels",
  "overlayNames",
  "overlayBackgrounds",
  "overlayBold",
  "subpixel",
  "drawOffset",
  "zeroTransparent",
  "showLabels",
  "scaleLabels",
  "promptBeforeDeleting",
  "scaleStrokeWidth",
] as const;

/** A bit of a region; `subpixel` is a field of its own. */
export type RoiFlag = Exclude<(typeof roiFlags)[number], "subpixel">;

/** What every region has, whatever its form. Absent fields are not set. */
export interface RoiBase {
  /** Says that this is a region. */
  readonly type: "roi";
  readonly name?: string | undefined;
  readonly position?: RoiPosition | undefined;
  /** `#rrggbb` or `#rrggbbaa`. */
  readonly strokeColor?: string | undefined;
  /** In pixels, as float32. */
  readonly strokeWidth?: number | undefined;
  /** `#rrggbb` or `#rrggbbaa`. */
  readonly fillColor?: string | undefined;
  /** From 1 to 65,535. */
  readonly group?: number | undefined;
  /** In the order of {@link roiFlags}. */
  readonly flags?: readonly RoiFlag[] | undefined;
  /** Text by key. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
  /** How labels of an overlay are drawn. */
  readonly label?: { readonly color?: string | undefined; readonly fontSize?: number | undefined } | undefined;
  /**
   * True if the coordinates are float32; false if they are whole numbers, which ImageJ draws differently. `createRoi`
   * chooses.
   */
  readonly subpixel: boolean;
  /**
   * The file it was read from, kept only where that says more than the other fields do. A region that nobody changed is
   * written as just these bytes; of a changed one, what has no name here is taken from them.
   */
  readonly source?: Uint8Array | undefined;
}

/** A rectangle or an ellipse along the axes, by its upper left corner and its extent in pixels. */
export interface BoxRoi extends RoiBase {
  readonly kind: "rectangle" | "ellipse";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Diameter of the rounded corners of a rectangle. */
  readonly cornerDiameter?: number | undefined;
}

/** An outline (`polygon`, `freehand`, `traced`: closed) or a line (`polyline`, `freeline`, `angle`: open). */
export interface PathRoi extends RoiBase {
  readonly kind: "polygon" | "freehand" | "traced" | "polyline" | "freeline" | "angle";
  readonly points: readonly RoiPoint[];
}

/** One or several points. */
export interface PointRoi extends RoiBase {
  readonly kind: "point";
  readonly points: readonly RoiPoint[];
  /** How they are drawn. Default `"hybrid"`. */
  readonly marker?: "hybrid" | "cross" | "dot" | "circle" | undefined;
  /** Size of a marker in pixels on the screen. */
  readonly markerSize?: number | undefined;
  /** For each point the counter that it belongs to (0 to 255) and the number of its slice, from 1; 0 for none. */
  readonly counters?: readonly { readonly counter: number; readonly slice: number }[] | undefined;
}

/** A straight line, or an arrow. */
export interface LineRoi extends RoiBase {
  readonly kind: "line";
  readonly start: RoiPoint;
  readonly end: RoiPoint;
  readonly arrow?:
    | { readonly style: "filled" | "notched" | "open" | "headless" | "bar"; readonly headSize: number }
    | undefined;
}

/** An ellipse in any direction, by the ends of its major axis. */
export interface RotatedEllipseRoi extends RoiBase {
  readonly kind: "rotatedEllipse";
  readonly start: RoiPoint;
  readonly end: RoiPoint;
  /** Minor axis by major axis. */
  readonly aspectRatio: number;
}

/** A rectangle in any direction, by the line through its middle and its width across that line. */
export interface RotatedRectangleRoi extends RoiBase {
  readonly kind: "rotatedRectangle";
  readonly start: RoiPoint;
  readonly end: RoiPoint;
  readonly width: number;
}

/** A step of a path: to a point, along a quadratic or cubic curve with its control points, or back to where it began. */
export type PathSegment =
  | readonly [step: "move" | "line", x: number, y: number]
  | readonly [step: "quad", x1: number, y1: number, x: number, y: number]
  | readonly [step: "cubic", x1: number, y1: number, x2: number, y2: number, x: number, y: number]
  | readonly [step: "close"];

/** Several outlines, with holes. */
export interface CompositeRoi extends RoiBase {
  readonly kind: "composite";
  readonly path: readonly PathSegment[];
}

/**
 * Single pixels. ImageJ has no masks: it is written as the composite around the pixels, which ImageJ shows, with a
 * property from which it loads as a mask again.
 */
export interface MaskRoi extends RoiBase {
  readonly kind: "mask";
  /** Column of the first column of the mask in the image. */
  readonly x: number;
  /** Row of its first row. */
  readonly y: number;
  /** Bool, `[y, x]`, C order; at least one pixel is true. */
  readonly mask: NdArray;
}

/** A box with text. */
export interface TextRoi extends RoiBase {
  readonly kind: "text";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly text: string;
  readonly fontName: string;
  readonly fontSize: number;
  /** Bit 0 is bold, bit 1 italic. */
  readonly fontStyle: number;
  readonly justification: "left" | "center" | "right";
  /** In degrees. */
  readonly angle: number;
}

/** A box with an image, in the format of a file (ImageJ writes TIFF). */
export interface ImageRoi extends RoiBase {
  readonly kind: "image";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly image: Uint8Array;
  /** From 0 to 255. */
  readonly opacity: number;
}

/** A region of interest; `kind` says which. */
export type Roi =
  | BoxRoi
  | PathRoi
  | PointRoi
  | LineRoi
  | RotatedEllipseRoi
  | RotatedRectangleRoi
  | CompositeRoi
  | MaskRoi
  | TextRoi
  | ImageRoi;

/** The forms of regions. */
export type RoiKind = Roi["kind"];

/** True for an object that says that it is a region. Whether its fields are right, saving checks. */
export function isRoi(value: unknown): value is Roi {
  return typeof value === "object" && value !== null && (value as Partial<Roi>).type === "roi";
}
