/** Reads other programs' TIFFs, with geotiff. Loaded on first use. */
import { fromArrayBuffer, type GeoTIFFImage } from "geotiff";
import { type DType, dtypes, numberToFloat16, type TypedArray } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { type NdArray, ndArray, sizeOf, zeros } from "../../core/nd-array.ts";
import type { CodecContext } from "../codec.ts";
import { corrupt, dtypeMismatch, invalidData } from "../codec-options.ts";
import { tags } from "./directory.ts";
import { applyPalette } from "./palette.ts";
import type { TiffDirectories, TiffDirectory } from "./read-directories.ts";
import { hasPlainStrips, readStrips } from "./strips.ts";

/** Compressions that geotiff decodes, by their numbers. */
const compressions: Readonly<Record<number, string>> = {
  1: "none",
  5: "LZW",
  7: "JPEG",
  8: "Deflate",
  32773: "PackBits",
  32946: "Deflate",
  34887: "LERC",
  50000: "Zstandard",
};

const JPEG = 7;
const photometrics = { palette: 3, yCbCr: 6 } as const;

/**
 * Decodes the full-size pages of a file.
 *
 * Samples are given as they are stored: a gray scale that runs from white to black is not turned round, and no
 * orientation is applied. Palettes are looked up ({@link applyPalette}), JPEG's YCbCr becomes RGB, and 1-bit pixels
 * become bool.
 *
 * @param page - Only this directory, which there is; otherwise all but the reduced copies, which must be of one shape
 * and dtype.
 * @returns `[y, x]` or `[y, x, channel]`, with a first axis of pages where there are several.
 * @throws A {@link StorageError}: `INVALID_DATA` for a compression that cannot be read and for pages that differ,
 * `DTYPE_MISMATCH`, `CORRUPT`.
 */
export async function decodeForeign(
  bytes: Uint8Array,
  { directories, isLittleEndian }: TiffDirectories,
  page: number | undefined,
  context: CodecContext,
): Promise<NdArray> {
  const pages = choosePages(directories, page);
  for (const index of pages) checkReadable(directories[index] as TiffDirectory, isLittleEndian, bytes.length, context);
  // Not bytes.slice() below: that of a Node Buffer shares memory.
  const isWhole = bytes.buffer instanceof ArrayBuffer && bytes.length === bytes.buffer.byteLength;
  const images: NdArray[] = [];
  try {
    const tiff = await fromArrayBuffer((isWhole ? bytes : new Uint8Array(bytes)).buffer as ArrayBuffer);
    for (const index of pages) {
      const directory = directories[index] as TiffDirectory;
      const dtype = sampleType(directory, context);
      // geotiff has no 64-bit integers, which Python writes for labels.
      images.push(
        dtype === "int64" || dtype === "uint64"
          ? await readStrips(bytes, [directory], isLittleEndian, dtype, pageShape(directory), context)
          : await decodePage(await tiff.getImage(index), directory, dtype, context),
      );
    }
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw corrupt(context, `the pixels cannot be read: ${(error as Error).message}`, error);
  }
  return stack(images, context);
}

function choosePages(directories: readonly TiffDirectory[], page: number | undefined): number[] {
  if (page !== undefined) return [page];
  const all = directories.map((_, index) => index);
  // Bit 0: a reduced copy of another image, as pyramids and thumbnails are.
  const full = all.filter((index) => ((directories[index] as TiffDirectory).first(tags.newSubfileType) & 1) === 0);
  return full.length > 0 ? full : all;
}

/** Refuses what cannot be read, by name, and pixels beyond the end, which geotiff makes up under Zstandard and LZW. */
function checkReadable(
  directory: TiffDirectory,
  isLittleEndian: boolean,
  byteLength: number,
  context: CodecContext,
): void {
  const compression = directory.first(tags.compression, 1);
  if (!Object.hasOwn(compressions, compression)) {
    throw invalidData(
      context,
      `TIFF compression ${compression} cannot be read; these can: ${[...new Set(Object.values(compressions))].join(", ")}`,
    );
  }
  if (directory.first(tags.photometric, 1) === photometrics.yCbCr && compression !== JPEG) {
    throw invalidData(context, "YCbCr pixels can be read from JPEG-compressed TIFFs only");
  }
  const bits = directory.first(tags.bitsPerSample, 0);
  // TIFF 6.0 says 1 where the tag is absent; geotiff cannot do without it.
  if (bits === 0) throw invalidData(context, "a TIFF without BitsPerSample (bilevel) cannot be read");
  if (!isLittleEndian && bits > 8 && directory.first(tags.predictor, 1) !== 1) {
    // geotiff 3.0.5 undoes the predictor in the machine's byte order, and the values would be wrong.
    throw invalidData(context, "big-endian TIFF with a predictor cannot be read exactly; save it without one");
  }
  const isTiled = directory.all(tags.tileOffsets).length > 0;
  const offsets = directory.all(isTiled ? tags.tileOffsets : tags.stripOffsets);
  const counts = directory.all(isTiled ? tags.tileByteCounts : tags.stripByteCounts);
  if (offsets.length === 0) throw corrupt(context, "a page of the TIFF has no pixels");
  for (let i = 0; i < offsets.length; i++) {
    const end = (offsets[i] as number) + (counts[i] ?? 0);
    if (end > byteLength) throw corrupt(context, `the pixels end at byte ${end}, the file at ${byteLength}`);
  }
}

async function decodePage(
  image: GeoTIFFImage,
  directory: TiffDirectory,
  dtype: DType,
  context: CodecContext,
): Promise<NdArray> {
  // Only readRGB undoes YCbCr.
  const isYCbCr = directory.first(tags.photometric, 1) === photometrics.yCbCr;
  const raster = await (isYCbCr ? image.readRGB({ interleave: true }) : image.readRasters({ interleave: true }));
  const shape = pageShape(directory);
  if (raster.length !== sizeOf(shape)) {
    throw corrupt(context, `the pixels do not fill the shape [${shape.join(", ")}]`);
  }
  const pixels = ndArray(convert(raster as unknown as TypedArray, dtype), shape, dtype);
  const map = directory.all(tags.colorMap);
  return directory.first(tags.photometric, 1) === photometrics.palette && map.length > 0
    ? applyPalette(pixels, map)
    : pixels;
}

function pageShape(directory: TiffDirectory): number[] {
  const size = [directory.first(tags.imageLength), directory.first(tags.imageWidth)];
  const samples = directory.first(tags.samplesPerPixel, 1);
  return samples === 1 ? size : [...size, samples];
}

/** The dtype that holds the samples exactly: 1-bit ones come as bool, 12-bit ones as uint16. */
function sampleType(directory: TiffDirectory, context: CodecContext): DType {
  const bits = directory.all(tags.bitsPerSample);
  const format = directory.first(tags.sampleFormat, 1);
  const [size = 1] = bits;
  if (bits.some((other) => other !== size)) {
    throw invalidData(context, `the samples of a pixel have different sizes (${bits.join(", ")} bits)`);
  }
  if (size === 1) return "bool";
  const kind = { 1: "uint", 2: "int", 3: "float", 4: "uint" }[format];
  const width = kind === "float" ? size : [8, 16, 32, 64].find((limit) => size <= limit);
  const dtype = `${kind}${width}` as DType;
  const isExact = kind === "uint" || size === width;
  const isReadable = width !== 64 || kind === "float" || hasPlainStrips(directory);
  if (isExact && isReadable && Object.hasOwn(dtypes, dtype)) return dtype;
  const what =
    format === 5 || format === 6 ? "complex numbers" : `${size}-bit ${kind ?? `samples of format ${format}`}`;
  throw dtypeMismatch(context, `TIFF pixels of ${what} cannot be read exactly`);
}

/** geotiff's array in the array of the dtype; it gives half floats as single ones. */
function convert(raster: TypedArray, dtype: DType): TypedArray {
  const { array } = dtypes[dtype];
  if (raster instanceof array) return raster;
  const out = new array(raster.length) as Float64Array;
  const source = raster as Float64Array;
  const toBits = dtype === "float16" && out instanceof Uint16Array;
  for (let i = 0; i < source.length; i++)
    out[i] = toBits ? numberToFloat16(source[i] as number) : (source[i] as number);
  return out;
}

function stack(images: readonly NdArray[], context: CodecContext): NdArray {
  const [first] = images as readonly [NdArray, ...NdArray[]];
  if (images.length === 1) return first;
  const form = (image: NdArray) => `${image.dtype} [${image.shape.join(", ")}]`;
  const other = images.find((image) => form(image) !== form(first));
  if (other) {
    throw invalidData(
      context,
      `the pages of the TIFF differ (${form(first)} and ${form(other)}); load one with codecOptions: { page: 0 }`,
    );
  }
  const out = zeros([images.length, ...first.shape], first.dtype);
  const step = sizeOf(first.shape);
  images.forEach((image, i) => {
    (out.data as Float64Array).set(image.data as Float64Array, i * step);
  });
  return out;
}
