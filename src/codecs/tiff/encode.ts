/** Arrays as TIFF files: our own writer, because no library keeps every dtype. */
import { promisify } from "node:util";
import { deflate, deflateSync } from "node:zlib";
import { describe } from "../../core/checks.ts";
import { dtypes } from "../../core/dtype.ts";
import { type ErrorContext, StorageError } from "../../core/errors.ts";
import { arrayToBytes, type NdArray } from "../../core/nd-array.ts";
import { SOFTWARE, writeDescription } from "./description.ts";
import { directoriesLength, sampleFormats, type TiffField, tags, writeDirectories } from "./directory.ts";

/** Options of {@link encodeTiff}. */
export interface TiffOptions {
  /** `"deflate"` is Adobe Deflate, lossless, in strips of about 256 KiB. Default `"none"`. */
  readonly compression?: "none" | "deflate" | undefined;
  /**
   * Whether a last axis of 3 or 4 is colour (`"rgb"`, with alpha for 4) or space (`"gray"`). Default: `"rgb"` for arrays
   * of at least three axes that end so.
   */
  readonly photometric?: "gray" | "rgb" | undefined;
  /** One letter an axis, for other programs: `"tyx"`, `"zyx"`, `"yxs"`, …. Default: `t` for one axis of pages. */
  readonly axes?: string | undefined;
  /** Text for the ImageDescription, for example OME-XML, kept as it is. Shape and dtype then go to the Software tag. */
  readonly description?: string | undefined;
  /** Size of a pixel in micrometres, one number or `[y, x]`; written as resolution in pixels per centimetre. */
  readonly pixelSizeMicrometers?: number | readonly [y: number, x: number] | undefined;
  /** BigTIFF also where classic TIFF would do. Default: only beyond 4 GiB. */
  readonly bigTiff?: boolean | undefined;
}

/** The pages that an array becomes. */
export interface TiffGeometry {
  readonly pages: number;
  readonly height: number;
  readonly width: number;
  /** 1 gray, 3 RGB, 4 RGB and alpha. */
  readonly samples: number;
  /** One lower-case letter an axis. */
  readonly axes: string;
}

/** Pixels begin at a multiple of this, so that a reader can view them in place whatever the dtype. */
const ALIGNMENT = 64;
/** Uncompressed bytes of one strip where strips are compressed one by one. */
const STRIP_BYTES = 256 * 1024;
/** What the 32-bit offsets of classic TIFF reach. */
const CLASSIC_LIMIT = 2 ** 32 - 1;
const MICROMETERS_PER_CENTIMETER = 10_000;

/**
 * Encodes an array as a TIFF, exactly, whatever its dtype.
 *
 * `[y, x]` becomes one gray page, `[y, x, 3]` and `[y, x, 4]` one page of RGB or RGBA, more axes before these become
 * pages. Float16 has 16-bit float samples, (u)int64 64-bit integer ones, bool bytes of 0 and 1. The ImageDescription
 * says shape and dtype, so that our own reader gives back what was saved. Files beyond 4 GiB are BigTIFF. Pixels are
 * not padded and begin at a multiple of 64 bytes.
 *
 * @param array - At least two axes, none of length 0.
 * @param where - Goes into errors.
 * @returns The parts of the file in order: the directories, then the pixels. Uncompressed pixels are the array's own
 * memory if it is in C order on a little-endian machine. Do not change them before they are written.
 * @throws A {@link StorageError} `INVALID_DATA` for a shape that has no image, or options that contradict it.
 * @see TIFF 6.0; BigTIFF
 */
export function encodeTiff(array: NdArray, options: TiffOptions = {}, where: ErrorContext = {}): Uint8Array[] {
  const geometry = tiffGeometry(array, options, where);
  const strips = cutStrips(arrayToBytes(array), geometry, options);
  const isDeflate = options.compression === "deflate";
  const parts = isDeflate ? strips.parts.map((strip) => deflateSync(strip)) : strips.parts;
  return assemble(array, geometry, parts, strips.rows, options, where);
}

/** As {@link encodeTiff}, compressing in the threads of Node instead of this one. */
export async function encodeTiffAsync(
  array: NdArray,
  options: TiffOptions = {},
  where: ErrorContext = {},
): Promise<Uint8Array[]> {
  if (options.compression !== "deflate") return encodeTiff(array, options, where);
  const geometry = tiffGeometry(array, options, where);
  const strips = cutStrips(arrayToBytes(array), geometry, options);
  const parts = await Promise.all(strips.parts.map((strip) => promisify(deflate)(strip)));
  return assemble(array, geometry, parts, strips.rows, options, where);
}

/** How an array falls into pages, or `INVALID_DATA`. */
export function tiffGeometry(array: NdArray, options: TiffOptions, where: ErrorContext = {}): TiffGeometry {
  const { shape } = array;
  const last = shape[shape.length - 1];
  const couldBeColour = shape.length >= 3 && (last === 3 || last === 4);
  const isColour = options.photometric === undefined ? couldBeColour : options.photometric === "rgb";
  if (isColour && !couldBeColour) {
    throw invalid(`RGB needs [y, x, 3] or [y, x, 4], got ${describe(array)}`, where);
  }
  if (shape.length < 2 || shape.includes(0)) {
    throw invalid(
      `TIFF keeps images: at least [y, x], no axis of length 0; got ${describe(array)}. Save it as .npy`,
      where,
    );
  }
  const spatial = isColour ? 3 : 2;
  const leading = shape.slice(0, -spatial);
  const pages = leading.reduce((product, length) => product * length, 1);
  const [height, width] = shape.slice(-spatial) as [number, number];
  const samples = isColour ? (last as number) : 1;
  const axes = (options.axes ?? defaultAxes(leading.length, isColour)).toLowerCase();
  if (axes.length !== shape.length) throw invalid(`axes "${axes}" does not fit ${describe(array)}`, where);
  return { pages, height, width, samples, axes };
}

/** `q` is tifffile's letter for an axis of unknown meaning. */
function defaultAxes(leading: number, isColour: boolean): string {
  return `${leading === 1 ? "t" : "q".repeat(leading)}yx${isColour ? "s" : ""}`;
}

/** Cuts pixels into strips: one a page if they stay as they are, else pieces that a reader can take one by one. */
function cutStrips(
  pixels: Uint8Array,
  { pages, height }: TiffGeometry,
  options: TiffOptions,
): { readonly parts: Uint8Array[]; readonly rows: number } {
  const rowBytes = pixels.length / (pages * height);
  const pageBytes = rowBytes * height;
  const isDeflate = options.compression === "deflate";
  const rows = isDeflate ? Math.min(height, Math.max(1, Math.floor(STRIP_BYTES / rowBytes))) : height;
  const parts: Uint8Array[] = [];
  for (let page = 0; page < pages; page++) {
    const start = page * pageBytes;
    for (let row = 0; row < height; row += rows) {
      const end = Math.min(row + rows, height);
      parts.push(pixels.subarray(start + row * rowBytes, start + end * rowBytes));
    }
  }
  return { parts, rows };
}

/** Puts directories before the strips. The length of the directories does not depend on where the strips are. */
function assemble(
  array: NdArray,
  geometry: TiffGeometry,
  strips: readonly Uint8Array[],
  rows: number,
  options: TiffOptions,
  where: ErrorContext,
): Uint8Array[] {
  const perPage = strips.length / geometry.pages;
  const build = (dataStart: number) => {
    const directories: TiffField[][] = [];
    let offset = dataStart;
    for (let page = 0; page < geometry.pages; page++) {
      const counts = strips.slice(page * perPage, (page + 1) * perPage).map((strip) => strip.byteLength);
      const offsets = counts.map((count) => {
        offset += count;
        return offset - count;
      });
      directories.push(directoryOf(array, geometry, { offsets, counts, rows, isFirst: page === 0 }, options, where));
    }
    return directories;
  };
  const dataLength = strips.reduce((sum, strip) => sum + strip.byteLength, 0);
  const draft = build(0);
  const classicStart = pad(directoriesLength(draft, false));
  const isBig = options.bigTiff === true || classicStart + dataLength > CLASSIC_LIMIT;
  const start = isBig ? pad(directoriesLength(draft, true)) : classicStart;
  const head = new Uint8Array(start);
  head.set(writeDirectories(build(start), isBig));
  return [head, ...joinNeighbours(strips)];
}

interface PageStrips {
  readonly offsets: readonly number[];
  readonly counts: readonly number[];
  readonly rows: number;
  readonly isFirst: boolean;
}

function directoryOf(
  array: NdArray,
  { height, width, samples, axes }: TiffGeometry,
  { offsets, counts, rows, isFirst }: PageStrips,
  options: TiffOptions,
  where: ErrorContext,
): TiffField[] {
  const { itemSize, kind } = dtypes[array.dtype];
  const each = (value: number) => new Array<number>(samples).fill(value);
  const json = writeDescription(array, axes);
  // One ImageDescription only: of two, tifffile and libtiff take the first and geotiff the last.
  const [description, software] =
    options.description === undefined ? [json, SOFTWARE] : [options.description, `${SOFTWARE} ${json}`];
  const text = (tag: number, value: string): TiffField => ({ tag, type: "ascii", values: ascii(value, where) });
  const [yResolution, xResolution, unit] = resolution(options);
  return [
    { tag: tags.newSubfileType, type: "long", values: [0] },
    { tag: tags.imageWidth, type: "long", values: [width] },
    { tag: tags.imageLength, type: "long", values: [height] },
    { tag: tags.bitsPerSample, type: "short", values: each(itemSize * 8) },
    { tag: tags.compression, type: "short", values: [options.compression === "deflate" ? 8 : 1] },
    { tag: tags.photometric, type: "short", values: [samples === 1 ? 1 : 2] },
    ...(isFirst ? [text(tags.imageDescription, description)] : []),
    { tag: tags.stripOffsets, type: "offset", values: offsets },
    { tag: tags.samplesPerPixel, type: "short", values: [samples] },
    { tag: tags.rowsPerStrip, type: "long", values: [rows] },
    { tag: tags.stripByteCounts, type: "offset", values: counts },
    { tag: tags.xResolution, type: "rational", values: xResolution },
    { tag: tags.yResolution, type: "rational", values: yResolution },
    { tag: tags.planarConfiguration, type: "short", values: [1] },
    { tag: tags.resolutionUnit, type: "short", values: [unit] },
    text(tags.software, isFirst ? software : SOFTWARE),
    // 2: alpha that the colours are not multiplied with.
    ...(samples === 4 ? [{ tag: tags.extraSamples, type: "short", values: [2] } as const] : []),
    { tag: tags.sampleFormat, type: "short", values: each(sampleFormats[kind]) },
  ];
}

/** Rationals for y and x, and the unit: 3 is the centimetre, 1 is none. */
function resolution(options: TiffOptions): [y: number[], x: number[], unit: number] {
  const size = options.pixelSizeMicrometers;
  if (size === undefined) return [[1, 1], [1, 1], 1];
  const [y, x] = (typeof size === "number" ? [size, size] : size).map((micrometers) => {
    const perCentimeter = MICROMETERS_PER_CENTIMETER / micrometers;
    // The largest power of ten that keeps both parts within 32 bits.
    const denominator = 10 ** Math.max(0, Math.min(9, Math.floor(Math.log10(CLASSIC_LIMIT / perCentimeter))));
    return [Math.min(CLASSIC_LIMIT, Math.round(perCentimeter * denominator)), denominator];
  }) as [number[], number[]];
  return [y, x, 3];
}

function ascii(text: string, where: ErrorContext): Uint8Array {
  if (text.includes("\0")) throw invalid("A description cannot have a NUL character", where);
  return new TextEncoder().encode(`${text}\0`);
}

/** Strips that are neighbours in one buffer as one part: fewer pieces to write. */
function joinNeighbours(strips: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const strip of strips) {
    const last = parts[parts.length - 1];
    if (last?.buffer === strip.buffer && last.byteOffset + last.byteLength === strip.byteOffset) {
      parts[parts.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + strip.byteLength);
    } else {
      parts.push(strip);
    }
  }
  return parts;
}

function pad(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function invalid(message: string, where: ErrorContext): StorageError {
  return new StorageError("INVALID_DATA", where.identifier ? `"${where.identifier}": ${message}` : message, where);
}
