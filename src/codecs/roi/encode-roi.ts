/** Regions to the bytes of ImageJ's files. */
import { coordinatesOf } from "./check-roi.ts";
import {
  arrowStyles,
  at,
  at2,
  GREATEST_WHOLE,
  HEADER_LENGTH,
  HEADER2_LENGTH,
  justifications,
  LEAST_WHOLE,
  MAGIC,
  MASK_PROPERTY,
  markers,
  SUBPIXEL,
  steps,
  subtypes,
  typeOf,
  VERSION,
  VERSION_WIDE_GROUP,
} from "./layout.ts";
import { outlineOf } from "./mask-outline.ts";
import { type PathSegment, type Roi, type RoiPoint, roiFlags } from "./roi.ts";

/** The pieces of a file before they are put together, so that what an older file says can be put into them. */
export interface RoiParts {
  /** Without the offset of the second header. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  /** Without offsets and lengths. */
  readonly header2: Uint8Array;
  readonly name: Uint8Array;
  readonly properties: Uint8Array;
  readonly counters: Uint8Array;
}

/** The pieces of a region that has been checked; `source` is not looked at. */
export function partsOf(roi: Roi): RoiParts {
  const header = new DataView(new ArrayBuffer(HEADER_LENGTH));
  const header2 = new DataView(new ArrayBuffer(HEADER2_LENGTH));
  header.setUint32(0, MAGIC);
  header.setInt16(at.version, VERSION);
  header.setUint8(at.type, typeOf[roi.kind]);
  header.setUint16(at.options, optionsOf(roi));
  header.setUint32(at.strokeColor, argbOf(roi.strokeColor));
  header.setUint32(at.fillColor, argbOf(roi.fillColor));
  const { strokeWidth = 0, position = {}, label = {}, group = 0 } = roi;
  header.setInt16(at.strokeWidth, Math.min(Math.trunc(strokeWidth), 0x7fff));
  header2.setFloat32(at2.strokeWidth, strokeWidth);
  header.setInt32(at.position, (position.slice ?? -1) + 1);
  header2.setInt32(at2.channel, (position.channel ?? -1) + 1);
  header2.setInt32(at2.z, (position.z ?? -1) + 1);
  header2.setInt32(at2.t, (position.t ?? -1) + 1);
  header2.setUint32(at2.labelColor, argbOf(label.color));
  header2.setInt16(at2.labelFontSize, label.fontSize ?? 0);
  if (group > 0xff) {
    header.setInt16(at.version, VERSION_WIDE_GROUP);
    header2.setUint16(at2.wideGroup, group);
  } else header2.setUint8(at2.group, group);
  const body = putForm(roi, header, header2);
  const properties = Object.entries(roi.properties ?? {});
  if (roi.kind === "mask") {
    properties.push([MASK_PROPERTY, [roi.x, roi.y, roi.mask.shape[1], roi.mask.shape[0]].join(" ")]);
  }
  return {
    header: new Uint8Array(header.buffer),
    body,
    header2: new Uint8Array(header2.buffer),
    name: utf16(roi.name ?? ""),
    properties: utf16(properties.map(([key, text]) => `${key}: ${text}\n`).join("")),
    counters: roi.kind === "point" ? countersOf(roi.counters ?? []) : new Uint8Array(0),
  };
}

/** The file: header, body, second header, name, properties, counters. */
export function assemble({ header, body, header2, name, properties, counters }: RoiParts): Uint8Array {
  const header2At = HEADER_LENGTH + body.length;
  const nameAt = header2At + HEADER2_LENGTH;
  const propertiesAt = nameAt + name.length;
  const countersAt = propertiesAt + properties.length;
  const bytes = new Uint8Array(countersAt + counters.length);
  for (const [part, offset] of [
    [header, 0],
    [body, HEADER_LENGTH],
    [header2, header2At],
    [name, nameAt],
    [properties, propertiesAt],
    [counters, countersAt],
  ] as const) {
    bytes.set(part, offset);
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(at.header2, header2At);
  const place = (offset: number, part: Uint8Array, target: number) => {
    view.setUint32(header2At + target, part.length > 0 ? offset : 0);
  };
  place(nameAt, name, at2.nameOffset);
  place(propertiesAt, properties, at2.propertiesOffset);
  place(countersAt, counters, at2.countersOffset);
  view.setUint32(header2At + at2.nameLength, name.length / 2);
  view.setUint32(header2At + at2.propertiesLength, properties.length / 2);
  return bytes;
}

/** Puts what only this form has into the headers. Returns the body. */
function putForm(roi: Roi, header: DataView, header2: DataView): Uint8Array {
  const none = new Uint8Array(0);
  const floats = (...numbers: number[]) => {
    for (const [i, value] of numbers.entries()) header.setFloat32(at.floats + 4 * i, value);
  };
  putBounds(roi, header);
  switch (roi.kind) {
    case "text":
    case "image":
    case "rectangle":
    case "ellipse":
      if (roi.subpixel) floats(roi.x, roi.y, roi.width, roi.height);
      if (roi.kind === "text") return putText(roi, header);
      if (roi.kind === "image") {
        header.setInt16(at.subtype, subtypes.image);
        header2.setUint8(at2.opacity, roi.opacity);
        header2.setUint32(at2.imageLength, roi.image.length);
        return roi.image;
      }
      header.setInt16(at.cornerDiameter, roi.cornerDiameter ?? 0);
      return none;
    case "line":
      floats(...roi.start, ...roi.end);
      if (roi.arrow === undefined) return none;
      header.setInt16(at.subtype, subtypes.arrow);
      header.setUint8(at.style, arrowStyles.indexOf(roi.arrow.style));
      header.setUint8(at.headSize, roi.arrow.headSize);
      return none;
    case "rotatedEllipse":
    case "rotatedRectangle": {
      const isEllipse = roi.kind === "rotatedEllipse";
      header.setInt16(at.subtype, isEllipse ? subtypes.ellipse : subtypes.rotatedRectangle);
      header.setFloat32(at.style, isEllipse ? roi.aspectRatio : roi.width);
      const body = putPoints(rotatedOutline(roi), roi.subpixel, header);
      floats(...roi.start, ...roi.end);
      return body;
    }
    case "composite":
      return putPath(roi.path, header);
    case "mask":
      return putPath(outlineOf(roi.mask, roi.x, roi.y), header);
    case "point":
      header.setUint8(at.style, markers.indexOf(roi.marker ?? "hybrid"));
      // Since 1.52 the size of a marker stands where the whole width of a stroke was.
      if (roi.markerSize !== undefined) header.setInt16(at.strokeWidth, roi.markerSize);
      return putPoints(roi.points, roi.subpixel, header);
    default:
      return putPoints(roi.points, roi.subpixel, header);
  }
}

/** The whole numbers around it. Where they do not say it all, the floats do. */
function putBounds(roi: Roi, header: DataView): void {
  const isMask = roi.kind === "mask";
  const numbers = isMask
    ? [roi.x, roi.y, roi.x + (roi.mask.shape[1] as number), roi.y + (roi.mask.shape[0] as number)]
    : roi.kind === "rotatedEllipse" || roi.kind === "rotatedRectangle"
      ? rotatedOutline(roi).flat()
      : coordinatesOf(roi);
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < numbers.length; i += 2) {
    left = Math.min(left, numbers[i] as number);
    right = Math.max(right, numbers[i] as number);
    top = Math.min(top, numbers[i + 1] as number);
    bottom = Math.max(bottom, numbers[i + 1] as number);
  }
  const more = roi.kind === "point" ? 1 : 0;
  const clamp = (value: number) => Math.min(Math.max(value, LEAST_WHOLE), GREATEST_WHOLE);
  header.setInt16(at.left, clamp(Math.floor(left)));
  header.setInt16(at.top, clamp(Math.floor(top)));
  header.setInt16(at.right, clamp(Math.ceil(right) + more));
  header.setInt16(at.bottom, clamp(Math.ceil(bottom) + more));
}

/** All x, then all y, from the corner of the bounds; then, with fractions, all x and all y as floats. */
function putPoints(points: readonly RoiPoint[], subpixel: boolean, header: DataView): Uint8Array {
  const count = points.length;
  if (count > 0xffff) header.setInt32(at.floats, count);
  else header.setUint16(at.count, count);
  const body = new DataView(new ArrayBuffer(count * (subpixel ? 12 : 4)));
  const corner = [wholeAt(header, at.left), wholeAt(header, at.top)] as const;
  points.forEach((point, i) => {
    for (const axis of [0, 1] as const) {
      const whole = Math.round(point[axis] - corner[axis]);
      body.setUint16(2 * (axis * count + i), Math.min(Math.max(whole, 0), 0xffff));
      if (subpixel) body.setFloat32(4 * count + 4 * (axis * count + i), point[axis]);
    }
  });
  return new Uint8Array(body.buffer);
}

/** A coordinate of 16 bits: those far below zero are those beyond 32,767. */
export function wholeAt(view: DataView, offset: number): number {
  const value = view.getInt16(offset);
  return value < LEAST_WHOLE ? value + 65_536 : value;
}

function putPath(path: readonly PathSegment[], header: DataView): Uint8Array {
  const numbers = path.flatMap(([step, ...coordinates]) => [
    steps.findIndex(([name]) => name === step),
    ...(coordinates as number[]),
  ]);
  header.setInt32(at.shapeLength, numbers.length);
  const body = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((value, i) => {
    body.setFloat32(4 * i, value);
  });
  return new Uint8Array(body.buffer);
}

function putText(roi: Extract<Roi, { kind: "text" }>, header: DataView): Uint8Array {
  header.setInt16(at.subtype, subtypes.text);
  const fontName = utf16(roi.fontName);
  const text = utf16(roi.text);
  const body = new Uint8Array(20 + fontName.length + text.length);
  const view = new DataView(body.buffer);
  view.setInt32(0, roi.fontSize);
  view.setInt32(4, roi.fontStyle | (justifications.indexOf(roi.justification) << 8));
  view.setInt32(8, fontName.length / 2);
  view.setInt32(12, text.length / 2);
  body.set(fontName, 16);
  body.set(text, 16 + fontName.length);
  view.setFloat32(16 + fontName.length + text.length, roi.angle);
  return body;
}

/** The corners of a rotated rectangle, or 72 points around a rotated ellipse, which programs draw that know no better. */
function rotatedOutline(roi: Extract<Roi, { kind: "rotatedEllipse" | "rotatedRectangle" }>): RoiPoint[] {
  const [[x0, y0], [x1, y1]] = [roi.start, roi.end];
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = Math.hypot(dx, dy);
  const across = roi.kind === "rotatedRectangle" ? roi.width / (length || 1) : roi.aspectRatio;
  const [nx, ny] = [(-dy * across) / 2, (dx * across) / 2];
  const place = (along: number, aside: number): RoiPoint => {
    const point = [(x0 + x1) / 2 + along * dx + aside * nx, (y0 + y1) / 2 + along * dy + aside * ny] as const;
    return roi.subpixel ? [Math.fround(point[0]), Math.fround(point[1])] : [Math.round(point[0]), Math.round(point[1])];
  };
  if (roi.kind === "rotatedRectangle") return [place(-0.5, 1), place(-0.5, -1), place(0.5, -1), place(0.5, 1)];
  return Array.from({ length: 72 }, (_, i) => {
    const angle = (i * Math.PI) / 36;
    return place(Math.cos(angle) / 2, Math.sin(angle));
  });
}

function optionsOf({ flags = [], subpixel }: Roi): number {
  const names: readonly string[] = flags;
  return roiFlags.reduce((bits, flag, i) => (names.includes(flag) ? bits | (1 << i) : bits), subpixel ? SUBPIXEL : 0);
}

function argbOf(color: string | undefined): number {
  if (color === undefined) return 0;
  const rgb = Number.parseInt(color.slice(1, 7), 16);
  const alpha = color.length === 9 ? Number.parseInt(color.slice(7), 16) : 0xff;
  return alpha * 0x1000000 + rgb;
}

function countersOf(counters: readonly { readonly counter: number; readonly slice: number }[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * counters.length));
  counters.forEach(({ counter, slice }, i) => {
    view.setUint32(4 * i, slice * 0x100 + counter);
  });
  return new Uint8Array(view.buffer);
}

function utf16(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i));
  return new Uint8Array(view.buffer);
}
