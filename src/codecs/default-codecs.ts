/** The codecs that every file-like backend has unless it is given others. */
import { bytesCodec } from "./bytes.ts";
import { CodecSet } from "./codec-set.ts";
import { jsonCodec } from "./json.ts";
import { npyCodec } from "./npy.ts";
import { textCodec } from "./text.ts";
import { tiffCodec } from "./tiff/tiff-codec.ts";

/** A new set of all built-in codecs; those that need a package load it on first use. */
export function createCodecs(): CodecSet {
  return new CodecSet([npyCodec, tiffCodec, jsonCodec, textCodec, bytesCodec]);
}
