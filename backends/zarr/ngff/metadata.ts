/** Makes the metadata of OME-NGFF, complete, from what people say of their images. Pure. */
import type { DType } from "../../../src/core/dtype.ts";
import { dtypes } from "../../../src/core/dtype.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { naturalSort } from "../../../src/core/natural-sort.ts";
import type {
  NgffAcquisition,
  NgffAxis,
  NgffChannel,
  NgffMultiscale,
  NgffOmero,
  NgffPlate,
  NgffTransformation,
  NgffWindow,
} from "./model.ts";

/** Axes that need only their name. */
const knownAxes: Readonly<Record<string, NgffAxis>> = {
  t: { name: "t", type: "time" },
  c: { name: "c", type: "channel" },
  z: { name: "z", type: "space" },
  y: { name: "y", type: "space" },
  x: { name: "x", type: "space" },
};

/** An axis, or one of the names `t`, `c`, `z`, `y`, `x`. */
export type AxisInput = string | NgffAxis;

/** A number for each axis, or for those named; the others have the usual one. */
export type PerAxis<T> = readonly T[] | Readonly<Record<string, T>>;

/** What is said of a channel; everything has a default. */
export interface ChannelInput {
  /** Name. */
  readonly label?: string | undefined;
  /** Six hexadecimal digits, with or without `#`. Default: the colours of fluorescence in turn; one alone is white. */
  readonly color?: string | undefined;
  /** Default: the range of the type, of which all is shown. */
  readonly window?: Partial<NgffWindow> | undefined;
  readonly active?: boolean | undefined;
}

/** What {@link multiscaleOf} is made of. */
export interface MultiscaleInput {
  readonly axes: readonly NgffAxis[];
  /** Path of each level, and the elements of full resolution that one of it stands for. */
  readonly levels: readonly { readonly path: string; readonly factors: readonly number[] }[];
  /** Physical size of one element of full resolution along each axis. */
  readonly scale: readonly number[];
  /** Physical place of the first element. */
  readonly translation?: readonly number[] | undefined;
  readonly name?: string | undefined;
  /** How the levels were made. Means and modes lie in the middle of their blocks, `nearest` on its first element. */
  readonly method?: "mean" | "nearest" | "mode" | undefined;
}

const colors = ["0000FF", "00FF00", "FF0000", "FF00FF", "00FFFF", "FFFF00"];

/**
 * The axes of an image.
 *
 * @param input - Default: the last of t, c, z, y, x.
 * @param units - Unit by name of the axis.
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function axesOf(
  input: readonly AxisInput[] | undefined,
  rank: number,
  units: Readonly<Record<string, string>> = {},
): NgffAxis[] {
  const list = input ?? ["t", "c", "z", "y", "x"].slice(-rank);
  if (list.length !== rank) {
    throw invalid(`${list.length} axes (${list.map(nameOf).join(", ")}) for an array of ${rank} axes`);
  }
  const stray = Object.keys(units).find((name) => !list.some((axis) => nameOf(axis) === name));
  if (stray !== undefined) throw invalid(`There is a unit for "${stray}", and no such axis`);
  return list.map((axis) => {
    const known = typeof axis === "string" ? knownAxes[axis] : axis;
    if (known === undefined) {
      throw invalid(`Axis "${nameOf(axis)}" needs a type: pass { name, type }; only t, c, z, y, x go without`);
    }
    const unit = units[known.name] ?? known.unit;
    return { name: known.name, ...(known.type ? { type: known.type } : {}), ...(unit === undefined ? {} : { unit }) };
  });
}

/**
 * One number for each axis.
 *
 * @throws A {@link StorageError} `INVALID_DATA`.
 */
export function perAxis(
  what: string,
  value: PerAxis<number> | undefined,
  axes: readonly NgffAxis[],
  usual: number,
): number[] {
  if (value === undefined) return axes.map(() => usual);
  const isList = Array.isArray(value);
  const stray = isList ? undefined : Object.keys(value).find((name) => !axes.some((axis) => axis.name === name));
  if (stray !== undefined) throw invalid(`${what} has a number for "${stray}", and there is no such axis`);
  const numbers = isList
    ? [...value]
    : axes.map(({ name }) => (value as Readonly<Record<string, number>>)[name] ?? usual);
  if (numbers.length === axes.length && numbers.every(Number.isFinite)) return numbers;
  throw invalid(`${what} must have ${axes.length} numbers, got ${JSON.stringify(value)}`);
}

/** The metadata of one image in several resolutions. */
export function multiscaleOf(input: MultiscaleInput): NgffMultiscale {
  const { axes, levels, scale, name, method } = input;
  const origin = input.translation ?? axes.map(() => 0);
  const datasets = levels.map(({ path, factors }) => {
    // An element stands at its middle: one that is the mean of several stands between them.
    const shift = factors.map((factor, axis) =>
      method === "nearest" ? 0 : ((factor - 1) / 2) * (scale[axis] as number),
    );
    const translation = origin.map((at, axis) => at + (shift[axis] as number));
    const transformations: NgffTransformation[] = [
      { type: "scale", scale: factors.map((factor, axis) => factor * (scale[axis] as number)) },
    ];
    if (translation.some((at) => at !== 0)) transformations.push({ type: "translation", translation });
    return { path, coordinateTransformations: transformations };
  });
  const factors = levels.map((level) => [...level.factors]);
  return {
    ...(name === undefined ? {} : { name }),
    axes,
    datasets,
    ...(method === undefined ? {} : { type: method, metadata: { method, factors } }),
  };
}

/**
 * How the channels are shown.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for a colour that is none.
 */
export function omeroOf(channels: readonly ChannelInput[], dtype: DType, name?: string): NgffOmero {
  const range = rangeOf(dtype);
  const made = channels.map(({ label, color, window, active = true }, index): NgffChannel => {
    const usual = channels.length === 1 ? "FFFFFF" : (colors[index % colors.length] as string);
    const digits = (color ?? usual).replace(/^#/, "").toUpperCase();
    if (!/^[0-9A-F]{6}$/.test(digits))
      throw invalid(`The color of channel ${index} must be six hexadecimal digits, got "${color}"`);
    const { min = range.min, max = range.max } = window ?? {};
    const { start = min, end = max } = window ?? {};
    if (![min, max, start, end].every(Number.isFinite)) throw invalid(`The window of channel ${index} must be numbers`);
    return { ...(label === undefined ? {} : { label }), color: digits, window: { min, max, start, end }, active };
  });
  return {
    ...(name === undefined ? {} : { name }),
    channels: made,
    rdefs: { model: channels.length > 1 ? "color" : "greyscale" },
  };
}

/** A well with the number of its fields. */
export interface WellEntry {
  readonly row: string;
  readonly column: string;
  readonly fields: number;
}

/**
 * A plate with one more well, or the same well with another number of fields. Rows and columns are in natural order, so
 * that those of a plate of 1536 wells (`A` … `Z`, `AA` …) and of `R01C02` stand where people look for them.
 *
 * @param before - What is there; `undefined` for a new plate.
 */
export function withWell(
  before: NgffPlate | undefined,
  well: WellEntry,
  more: { readonly name?: string | undefined; readonly acquisitions?: readonly NgffAcquisition[] | undefined } = {},
): NgffPlate {
  const paths = new Set((before?.wells ?? []).map(({ path }) => path)).add(`${well.row}/${well.column}`);
  const rows = sorted([...(before?.rows ?? []).map(({ name }) => name), well.row], true);
  const columns = sorted([...(before?.columns ?? []).map(({ name }) => name), well.column], false);
  const wells = [...paths].map((path) => {
    const [row = "", column = ""] = path.split("/");
    return { path, rowIndex: rows.indexOf(row), columnIndex: columns.indexOf(column) };
  });
  wells.sort((a, b) => a.rowIndex - b.rowIndex || a.columnIndex - b.columnIndex);
  const acquisitions = merged(before?.acquisitions ?? [], more.acquisitions ?? []);
  const name = before?.name ?? more.name;
  return {
    ...before,
    ...(name === undefined ? {} : { name }),
    rows: rows.map((row) => ({ name: row })),
    columns: columns.map((column) => ({ name: column })),
    wells,
    ...(acquisitions.length === 0 ? {} : { acquisitions }),
    field_count: Math.max(before?.field_count ?? 1, well.fields),
  };
}

function sorted(names: readonly string[], isRow: boolean): string[] {
  const unique = naturalSort([...new Set(names)]);
  // Letters count like numbers: Z comes before AA.
  return isRow && unique.every((name) => /^[A-Za-z]+$/.test(name))
    ? unique.sort((a, b) => a.length - b.length)
    : unique;
}

function merged(before: readonly NgffAcquisition[], more: readonly NgffAcquisition[]): NgffAcquisition[] {
  const byId = new Map(before.map((one) => [one.id, one]));
  for (const one of more) byId.set(one.id, { ...byId.get(one.id), ...one });
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

function rangeOf(dtype: DType): { min: number; max: number } {
  const { kind, itemSize } = dtypes[dtype];
  if (kind === "f" || kind === "b") return { min: 0, max: 1 };
  const bits = itemSize * 8 - (kind === "i" ? 1 : 0);
  return { min: kind === "i" ? -(2 ** bits) : 0, max: 2 ** bits - 1 };
}

function nameOf(axis: AxisInput): string {
  return typeof axis === "string" ? axis : axis.name;
}

function invalid(message: string): StorageError {
  return new StorageError("INVALID_DATA", message);
}
