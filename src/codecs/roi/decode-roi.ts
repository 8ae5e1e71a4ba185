/** The bytes of ImageJ's files to regions. */

import { StorageError } from "../../core/errors.ts";
import type { CodecContext } from "../codec.ts";
import { corrupt } from "../codec-options.ts";
import { wholeAt } from "./encode-roi.ts";
import {
  arrowStyles,
  at,
  at2,
  HEADER_LENGTH,
  HEADER2_MINIMUM,
  justifications,
  kindOfType,
  MAGIC,
  MASK_PROPERTY,
  markers,
  SUBPIXEL,
  steps,
  subtypes,
  VERSION_WIDE_GROUP,
} from "./layout.ts";
import { maskInside } from "./mask-outline.ts";
import { type PathSegment, type Roi, type RoiBase, type RoiFlag, type RoiPoint, roiFlags } from "./roi.ts";

/** A file under way, every read of it checked. */
class RoiBytes {
  readonly view: DataView;
  readonly version: number;
  /** Where the second header is; `undefined` if there is none. */
  readonly header2: number | undefined;
  readonly subpixel: boolean;
  readonly #context: CodecContext;

  constructor(bytes: Uint8Array, context: CodecContext) {
    this.#context = context;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_LENGTH || this.view.getUint32(0) !== MAGIC) throw this.damaged('it has no header "Iout"');
    this.version = this.view.getInt16(at.version);
    const header2 = this.view.getInt32(at.header2);
    if (header2 < 0 || header2 > bytes.length) throw this.damaged("its second header lies outside of it");
    this.header2 = header2 > 0 && header2 + HEADER2_MINIMUM <= bytes.length ? header2 : undefined;
    this.subpixel = this.version >= 222 && (this.view.getUint16(at.options) & SUBPIXEL) !== 0;
  }

  damaged(problem: string): StorageError {
    return corrupt(this.#context, `it is no whole ImageJ region: ${problem}`);
  }

  /** A place of so many bytes that is all there. */
  need(offset: number, length: number, what: string): number {
    if (offset >= 0 && length >= 0 && offset + length <= this.view.byteLength) return offset;
    throw this.damaged(`its ${what} (${length} bytes at ${offset}) reach out of its ${this.view.byteLength} bytes`);
  }

  float(offset: number, what: string): number {
    const value = this.view.getFloat32(this.need(offset, 4, what));
    if (Number.isFinite(value)) return value;
    throw this.damaged(`its ${what} have a number that is none`);
  }

  floats(offset: number, count: number, what: string): number[] {
    this.need(offset, 4 * count, what);
    return Array.from({ length: count }, (_, i) => this.float(offset + 4 * i, what));
  }

  text(offset: number, length: number, what: string): string {
    this.need(offset, 2 * length, what);
    let text = "";
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.view.getUint16(offset + 2 * i));
    return text;
  }

  /** A 32-bit number of the second header; 0 where there is none. */
  word2(field: number): number {
    return this.header2 === undefined ? 0 : this.view.getInt32(this.header2 + field);
  }
}

/**
 * The region in a file, without its `source`.
 *
 * @throws A {@link StorageError}: `CORRUPT`, or `UNSUPPORTED` for a type that ImageJ does not have.
 */
export function parseRoi(bytes: Uint8Array, context: CodecContext): Roi {
  const file = new RoiBytes(bytes, context);
  return parseForm(file, parseBase(file), context);
}

function parseBase(file: RoiBytes): RoiBase {
  const { view, header2 } = file;
  const nameAt = file.word2(at2.nameOffset);
  const name = nameAt > 0 ? file.text(nameAt, file.word2(at2.nameLength), "name") : "";
  const propertiesAt = file.word2(at2.propertiesOffset);
  const lines = propertiesAt > 0 ? file.text(propertiesAt, file.word2(at2.propertiesLength), "properties") : "";
  const properties = parseProperties(lines);
  const position = definedOf({
    slice: indexOf(view.getInt32(at.position)),
    channel: indexOf(file.word2(at2.channel)),
    z: indexOf(file.word2(at2.z)),
    t: indexOf(file.word2(at2.t)),
  });
  const floatWidth = header2 === undefined ? 0 : view.getFloat32(header2 + at2.strokeWidth);
  // Before 1.52 there was only the whole width; of points it is the size of their markers.
  const wholeWidth = view.getUint8(at.type) === 10 ? 0 : view.getInt16(at.strokeWidth);
  const strokeWidth = floatWidth > 0 && Number.isFinite(floatWidth) ? floatWidth : wholeWidth;
  const label = definedOf({
    color: colorOf(file.word2(at2.labelColor)),
    fontSize: positive(header2 === undefined ? 0 : view.getInt16(header2 + at2.labelFontSize)),
  });
  const bits = view.getUint16(at.options);
  const flags = roiFlags.filter((flag, i): flag is RoiFlag => flag !== "subpixel" && (bits & (1 << i)) !== 0);
  return {
    type: "roi",
    ...definedOf({
      name: name === "" ? undefined : name,
      position: Object.keys(position).length > 0 ? position : undefined,
      strokeColor: colorOf(view.getInt32(at.strokeColor)),
      strokeWidth: positive(strokeWidth),
      fillColor: colorOf(view.getInt32(at.fillColor)),
      group: positive(groupOf(file)),
      flags: flags.length > 0 ? flags : undefined,
      properties: Object.keys(properties).length > 0 ? properties : undefined,
      label: Object.keys(label).length > 0 ? label : undefined,
    }),
    subpixel: file.subpixel,
  };
}

function parseForm(file: RoiBytes, base: RoiBase, context: CodecContext): Roi {
  const { view, version } = file;
  const kind = kindOfType.get(view.getUint8(at.type));
  if (kind === undefined) {
    const { identifier } = context;
    const message = `"${identifier}": ImageJ has no regions of type ${view.getUint8(at.type)}`;
    throw new StorageError("UNSUPPORTED", message, { identifier });
  }
  const subtype = view.getInt16(at.subtype);
  const shapeLength = view.getInt32(at.shapeLength);
  if (shapeLength > 0 && kind !== "rectangle") throw file.damaged("it has a path and is no rectangle");
  if (shapeLength > 0) return parsePath(file, base, shapeLength);
  if (kind === "rectangle" && subtype === subtypes.text && version >= 218) return parseText(file, base);
  if (kind === "rectangle" && subtype === subtypes.image && version >= 221) {
    const length = file.word2(at2.imageLength);
    if (length < 1) throw file.damaged("it has no image");
    const from = file.need(HEADER_LENGTH, length, "image");
    const image = new Uint8Array(view.buffer, view.byteOffset + from, length).slice();
    const opacity = view.getUint8((file.header2 as number) + at2.opacity);
    return { ...base, kind: "image", ...boxOf(file), image, opacity };
  }
  switch (kind) {
    case "rectangle":
    case "ellipse": {
      const cornerDiameter = kind === "rectangle" ? positive(view.getInt16(at.cornerDiameter)) : undefined;
      return { ...base, kind, ...boxOf(file), ...definedOf({ cornerDiameter }) };
    }
    case "line": {
      const ends = endsOf(file);
      if (subtype !== subtypes.arrow) return { ...base, kind, ...ends };
      const style = arrowStyles[view.getUint8(at.style)] ?? "filled";
      return { ...base, kind, ...ends, arrow: { style, headSize: view.getUint8(at.headSize) } };
    }
    case "point": {
      const points = pointsOf(file);
      const marker = markers[view.getUint8(at.style)];
      const markerSize = version >= 226 ? positive(view.getInt16(at.strokeWidth)) : undefined;
      const from = file.word2(at2.countersOffset);
      const counters = from > 0 ? countersOf(file, from, points.length) : undefined;
      return {
        ...base,
        kind,
        points,
        ...definedOf({ marker: marker === "hybrid" ? undefined : marker, markerSize, counters }),
      };
    }
    case "freehand":
      if (subtype === subtypes.ellipse) {
        return { ...base, kind: "rotatedEllipse", ...endsOf(file), aspectRatio: file.float(at.style, "aspect ratio") };
      }
      if (subtype === subtypes.rotatedRectangle) {
        return { ...base, kind: "rotatedRectangle", ...endsOf(file), width: file.float(at.style, "width") };
      }
      return { ...base, kind, points: pointsOf(file) };
    default:
      return { ...base, kind, points: pointsOf(file) };
  }
}

function boundsOf({ view }: RoiBytes) {
  const [left, top] = [wholeAt(view, at.left), wholeAt(view, at.top)];
  const [right, bottom] = [wholeAt(view, at.right), wholeAt(view, at.bottom)];
  // An end before its beginning is one beyond 60,535 that has wrapped around.
  return {
    x: left,
    y: top,
    width: (right < left ? right + 65_536 : right) - left,
    height: (bottom < top ? bottom + 65_536 : bottom) - top,
  };
}

function boxOf(file: RoiBytes) {
  if (!file.subpixel || file.version < 223) return boundsOf(file);
  const [x, y, width, height] = file.floats(at.floats, 4, "bounds") as [number, number, number, number];
  if (width < 0 || height < 0) throw file.damaged("its width or height is below 0");
  return { x, y, width, height };
}

function endsOf(file: RoiBytes): { readonly start: RoiPoint; readonly end: RoiPoint } {
  const [x0, y0, x1, y1] = file.floats(at.floats, 4, "ends") as [number, number, number, number];
  return { start: [x0, y0], end: [x1, y1] };
}

function pointsOf(file: RoiBytes): RoiPoint[] {
  const { view } = file;
  const count = view.getUint16(at.count) || view.getInt32(at.floats);
  if (count <= 0) throw file.damaged("it has no points");
  file.need(HEADER_LENGTH, count * (file.subpixel ? 12 : 4), "points");
  if (file.subpixel) {
    const [xs, ys] = [HEADER_LENGTH + 4 * count, HEADER_LENGTH + 8 * count];
    return Array.from(
      { length: count },
      (_, i): RoiPoint => [file.float(xs + 4 * i, "points"), file.float(ys + 4 * i, "points")],
    );
  }
  const { x, y } = boundsOf(file);
  return Array.from(
    { length: count },
    (_, i): RoiPoint => [
      x + view.getUint16(HEADER_LENGTH + 2 * i),
      y + view.getUint16(HEADER_LENGTH + 2 * (count + i)),
    ],
  );
}

function parsePath(file: RoiBytes, base: RoiBase, length: number): Roi {
  const numbers = file.floats(HEADER_LENGTH, length, "path");
  const path: PathSegment[] = [];
  for (let i = 0; i < length; ) {
    const step = steps[numbers[i] as number];
    if (step === undefined) throw file.damaged(`its path has a step ${numbers[i]}`);
    const [name, count] = step;
    if (i + 1 + count > length) throw file.damaged("its path is cut off");
    path.push([name, ...numbers.slice(i + 1, i + 1 + count)] as unknown as PathSegment);
    i += 1 + count;
  }
  const { [MASK_PROPERTY]: place, ...others } = base.properties ?? {};
  const [, x, y, width, height] = (/^(-?\d{1,7}) (-?\d{1,7}) (\d{1,5}) (\d{1,5})$/.exec(place ?? "") ?? []).map(Number);
  if (x === undefined || y === undefined || width === undefined || height === undefined) {
    return { ...base, kind: "composite", path };
  }
  const mask = width * height > 0 ? maskInside(path, { x, y, width, height }) : undefined;
  // Somebody has moved or reshaped it since.
  if (mask === undefined) return { ...base, kind: "composite", path };
  const { properties: _, ...rest } = base;
  return { ...rest, ...(Object.keys(others).length > 0 ? { properties: others } : {}), kind: "mask", x, y, mask };
}

function parseText(file: RoiBytes, base: RoiBase): Roi {
  const { view } = file;
  file.need(HEADER_LENGTH, 16, "text");
  const [fontSize, style, nameLength, textLength] = [0, 4, 8, 12].map((offset) =>
    view.getInt32(HEADER_LENGTH + offset),
  ) as [number, number, number, number];
  if (fontSize < 0) throw file.damaged("its font has a size below 0");
  const fontAt = HEADER_LENGTH + 16;
  const fontName = file.text(fontAt, nameLength, "font");
  const text = file.text(fontAt + 2 * nameLength, textLength, "text");
  const angleAt = fontAt + 2 * (nameLength + textLength);
  const angle = file.version >= 225 ? file.float(angleAt, "angle") : 0;
  const justification = justifications[(style >> 8) & 3] ?? "left";
  return {
    ...base,
    kind: "text",
    ...boxOf(file),
    text,
    fontName,
    fontSize,
    fontStyle: style & 0xff,
    justification,
    angle,
  };
}

function countersOf(file: RoiBytes, from: number, count: number) {
  file.need(from, 4 * count, "counters");
  return Array.from({ length: count }, (_, i) => {
    const word = file.view.getUint32(from + 4 * i);
    return { counter: word & 0xff, slice: word >>> 8 };
  });
}

function groupOf({ view, version, header2 }: RoiBytes): number {
  if (header2 === undefined) return 0;
  const group = view.getUint8(header2 + at2.group);
  const isWide = group === 0 && version >= VERSION_WIDE_GROUP && header2 + at2.rest <= view.byteLength;
  return isWide ? view.getUint16(header2 + at2.wideGroup) : group;
}

function parseProperties(lines: string): Record<string, string> {
  const entries = lines.split(/\r?\n/).flatMap((line): [string, string][] => {
    const [, key, text] = /^\s*([^:=]*[^:=\s])\s*[:=](.*)$/.exec(line) ?? [];
    return key === undefined || text === undefined ? [] : [[key, text.trim()]];
  });
  return Object.fromEntries(entries);
}

function colorOf(argb: number): string | undefined {
  if (argb === 0) return undefined;
  const hex = (argb >>> 0).toString(16).padStart(8, "0");
  return hex.startsWith("ff") ? `#${hex.slice(2)}` : `#${hex.slice(2)}${hex.slice(0, 2)}`;
}

/** ImageJ counts from 1, and 0 is none. */
function indexOf(position: number): number | undefined {
  return position > 0 ? position - 1 : undefined;
}

function positive(value: number): number | undefined {
  return value > 0 ? value : undefined;
}

function definedOf<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
