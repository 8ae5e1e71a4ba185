/** Decides where each item of a batch goes, before anything is written. Pure. */
import { describe } from "../../../src/core/checks.ts";
import type { DType } from "../../../src/core/dtype.ts";
import { type ErrorContext, StorageError } from "../../../src/core/errors.ts";
import { isInside, joinKey, normalizeKey, parentKey } from "../../../src/core/key.ts";
import { compareNatural } from "../../../src/core/natural-sort.ts";
import { copyInto, isNdArray, type NdArray, zeros } from "../../../src/core/nd-array.ts";
import { type Cast, castArray } from "../cast.ts";
import { ALPHANUMERIC } from "./check-plate.ts";
import type { NgffAcquisition, NgffAxis } from "./model.ts";

/** Where an item stands along an axis: what its file name says, `"w2"`, or a number. */
export type BatchLabel = string | number;

/** One axis of a batch beside the two of its images. */
export interface BatchAxis {
  readonly name: string;
  /** `time`, `channel`, `space`, or a word of one's own. Default: that of the names t, c and z. */
  readonly type?: string | undefined;
  readonly unit?: string | undefined;
  /** All labels, in the order of the array. Default: those that occur, in natural order. */
  readonly labels?: readonly BatchLabel[] | undefined;
}

/** How the items of a batch, which are images `[y, x]`, make up the images of a well. */
export interface BatchLayout {
  /** Axes before y and x, in the order of the array. */
  readonly axes: readonly BatchAxis[];
  /** Name of the axis whose labels are the images (fields of view) of the well, and no axis of an array. */
  readonly image?: string | undefined;
  /** For each item its label along every axis. Every combination of labels occurs exactly once. */
  readonly coordinates: readonly Readonly<Record<string, BatchLabel>>[];
  /** Name of the row of the well: `A`, `AA`, `R01`. */
  readonly row: string;
  /** Name of the column: `01`, `C02`. */
  readonly column: string | number;
  /** The measurement that the images are of. Default 0. */
  readonly acquisition?: number | NgffAcquisition | undefined;
}

/** One image that a batch makes. */
export interface BatchImage {
  /** Name below the well. */
  readonly path: string;
  /** Number of each item, with its place along the axes before y and x. */
  readonly items: readonly { readonly item: number; readonly index: readonly number[] }[];
}

/** Where everything of a batch goes. */
export interface BatchPlan {
  /** Key of the group of the plate. */
  readonly plate: string;
  readonly row: string;
  readonly column: string;
  readonly images: readonly BatchImage[];
  /** Of the arrays, y and x included. */
  readonly axes: readonly NgffAxis[];
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Labels of the axes before y and x. */
  readonly labels: readonly (readonly BatchLabel[])[];
  /** Paths of the items, relative to the plate. */
  readonly files: readonly string[];
  readonly acquisition: NgffAcquisition;
}

const usualTypes: Readonly<Record<string, string>> = { t: "time", c: "channel", z: "space" };

/**
 * Checks a batch against its layout.
 *
 * @param paths - Where each item is found again, below the plate.
 * @param plate - Default: the folder that the first path is in.
 * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `INVALID_KEY`.
 */
export function planBatch(
  dataList: readonly unknown[],
  paths: readonly string[],
  layout: BatchLayout,
  options: {
    readonly plate?: string | undefined;
    readonly cast?: Cast | undefined;
    readonly units?: Readonly<Record<string, string>> | undefined;
  },
  context: ErrorContext,
): BatchPlan {
  const fail = (message: string) => new StorageError("INVALID_DATA", message, context);
  const { row, image, coordinates } = layout;
  const column = String(layout.column);
  for (const name of ["row", "column"] as const) {
    if (layout[name] === undefined) throw fail(`The layout has no "${name}": one batch is one well, and says which`);
  }
  if (dataList.length !== paths.length) throw fail(`${dataList.length} values for ${paths.length} identifiers`);
  if (dataList.length === 0) throw fail("A batch with a layout has at least one item");
  if (!ALPHANUMERIC.test(row)) throw fail(`The row of a well has letters and digits only, got ${JSON.stringify(row)}`);
  if (!ALPHANUMERIC.test(column)) throw fail(`The column of a well has letters and digits only, got "${column}"`);
  checkAxes(layout, fail);
  const labels = layout.axes.map((axis) => labelsOf(axis, coordinates, fail));
  const places = placesOf(layout, labels, dataList.length, fail);
  const { shape: plane, dtype } = checkItems(dataList, paths, options.cast, context);
  const keys = paths.map((path) => normalizeKey(path));
  const plate = options.plate === undefined ? parentKey(keys[0] as string) : normalizeKey(options.plate);
  const at = layout.axes.findIndex(({ name }) => name === image);
  const isKept = (_: unknown, axis: number) => axis !== at;
  const names = (labels[at] ?? ["0"]).map((label) => imageName(label, image ?? "", fail));
  if (new Set(names).size < names.length) throw fail(`Labels of "${image}" are not different as names of images`);
  const images = names.map((path, index): BatchImage => {
    const items = places.flatMap((place, item) => {
      const isHere = at < 0 || place[at] === index;
      return isHere ? [{ item, index: place.filter(isKept) }] : [];
    });
    return { path, items };
  });
  const leading = layout.axes.filter(isKept);
  const unit = (name: string, own?: string) => {
    const found = options.units?.[name] ?? own;
    return found === undefined ? {} : { unit: found };
  };
  return {
    plate,
    row,
    column,
    images,
    axes: [
      ...leading.map(({ name, type, unit: own }) => ({
        name,
        type: type ?? (usualTypes[name] as string),
        ...unit(name, own),
      })),
      ...["y", "x"].map((name) => ({ name, type: "space", ...unit(name) })),
    ],
    shape: [...labels.filter(isKept).map(({ length }) => length), ...plane],
    dtype,
    labels: labels.filter(isKept),
    files: filesBelow(plate, keys, context),
    acquisition: typeof layout.acquisition === "object" ? layout.acquisition : { id: layout.acquisition ?? 0 },
  };
}

/** One image of a batch, put together. */
export function assemble(
  { items }: BatchImage,
  { shape, dtype }: BatchPlan,
  dataList: readonly unknown[],
  cast: Cast | undefined,
): NdArray {
  const whole = zeros(shape, dtype);
  const leading = shape.slice(0, -2);
  for (const { item, index } of items) {
    const offset = leading.reduce((sum, _, axis) => sum + (index[axis] as number) * (whole.stride[axis] as number), 0);
    const plane = dataList[item] as NdArray;
    copyInto(cast === undefined ? plane : castArray(plane, cast), whole.data, offset);
  }
  return whole;
}

function checkAxes({ axes, image }: BatchLayout, fail: (message: string) => StorageError): void {
  if (image !== undefined && !axes.some(({ name }) => name === image)) {
    throw fail(`image is "${image}", and no such axis is among ${axes.map(({ name }) => name).join(", ") || "none"}`);
  }
  const seen = new Set<string>(["y", "x"]);
  for (const { name, type } of axes) {
    if (typeof name !== "string" || name === "") throw fail(`An axis must have a name, got ${JSON.stringify(name)}`);
    if (seen.has(name)) {
      throw fail(
        name === "y" || name === "x" ? `"${name}" is an axis of the items themselves` : `Axis "${name}" is there twice`,
      );
    }
    seen.add(name);
    if (name !== image && type === undefined && usualTypes[name] === undefined) {
      throw fail(`Axis "${name}" needs a type: pass { name, type }; only t, c and z go without`);
    }
  }
}

function labelsOf(
  { name, labels }: BatchAxis,
  coordinates: BatchLayout["coordinates"],
  fail: (message: string) => StorageError,
): BatchLabel[] {
  if (labels !== undefined) {
    if (labels.length === 0 || new Set(labels).size < labels.length) {
      throw fail(`The labels of axis "${name}" must be different, and at least one: ${JSON.stringify(labels)}`);
    }
    return [...labels];
  }
  const found = [...new Set(coordinates.map((coordinate) => coordinate?.[name]))].filter(
    (label) => label !== undefined,
  );
  return found.sort((a, b) => compareNatural(String(a), String(b)));
}

function placesOf(
  { axes, coordinates }: BatchLayout,
  labels: readonly (readonly BatchLabel[])[],
  count: number,
  fail: (message: string) => StorageError,
): number[][] {
  if (!Array.isArray(coordinates) || coordinates.length !== count) {
    throw fail(`${coordinates?.length ?? "No"} coordinates for ${count} items`);
  }
  const seen = new Map<string, number>();
  const places = coordinates.map((coordinate: Readonly<Record<string, BatchLabel>>, item) => {
    const stray = Object.keys(coordinate).find((name) => !axes.some((axis) => axis.name === name));
    if (stray !== undefined) throw fail(`Item ${item} has a coordinate "${stray}", which is no axis of the layout`);
    const place = axes.map(({ name }, axis) => {
      const label = coordinate[name] as BatchLabel;
      if (label === undefined) throw fail(`Item ${item} has no coordinate "${name}", which is an axis of the layout`);
      const index = (labels[axis] as readonly BatchLabel[]).indexOf(label);
      if (index >= 0) return index;
      const known = JSON.stringify(labels[axis]);
      throw fail(`Item ${item} is at ${JSON.stringify(label) ?? "nothing"} of axis "${name}", which has ${known}`);
    });
    const twin = seen.get(String(place));
    if (twin !== undefined)
      throw fail(`Items ${twin} and ${item} are at the same place: ${JSON.stringify(coordinate)}`);
    seen.set(String(place), item);
    return place;
  });
  const needed = labels.reduce((product, { length }) => product * length, 1);
  if (needed === count) return places;
  const sizes = axes.map(({ name }, axis) => `${name} ${labels[axis]?.length}`).join(" × ");
  throw fail(`A layout of ${sizes} needs ${needed} items, one at every place, got ${count}`);
}

function checkItems(
  dataList: readonly unknown[],
  paths: readonly string[],
  cast: Cast | undefined,
  context: ErrorContext,
): { shape: readonly number[]; dtype: DType } {
  const [first] = dataList as NdArray[];
  dataList.forEach((value, item) => {
    const at = { ...context, identifier: paths[item] };
    if (!isNdArray(value) || value.shape.length !== 2) {
      throw new StorageError("INVALID_DATA", `Item ${item} must be an array [y, x], got ${describe(value)}`, at);
    }
    const { shape, dtype } = first as NdArray;
    if (value.shape.some((length, axis) => length !== shape[axis])) {
      const message = `Item ${item} has the shape [${value.shape.join(", ")}], and the first [${shape.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", message, at);
    }
    if (cast === undefined && value.dtype !== dtype) {
      const message = `Item ${item} is ${value.dtype}, and the first ${dtype}; pass cast: { to, mode } to make them alike`;
      throw new StorageError("DTYPE_MISMATCH", message, at);
    }
    // What the rule does not allow must show before the first write.
    if (cast !== undefined) castArray(value, cast);
  });
  const { shape, dtype } = first as NdArray;
  return { shape, dtype: cast?.to ?? dtype };
}

function imageName(label: BatchLabel, axis: string, fail: (message: string) => StorageError): string {
  const name = String(label);
  if (ALPHANUMERIC.test(name)) return name;
  throw fail(`Label "${name}" of axis "${axis}" is the name of an image, which has letters and digits only`);
}

function filesBelow(plate: string, keys: readonly string[], context: ErrorContext): string[] {
  const seen = new Set<string>();
  return keys.map((key) => {
    if (key === plate || !isInside(key, plate)) {
      throw new StorageError("INVALID_KEY", `"${key}" is not below the plate "${plate}"`, {
        ...context,
        identifier: key,
      });
    }
    if (seen.has(key)) {
      throw new StorageError("INVALID_DATA", `"${key}" occurs twice in the batch`, { ...context, identifier: key });
    }
    seen.add(key);
    return plate === "" ? key : key.slice(joinKey(plate, "").length);
  });
}
