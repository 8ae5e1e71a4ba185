/** Writes image file directories: the tables of tags in a TIFF. */

/** The tags that this package writes or looks at, by their numbers in TIFF 6.0. */
export const tags = {
  newSubfileType: 254,
  imageWidth: 256,
  imageLength: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  imageDescription: 270,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  xResolution: 282,
  yResolution: 283,
  planarConfiguration: 284,
  resolutionUnit: 296,
  software: 305,
  predictor: 317,
  colorMap: 320,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
  sampleFormat: 339,
} as const;

/** SampleFormat by NumPy's kind of a dtype. */
export const sampleFormats = { b: 1, u: 1, i: 2, f: 3 } as const;

/** One tag with its values. */
export interface TiffField {
  readonly tag: number;
  /** `offset` is LONG in classic TIFF and LONG8 in BigTIFF. */
  readonly type: "ascii" | "short" | "long" | "rational" | "offset";
  /** Text is its UTF-8 bytes and a NUL; rationals are numerator, denominator, numerator, …. */
  readonly values: ArrayLike<number>;
}

const typeCodes = { ascii: 2, short: 3, long: 4, rational: 5, offset: 4 } as const;
const LONG8 = 16;

/** Sizes that differ between classic TIFF and BigTIFF. */
interface Flavour {
  readonly isBig: boolean;
  readonly header: number;
  readonly count: number;
  readonly entry: number;
  /** Bytes of an offset; values up to this size live in their entry. */
  readonly word: number;
}

const classic: Flavour = { isBig: false, header: 8, count: 2, entry: 12, word: 4 };
const big: Flavour = { isBig: true, header: 16, count: 8, entry: 20, word: 8 };

/** Bytes of the header and of all directories with their values; does not depend on the values of offsets. */
export function directoriesLength(directories: readonly (readonly TiffField[])[], isBig: boolean): number {
  const flavour = isBig ? big : classic;
  return directories.reduce((length, fields) => length + directoryLength(fields, flavour), flavour.header);
}

/** The header and the chained directories, little-endian, that begin a file. Each directory's tags are in order. */
export function writeDirectories(directories: readonly (readonly TiffField[])[], isBig: boolean): Uint8Array {
  const flavour = isBig ? big : classic;
  const bytes = new Uint8Array(directoriesLength(directories, isBig));
  const view = new DataView(bytes.buffer);
  let at = flavour.header;
  view.setUint16(0, 0x4949, true);
  view.setUint16(2, isBig ? 43 : 42, true);
  if (isBig) view.setUint16(4, flavour.word, true);
  setWord(view, isBig ? 8 : 4, at, flavour);
  directories.forEach((fields, index) => {
    const end = at + directoryLength(fields, flavour);
    const isLast = index === directories.length - 1;
    writeDirectory(view, at, fields, isLast ? 0 : end, flavour);
    at = end;
  });
  return bytes;
}

function writeDirectory(
  view: DataView,
  start: number,
  fields: readonly TiffField[],
  next: number,
  flavour: Flavour,
): void {
  if (flavour.isBig) view.setBigUint64(start, BigInt(fields.length), true);
  else view.setUint16(start, fields.length, true);
  let entry = start + flavour.count;
  let outside = entry + fields.length * flavour.entry + flavour.word;
  setWord(view, outside - flavour.word, next, flavour);
  for (const field of fields) {
    const isLong8 = flavour.isBig && field.type === "offset";
    view.setUint16(entry, field.tag, true);
    view.setUint16(entry + 2, isLong8 ? LONG8 : typeCodes[field.type], true);
    setWord(view, entry + 4, field.values.length / (field.type === "rational" ? 2 : 1), flavour);
    const valueAt = entry + 4 + flavour.word;
    const length = fieldLength(field, flavour);
    if (length <= flavour.word) {
      writeValues(view, valueAt, field, flavour);
    } else {
      setWord(view, valueAt, outside, flavour);
      writeValues(view, outside, field, flavour);
      outside += align(length);
    }
    entry += flavour.entry;
  }
}

function writeValues(view: DataView, start: number, field: TiffField, flavour: Flavour): void {
  const step = valueSize(field, flavour);
  for (let i = 0, at = start; i < field.values.length; i++, at += step) {
    const value = field.values[i] as number;
    if (step === 1) view.setUint8(at, value);
    else if (step === 2) view.setUint16(at, value, true);
    else if (step === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
  }
}

function directoryLength(fields: readonly TiffField[], flavour: Flavour): number {
  let length = flavour.count + fields.length * flavour.entry + flavour.word;
  for (const field of fields) {
    const size = fieldLength(field, flavour);
    if (size > flavour.word) length += align(size);
  }
  return align(length);
}

function fieldLength(field: TiffField, flavour: Flavour): number {
  return field.values.length * valueSize(field, flavour);
}

/** Bytes of one entry of `values`: a rational is two of them. */
function valueSize(field: TiffField, flavour: Flavour): number {
  if (field.type === "ascii") return 1;
  if (field.type === "short") return 2;
  return field.type === "offset" ? flavour.word : 4;
}

function setWord(view: DataView, at: number, value: number, flavour: Flavour): void {
  if (flavour.isBig) view.setBigUint64(at, BigInt(value), true);
  else view.setUint32(at, value, true);
}

/** TIFF asks for even offsets; eight keeps the 64-bit fields of BigTIFF aligned. */
function align(length: number): number {
  return Math.ceil(length / 8) * 8;
}
