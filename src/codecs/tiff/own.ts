/** Reads the TIFFs that this package wrote: the exact array, in place where memory allows. */
import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { dtypes } from "../../core/dtype.ts";
import { arrayFromBytes, byteLengthOf, type NdArray, sizeOf } from "../../core/nd-array.ts";
import type { CodecContext } from "../codec.ts";
import { corrupt } from "../codec-options.ts";
import { type ArrayDescription, readDescription } from "./description.ts";
import { tags } from "./directory.ts";
import type { TiffDirectories, TiffDirectory } from "./read-directories.ts";

const sampleFormats = { b: 1, u: 1, i: 2, f: 3 } as const;

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
  const whole = first.descriptions.map(readDescription).find((found) => found !== undefined);
  if (whole === undefined || !agrees(whole, file.directories)) return undefined;
  const directories = page === undefined ? file.directories : file.directories.slice(page, page + 1);
  const { dtype } = whole;
  const shape = page === undefined ? whole.shape : whole.shape.slice(-spatialAxes(first));
  const offsets = directories.flatMap((directory) => directory.all(tags.stripOffsets));
  const counts = directories.flatMap((directory) => directory.all(tags.stripByteCounts));
  if (offsets.length === 0 || offsets.length !== counts.length) return undefined;
  const strips = offsets.map((offset, i) => {
    const end = offset + (counts[i] as number);
    if (end > bytes.length) throw corrupt(context, `the pixels end at byte ${end}, the file at ${bytes.length}`);
    return bytes.subarray(offset, end);
  });
  const isDeflate = first.first(tags.compression, 1) === 8;
  const byteLength = byteLengthOf({ shape, dtype });
  const pixels = isDeflate ? await inflateStrips(strips, byteLength, context) : joinStrips(strips);
  if (pixels.length !== byteLength) {
    throw corrupt(
      context,
      `shape [${shape.join(", ")}] of ${dtype} needs ${byteLength} bytes of pixels, the file has ${pixels.length}`,
    );
  }
  return arrayFromBytes(pixels, dtype, shape, file.isLittleEndian ? "little" : "big");
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
      page.first(tags.planarConfiguration, 1) === 1 &&
      page.first(tags.compression, 1) === compression &&
      (compression === 1 || compression === 8),
  );
}

/** Axes of one page: `[y, x]`, or `[y, x, sample]`. */
function spatialAxes(directory: TiffDirectory): number {
  return directory.first(tags.samplesPerPixel, 1) === 1 ? 2 : 3;
}

/** One view if the strips lie one after another, as we write them; otherwise a copy. */
function joinStrips(strips: readonly Uint8Array[]): Uint8Array {
  const [first] = strips as readonly [Uint8Array, ...Uint8Array[]];
  let end = first.byteOffset;
  const areNeighbours = strips.every((strip) => {
    const isNext = strip.byteOffset === end;
    end += strip.byteLength;
    return isNext;
  });
  return areNeighbours
    ? new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset)
    : new Uint8Array(Buffer.concat(strips));
}

async function inflateStrips(
  strips: readonly Uint8Array[],
  byteLength: number,
  context: CodecContext,
): Promise<Uint8Array> {
  const pixels = new Uint8Array(byteLength);
  try {
    const parts = await Promise.all(
      // The limit keeps a damaged strip from filling the memory.
      strips.map((strip) => promisify(inflate)(strip, { maxOutputLength: Math.max(1, byteLength) })),
    );
    let offset = 0;
    for (const part of parts) {
      pixels.set(part, offset);
      offset += part.length;
    }
    return pixels.subarray(0, offset);
  } catch (error) {
    throw corrupt(context, "the compressed pixels cannot be read", error);
  }
}
