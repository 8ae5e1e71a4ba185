/** The codec of one region in ImageJ's format. */
import type { Codec, CodecContext } from "../codec.ts";
import { checkCodecOptions } from "../codec-options.ts";
import { checkRoi } from "./check-roi.ts";
import { parseRoi } from "./decode-roi.ts";
import { assemble, partsOf, type RoiParts } from "./encode-roi.ts";
import { at, at2, HEADER2_LENGTH, VERSION } from "./layout.ts";
import { type Roi, roiFlags } from "./roi.ts";

/**
 * ImageJ's `.roi`: one region, exactly. Coordinates are kept as whole numbers or as float32, by `subpixel`; what is
 * neither is refused.
 *
 * A region that was read and not changed is written byte by byte as it was; of one that was changed, what has no field
 * here is kept from the file it came from.
 *
 * @see ImageJ, `ij.io.RoiDecoder` and `ij.io.RoiEncoder`
 */
export const roiCodec: Codec = {
  name: "roi",
  suffixes: [".roi"],
  mimeTypes: ["application/x-imagej-roi"],
  encode(value, context) {
    checkCodecOptions("roi", context, []);
    return encodeRoi(checkRoi(value, context.identifier), context);
  },
  decode(bytes, context) {
    checkCodecOptions("roi", context, []);
    return decodeRoi(bytes, context);
  },
};

/** The region in a file. Shares no memory with it. */
export function decodeRoi(bytes: Uint8Array, context: CodecContext): Roi {
  const roi = parseRoi(bytes, context);
  // Most files of other programs say something more: a version, an option, an outline.
  return isSame(assemble(partsOf(roi)), bytes) ? roi : { ...roi, source: new Uint8Array(bytes) };
}

/** The file of a region that has been checked. */
export function encodeRoi(roi: Roi, context: CodecContext): Uint8Array {
  const parts = partsOf(roi);
  const bytes = assemble(parts);
  if (roi.source === undefined) return bytes;
  const former = parseRoi(roi.source, context);
  const formerParts = partsOf(former);
  if (isSame(assemble(formerParts), bytes)) return roi.source.slice();
  // Of another form nothing is taken over: the same bytes would say something else.
  return former.kind === roi.kind ? assemble(merge(parts, formerParts, roi.source)) : bytes;
}

/** Fields that another program may have filled with what has no name here, with their lengths. */
const fields = [
  [at.reserved, 1],
  [at.strokeWidth, 2],
  [at.strokeColor, 4],
  [at.fillColor, 4],
  [at.style, 1],
  [at.headSize, 1],
  [at.cornerDiameter, 2],
  [at.position, 4],
] as const;

const fields2 = [
  [at2.reserved, 4],
  [at2.channel, 4],
  [at2.z, 4],
  [at2.t, 4],
  [at2.labelColor, 4],
  [at2.labelFontSize, 2],
  [at2.group, 1],
  [at2.opacity, 1],
  [at2.strokeWidth, 4],
  [at2.wideGroup, 2],
  [at2.rest, HEADER2_LENGTH - at2.rest],
] as const;

/** The new pieces, with what the file said in every field that was not changed since. */
function merge(parts: RoiParts, former: RoiParts, source: Uint8Array): RoiParts {
  const file = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const header = parts.header.slice();
  const header2 = parts.header2.slice();
  const keep = (
    target: Uint8Array,
    before: Uint8Array,
    from: number,
    end: number,
    [offset, length]: readonly [number, number],
  ) => {
    const stop = offset + length;
    if (from + stop > end || !isSame(target.subarray(offset, stop), before.subarray(offset, stop))) return;
    target.set(source.subarray(from + offset, from + stop), offset);
  };
  for (const field of fields) keep(header, former.header, 0, source.length, field);
  const from = file.getInt32(at.header2);
  if (from > 0 && from + at2.wideGroup <= source.length) {
    // It ends where something begins that it points at.
    const ends = [at2.nameOffset, at2.propertiesOffset, at2.countersOffset].map((field) => file.getInt32(from + field));
    const end = Math.min(source.length, ...ends.filter((place) => place >= from + at2.wideGroup));
    for (const field of fields2) keep(header2, former.header2, from, end, field);
  }
  const view = new DataView(header.buffer);
  view.setInt16(at.version, Math.max(view.getInt16(at.version), file.getInt16(at.version), VERSION));
  const unknown = 0xffff & ~((1 << roiFlags.length) - 1);
  view.setUint16(at.options, view.getUint16(at.options) | (file.getUint16(at.options) & unknown));
  return { ...parts, header, header2 };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
