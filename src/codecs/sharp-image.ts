/**
 * The one place that talks to sharp. Left to its defaults it turns 16-bit gray into 8-bit sRGB and applies colour
 * profiles, without a word; here colour space and depth are pinned, so that stored numbers stay what they are.
 */
import type { Sharp, SharpOptions } from "sharp";
import { describe } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import { contiguous, type NdArray, ndArray } from "../core/nd-array.ts";
import type { CodecContext } from "./codec.ts";
import { corrupt, dtypeMismatch, invalidData } from "./codec-options.ts";

/** What `import("sharp")` gives. */
export type SharpModule = typeof import("sharp");

/** Loads sharp; replaced in tests of its absence. */
export type SharpLoader = () => Promise<SharpModule>;

/** What an image format can keep. */
export interface ImageLimits {
  /** Name for messages. */
  readonly format: string;
  readonly dtypes: readonly string[];
  /** Lengths of the last axis that are colour. */
  readonly channels: readonly number[];
}

const decodeOptions: SharpOptions = {
  // A profile would change the numbers.
  ignoreIcc: true,
  // Damage is an error; a warning about an odd tag is not.
  failOn: "error",
  limitInputPixels: false,
};

/** Loads sharp on first use. */
export const importSharp: SharpLoader = () => import("sharp");

/**
 * A sharp pipeline over the pixels of an array, pinned to its colour space and depth.
 *
 * @throws A {@link StorageError}: `INVALID_DATA`, `DTYPE_MISMATCH` or `MISSING_DEPENDENCY`.
 */
export async function sharpFromArray(
  value: NdArray,
  limits: ImageLimits,
  context: CodecContext,
  load: SharpLoader,
): Promise<Sharp> {
  const { format, dtypes, channels: allowed } = limits;
  const hint = "; save it as .npy or .tif";
  if (!dtypes.includes(value.dtype)) {
    throw dtypeMismatch(context, `${format} keeps ${dtypes.join(" and ")} only, not ${describe(value)}${hint}`);
  }
  const [height = 0, width = 0, channels = 1] = value.shape;
  const isImage = value.shape.length === 2 || (value.shape.length === 3 && allowed.includes(channels));
  if (!isImage || height === 0 || width === 0) {
    const forms = ["[y, x]", ...allowed.map((count) => `[y, x, ${count}]`)];
    throw invalidData(context, `${format} keeps ${forms.join(", ")}, not ${describe(value)}${hint}`);
  }
  const { default: sharp } = await loadOrExplain(load, context);
  const { data } = contiguous(value);
  const is16Bit = value.dtype === "uint16";
  const raw = { width, height, channels: channels as 1 | 3 | 4 };
  return sharp(data as Uint8Array | Uint16Array, { raw, limitInputPixels: false }).toColourspace(
    colourSpace(channels, is16Bit),
  );
}

/** Runs the pipeline; what sharp refuses is `INVALID_DATA`. */
export async function encodeWithSharp(
  pipeline: Sharp,
  limits: ImageLimits,
  context: CodecContext,
): Promise<Uint8Array> {
  try {
    const bytes = await pipeline.toBuffer();
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw new StorageError(
      "INVALID_DATA",
      `"${context.identifier}": ${limits.format} cannot keep it: ${(error as Error).message}`,
      {
        identifier: context.identifier,
        cause: error,
      },
    );
  }
}

/**
 * Decodes an image to `[y, x]` if it has one channel, else `[y, x, channel]`, uint8 or uint16 as it is stored.
 *
 * @throws A {@link StorageError} `CORRUPT` or `MISSING_DEPENDENCY`.
 */
export async function decodeWithSharp(
  bytes: Uint8Array,
  expected: "png" | "jpeg" | "webp",
  context: CodecContext,
  load: SharpLoader,
): Promise<NdArray> {
  const { default: sharp } = await loadOrExplain(load, context);
  try {
    const image = sharp(bytes, decodeOptions);
    const { format, channels: stored, depth, space } = await image.metadata();
    if (format !== expected) throw corrupt(context, `not ${expected}: its bytes are ${format}`);
    const is16Bit = depth === "ushort";
    // Four inks become three colours; everything else keeps its channels.
    const channels = space === "cmyk" ? 3 : stored;
    // sharp drops the alpha of gray images, so these come as RGBA and lose the two copies of the gray.
    const decoded = channels === 2 ? 4 : channels;
    const { data, info } = await image
      .toColourspace(colourSpace(decoded, is16Bit))
      .raw({ depth: is16Bit ? "ushort" : "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    if (info.channels !== decoded) {
      throw corrupt(context, `the decoder gave ${info.channels} channels for ${decoded}`);
    }
    const pixels = is16Bit
      ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (channels === 2)
      return ndArray(
        pixels.filter((_, i) => i % 4 === 0 || i % 4 === 3),
        [height, width, 2],
      );
    return ndArray(pixels, channels === 1 ? [height, width] : [height, width, channels]);
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw corrupt(context, `the ${expected} cannot be read: ${(error as Error).message}`, error);
  }
}

function colourSpace(channels: number, is16Bit: boolean): string {
  if (channels < 3) return is16Bit ? "grey16" : "b-w";
  return is16Bit ? "rgb16" : "srgb";
}

async function loadOrExplain(load: SharpLoader, context: CodecContext): Promise<SharpModule> {
  try {
    return await load();
  } catch (error) {
    throw new StorageError(
      "MISSING_DEPENDENCY",
      `"${context.identifier}" needs the package sharp, which does not load here; run: npm install sharp`,
      { identifier: context.identifier, cause: error },
    );
  }
}
