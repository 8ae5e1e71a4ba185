/** WebP images, without loss. */
import { checkNdArray } from "../core/checks.ts";
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

const limits: ImageLimits = { format: "WebP", dtypes: ["uint8"], channels: [3] };

/**
 * Lossless WebP, exact: uint8 `[y, x, 3]`, at most 16383 pixels a side. The format has no gray (an image of one channel
 * would come back with three), and drops an alpha channel that is opaque, so both are refused; png keeps them. Images
 * of others load as RGB or RGBA, lossy ones as they look.
 *
 * @param load - Loads sharp on first use.
 */
export function createWebpCodec(load: SharpLoader = importSharp): Codec {
  return {
    name: "webp",
    suffixes: [".webp"],
    mimeTypes: ["image/webp"],
    async encode(value, context) {
      checkCodecOptions("webp", context, []);
      const array = checkNdArray(value, { identifier: context.identifier });
      if (array.shape.length === 2) {
        throw invalidData(context, "WebP has no gray: it would load as [y, x, 3]; save it as .png");
      }
      const pipeline = await sharpFromArray(array, limits, context, load);
      return encodeWithSharp(pipeline.webp({ lossless: true }), limits, context);
    },
    decode(bytes, context) {
      checkCodecOptions("webp", context, []);
      return decodeWithSharp(bytes, "webp", context, load);
    },
  };
}
