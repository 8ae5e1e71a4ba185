/** The codecs that every file-like backend has unless it is given others. */
import { bytesCodec } from "./bytes.ts";
import { CodecSet } from "./codec-set.ts";
import { csvCodec } from "./csv.ts";
import { createJpegCodec } from "./jpeg.ts";
import { jsonCodec } from "./json.ts";
import { ndjsonCodec } from "./ndjson.ts";
import { npyCodec } from "./npy.ts";
import { npzCodec } from "./npz.ts";
import { createPngCodec } from "./png.ts";
import { roiArchiveCodec } from "./roi/roi-archive-codec.ts";
import { roiCodec } from "./roi/roi-codec.ts";
import { textCodec } from "./text.ts";
import { tiffCodec } from "./tiff/tiff-codec.ts";
import { createWebpCodec } from "./webp.ts";

/** A new set of all built-in codecs; packages that some of them need are loaded on first use. */
export function createCodecs(): CodecSet {
  return new CodecSet([
    npyCodec,
    npzCodec,
    tiffCodec,
    createPngCodec(),
    createJpegCodec(),
    createWebpCodec(),
    jsonCodec,
    ndjsonCodec,
    csvCodec,
    roiCodec,
    roiArchiveCodec,
    textCodec,
    bytesCodec,
  ]);
}
