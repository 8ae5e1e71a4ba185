/** PNG images. */
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

const limits: ImageLimits = { format: "PNG", dtypes: ["uint8", "uint16"], channels: [3, 4] };

/** zlib's fastest: on camera noise higher levels take four times as long for a few percent. */
const DEFAULT_LEVEL = 1;

/**
 * PNG, exact: `[y, x]` gray, `[y, x, 3]` RGB and `[y, x, 4]` RGBA of uint8 or uint16; every other dtype is refused.
 * Palettes load as RGB, gray with alpha as `[y, x, 2]`. Colour profiles and gamma are not applied. The option
 * `compressionLevel` of a save is zlib's, 0 to 9, by default 1.
 *
 * @param load - Loads sharp on first use.
 */
export function createPngCodec(load: SharpLoader = importSharp): Codec {
  return {
    name: "png",
    suffixes: [".png"],
    mimeTypes: ["image/png"],
    async encode(value, context) {
      checkCodecOptions("png", context, ["compressionLevel"]);
      const { compressionLevel = DEFAULT_LEVEL } = context.options as { compressionLevel?: number };
      checkInteger(compressionLevel, "compressionLevel", 0, { identifier: context.identifier });
      if (compressionLevel > 9) throw invalidData(context, `compressionLevel is 0 to 9, not ${compressionLevel}`);
      const array = checkNdArray(value, { identifier: context.identifier });
      const pipeline = await sharpFromArray(array, limits, context, load);
      // No palette: it would quantise.
      return encodeWithSharp(pipeline.png({ compressionLevel, palette: false }), limits, context);
    },
    decode(bytes, context) {
      checkCodecOptions("png", context, []);
      return decodeWithSharp(bytes, "png", context, load);
    },
  };
}
