/** JPEG images, for looking at. */
import { checkInteger, checkNdArray } from "../core/checks.ts";
import type { Codec } from "./codec.ts";
import { checkCodecOptions, invalidData } from "./codec-options.ts";
import {
  decodeWithSharp,
  encodeWithSharp,
  type ImageLimits,
  importSharp,
  type SharpLoader,
  sharpFromArray,
} from "./sharp-image.ts";

const limits: ImageLimits = { format: "JPEG", dtypes: ["uint8"], channels: [3] };
const DEFAULT_QUALITY = 90;

/**
 * JPEG, **lossy**: the one codec whose values do not come back equal. For previews and for reading what others wrote,
 * never for data. Keeps uint8 `[y, x]` and `[y, x, 3]`; loads the same, CMYK as RGB. The option `quality` of a save is
 * 1 to 100, by default 90; colour is not subsampled.
 *
 * @param load - Loads sharp on first use.
 */
export function createJpegCodec(load: SharpLoader = importSharp): Codec {
  return {
    name: "jpeg",
    suffixes: [".jpg", ".jpeg"],
    mimeTypes: ["image/jpeg"],
    async encode(value, context) {
      checkCodecOptions("jpeg", context, ["quality"]);
      const { quality = DEFAULT_QUALITY } = context.options as { quality?: number };
      checkInteger(quality, "quality", 1, { identifier: context.identifier });
      if (quality > 100) throw invalidData(context, `quality is 1 to 100, not ${quality}`);
      const array = checkNdArray(value, { identifier: context.identifier });
      const pipeline = await sharpFromArray(array, limits, context, load);
      return encodeWithSharp(pipeline.jpeg({ quality, chromaSubsampling: "4:4:4" }), limits, context);
    },
    decode(bytes, context) {
      checkCodecOptions("jpeg", context, []);
      return decodeWithSharp(bytes, "jpeg", context, load);
    },
  };
}
