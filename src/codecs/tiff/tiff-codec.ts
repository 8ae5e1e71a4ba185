/** The TIFF codec: our own writer, our own reader for what it wrote, geotiff for the rest. */
import { checkInteger, checkNdArray, describe } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";
import type { Codec, CodecContext } from "../codec.ts";
import { checkCodecOptions, invalidData } from "../codec-options.ts";
import { encodeTiffAsync, type TiffOptions, tiffGeometry } from "./encode.ts";
import { omeXml } from "./ome-xml.ts";
import { decodeOwn } from "./own.ts";
import { readDirectories } from "./read-directories.ts";

const optionNames = [
  "compression",
  "photometric",
  "axes",
  "description",
  "pixelSizeMicrometers",
  "bigTiff",
] as const satisfies readonly (keyof TiffOptions)[];

/**
 * TIFF, exact for every dtype. Options of a save are {@link TiffOptions}; a name that ends in `.ome.tif` gets OME-XML
 * unless a description is given.
 *
 * Files of ours load as the array that was saved, viewed in place if uncompressed. Others load as `[y, x]` or
 * `[y, x, channel]`, behind a first axis of pages if there are several; the option `page` loads one.
 *
 * @see TIFF 6.0; tifffile, "shaped" series; OME-TIFF
 */
export const tiffCodec: Codec = {
  name: "tiff",
  suffixes: [".tif", ".tiff", ".ome.tif", ".ome.tiff"],
  mimeTypes: ["image/tiff"],
  async encode(value, context) {
    const options = checkTiffOptions(context);
    const where = { identifier: context.identifier };
    const array = checkNdArray(value, where);
    if (options.description !== undefined || !/\.ome\.tiff?$/i.test(context.identifier)) {
      return encodeTiffAsync(array, options, where);
    }
    const size = options.pixelSizeMicrometers;
    const pixelSize = typeof size === "number" ? ([size, size] as const) : size;
    const geometry = tiffGeometry(array, options, where);
    const description = omeXml(array.shape, array.dtype, geometry, pixelSize, where);
    return encodeTiffAsync(array, { ...options, description }, where);
  },
  async decode(bytes, context) {
    checkCodecOptions("tiff", context, ["page"]);
    const { page } = context.options as { page?: number | undefined };
    if (page !== undefined) checkInteger(page, "page", 0, { identifier: context.identifier });
    const file = readDirectories(bytes, context);
    if (page !== undefined && page >= file.directories.length) {
      throw new StorageError(
        "OUT_OF_RANGE",
        `"${context.identifier}" has pages 0 to ${file.directories.length - 1}, not ${page}`,
        { identifier: context.identifier },
      );
    }
    const own = await decodeOwn(bytes, file, page, context);
    if (own) return own;
    const { decodeForeign } = await import("./foreign.ts");
    return decodeForeign(bytes, file, page, context);
  },
};

function checkTiffOptions(context: CodecContext): TiffOptions {
  checkCodecOptions("tiff", context, optionNames);
  const options = context.options as { [Name in (typeof optionNames)[number]]?: unknown };
  const choices = {
    compression: ["none", "deflate", undefined],
    photometric: ["gray", "rgb", undefined],
  } as const;
  for (const [name, allowed] of Object.entries(choices)) {
    const value = options[name as keyof typeof choices];
    if ((allowed as readonly unknown[]).includes(value)) continue;
    throw invalidData(context, `TIFF option ${name} is ${allowed.filter(Boolean).join(" or ")}, not ${String(value)}`);
  }
  for (const name of ["axes", "description"] as const) {
    const value = options[name];
    if (value === undefined || typeof value === "string") continue;
    throw invalidData(context, `TIFF option ${name} is a string, not ${describe(value)}`);
  }
  const size = options.pixelSizeMicrometers;
  const sizes: unknown[] = Array.isArray(size) ? size : [size, size];
  if (
    size !== undefined &&
    !(sizes.length === 2 && sizes.every((each) => Number.isFinite(each) && (each as number) > 0))
  ) {
    throw invalidData(context, "TIFF option pixelSizeMicrometers is a number above 0 or two of them, [y, x]");
  }
  return context.options as TiffOptions;
}
