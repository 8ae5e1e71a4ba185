/** Reads pixels that lie in plain strips: as they are or deflated, without a predictor. */
import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { joinBytes } from "../../core/byte-store.ts";
import type { DType } from "../../core/dtype.ts";
import { arrayFromBytes, byteLengthOf, type NdArray } from "../../core/nd-array.ts";
import type { CodecContext } from "../codec.ts";
import { corrupt } from "../codec-options.ts";
import { tags } from "./directory.ts";
import type { TiffDirectory } from "./read-directories.ts";

/** Numbers of the Compression tag that {@link readStrips} takes. */
const plainCompressions: readonly number[] = [1, 8, 32946];

/** True if {@link readStrips} can read the page. */
export function hasPlainStrips(directory: TiffDirectory): boolean {
  return (
    plainCompressions.includes(directory.first(tags.compression, 1)) &&
    directory.first(tags.predictor, 1) === 1 &&
    directory.first(tags.planarConfiguration, 1) === 1 &&
    directory.first(tags.fillOrder, 1) === 1 &&
    directory.all(tags.stripOffsets).length > 0 &&
    directory.all(tags.stripOffsets).length === directory.all(tags.stripByteCounts).length
  );
}

/**
 * The pixels of some pages as one array.
 *
 * @param pages - All of one compression, and {@link hasPlainStrips} of each.
 * @returns Views `bytes` if nothing is compressed, swapped or scattered; otherwise a copy.
 * @throws A {@link StorageError} `CORRUPT`: the pixels are cut off, too many, too few, or do not inflate.
 */
export async function readStrips(
  bytes: Uint8Array,
  pages: readonly TiffDirectory[],
  isLittleEndian: boolean,
  dtype: DType,
  shape: readonly number[],
  context: CodecContext,
): Promise<NdArray> {
  const counts = pages.flatMap((page) => page.all(tags.stripByteCounts));
  const strips = pages
    .flatMap((page) => page.all(tags.stripOffsets))
    .map((offset, i) => {
      const end = offset + (counts[i] as number);
      if (end > bytes.length) throw corrupt(context, `the pixels end at byte ${end}, the file at ${bytes.length}`);
      return bytes.subarray(offset, end);
    });
  const isPlain = pages.every((page) => page.first(tags.compression, 1) === 1);
  const byteLength = byteLengthOf({ shape, dtype });
  const pixels = isPlain ? joinStrips(strips) : await inflateStrips(strips, byteLength, context);
  if (pixels.length !== byteLength) {
    throw corrupt(
      context,
      `shape [${shape.join(", ")}] of ${dtype} needs ${byteLength} bytes of pixels, the file has ${pixels.length}`,
    );
  }
  return arrayFromBytes(pixels, dtype, shape, isLittleEndian ? "little" : "big");
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
  return areNeighbours ? new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset) : joinBytes(strips);
}

async function inflateStrips(
  strips: readonly Uint8Array[],
  byteLength: number,
  context: CodecContext,
): Promise<Uint8Array> {
  // The limit keeps a damaged strip from filling the memory.
  const options = { maxOutputLength: Math.max(1, byteLength) };
  let parts: Uint8Array[];
  try {
    parts = await Promise.all(strips.map((strip) => promisify(inflate)(strip, options)));
  } catch (error) {
    throw corrupt(context, "the compressed pixels cannot be read", error);
  }
  return joinBytes(parts);
}
