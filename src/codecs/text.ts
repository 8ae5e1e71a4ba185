/** UTF-8 text. */
import { describe } from "../core/checks.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { checkCodecOptions, corrupt, invalidData } from "./codec-options.ts";

/**
 * Text as UTF-8, exactly: line ends and a byte order mark come back as they were. Strings with half a surrogate pair
 * have no UTF-8 form and are refused.
 */
export const textCodec: Codec = {
  name: "text",
  suffixes: [".txt"],
  mimeTypes: ["text/plain"],
  encode(value, context) {
    checkCodecOptions("text", context, []);
    if (typeof value !== "string") throw invalidData(context, `text keeps a string only, got ${describe(value)}`);
    return encodeText(value, context);
  },
  decode(bytes, context) {
    checkCodecOptions("text", context, []);
    return decodeText(bytes, context, true);
  },
};

/** A string as UTF-8, or `INVALID_DATA` if it has half a surrogate pair. */
export function encodeText(text: string, context: CodecContext): Uint8Array {
  const at = text.search(/\p{Surrogate}/u);
  if (at >= 0) {
    throw invalidData(context, `character ${at} is half a surrogate pair, which UTF-8 cannot keep`);
  }
  return new TextEncoder().encode(text);
}

/** UTF-8 as a string, or `CORRUPT`. */
export function decodeText(bytes: Uint8Array, context: CodecContext, keepByteOrderMark: boolean): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepByteOrderMark }).decode(bytes);
  } catch (error) {
    throw corrupt(context, "not UTF-8 text", error);
  }
}
