/** Reads the TIFFs that this package wrote: the exact array, in place where memory allows. */
import { dtypes } from "../../core/dtype.ts";
import { type NdArray, sizeOf } from "../../core/nd-array.ts";
import type { CodecContext } from "../codec.ts";
import { type ArrayDescription, readDescription } from "./description.ts";
import { sampleFormats, tags } from "./directory.ts";
import type { TiffDirectories, TiffDirectory } from "./read-directories.ts";
import { hasPlainStrips, readStrips } from "./strips.ts";

/**
 * The array of a file that {@link encodeTiff} wrote, or `undefined` if the file is not one: nobody's description is
 * trusted further than the tags agree with it.
 *
 * @param bytes - Uncompressed pixels are viewed in place.
 * @param page - Only this directory, which there is.
 * @throws A {@link StorageError} `CORRUPT`: the pixels are cut off or do not inflate.
 */
export async function decodeOwn(
  bytes: Uint8Array,
  file: TiffDirectories,
  page: number | undefined,
  context: CodecContext,
): Promise<NdArray | undefined> {
  const [first] = file.directories as readonly [TiffDirectory, ...TiffDirectory[]];
  const whole = first.texts.map(readDescription).find((found) => found !== undefined);
  if (whole === undefined || !agrees(whole, file.directories)) return undefined;
  const pages = page === undefined ? file.directories : file.directories.slice(page, page + 1);
  const shape = page === undefined ? whole.shape : whole.shape.slice(-spatialAxes(first));
  return readStrips(bytes, pages, file.isLittleEndian, whole.dtype, shape, context);
}

/** True if every page is what the description makes of it. */
function agrees({ shape, dtype }: ArrayDescription, directories: readonly TiffDirectory[]): boolean {
  const [first] = directories as readonly [TiffDirectory, ...TiffDirectory[]];
  const spatial = spatialAxes(first);
  if (shape.length < spatial || sizeOf(shape.slice(0, -spatial)) !== directories.length) return false;
  const [height, width, channels = 1] = shape.slice(-spatial);
  const { itemSize, kind } = dtypes[dtype];
  const compression = first.first(tags.compression, 1);
  return directories.every(
    (page) =>
      page.first(tags.imageLength) === height &&
      page.first(tags.imageWidth) === width &&
      page.first(tags.samplesPerPixel, 1) === channels &&
      page.all(tags.bitsPerSample).every((bits) => bits === itemSize * 8) &&
      page.all(tags.sampleFormat).every((format) => format === sampleFormats[kind]) &&
      page.first(tags.compression, 1) === compression &&
      hasPlainStrips(page),
  );
}

/** Axes of one page: `[y, x]`, or `[y, x, sample]`. */
function spatialAxes(directory: TiffDirectory): number {
  return directory.first(tags.samplesPerPixel, 1) === 1 ? 2 : 3;
}
