/**
 * Codecs: values to bytes and back, by suffix, by name or by MIME type; and the backend that uses them above any byte
 * store.
 *
 * @module sluice/codecs
 */
export { bytesCodec } from "./bytes.ts";
export type { Codec, CodecContext } from "./codec.ts";
export { CodecSet, type RegisterCodecOptions } from "./codec-set.ts";
export { type Cell, type CellType, type CsvOptions, csvCodec } from "./csv.ts";
export { createCodecs } from "./default-codecs.ts";
export { FileBackend, type FileBackendOptions } from "./file-backend.ts";
export { createJpegCodec } from "./jpeg.ts";
export { jsonCodec } from "./json.ts";
export { ndjsonCodec } from "./ndjson.ts";
export { npyCodec } from "./npy.ts";
export { type NpzOptions, npzCodec } from "./npz.ts";
export { createPngCodec } from "./png.ts";
export { createRoi, type RoiInit } from "./roi/check-roi.ts";
export {
  type BoxRoi,
  type CompositeRoi,
  type ImageRoi,
  isRoi,
  type LineRoi,
  type MaskRoi,
  type PathRoi,
  type PathSegment,
  type PointRoi,
  type Roi,
  type RoiBase,
  type RoiFlag,
  type RoiKind,
  type RoiPoint,
  type RoiPosition,
  type RotatedEllipseRoi,
  type RotatedRectangleRoi,
  roiFlags,
  type TextRoi,
} from "./roi/roi.ts";
export { roiArchiveCodec } from "./roi/roi-archive-codec.ts";
export { roiCodec } from "./roi/roi-codec.ts";
export { type LabelRoiOptions, roisFromLabels } from "./roi/rois-from-labels.ts";
export type { SharpLoader, SharpModule } from "./sharp-image.ts";
export { textCodec } from "./text.ts";
export { encodeTiff, type TiffOptions } from "./tiff/encode.ts";
export { tiffCodec } from "./tiff/tiff-codec.ts";
export { createWebpCodec } from "./webp.ts";
