/** Reads image file directories: classic TIFF and BigTIFF, both byte orders. */
import type { CodecContext } from "../codec.ts";
import { corrupt } from "../codec-options.ts";
import { tags } from "./directory.ts";

/** One image of a file: the values of the tags that this package knows. */
export class TiffDirectory {
  readonly #numbers: ReadonlyMap<number, readonly number[]>;
  /** Its texts: ImageDescription and Software, where they are. */
  readonly texts: readonly string[];

  constructor(numbers: ReadonlyMap<number, readonly number[]>, texts: readonly string[]) {
    this.#numbers = numbers;
    this.texts = texts;
  }

  /** All values of a tag; none if it is absent. */
  all(tag: number): readonly number[] {
    return this.#numbers.get(tag) ?? [];
  }

  /** The first value of a tag, or the default of TIFF 6.0. */
  first(tag: number, fallback = 0): number {
    return this.#numbers.get(tag)?.[0] ?? fallback;
  }
}

/** What a file holds beside its pixels. */
export interface TiffDirectories {
  readonly isLittleEndian: boolean;
  /** In file order; at least one. */
  readonly directories: readonly TiffDirectory[];
}

/** Bytes of one value of each field type, by its number; others are unknown and skipped. */
const valueSizes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 };
const ASCII = 2;
const knownTags: ReadonlySet<number> = new Set(Object.values(tags));

/**
 * Reads all directories of a file.
 *
 * @throws A {@link StorageError} `CORRUPT`: not a TIFF, or a directory or a value is beyond the end.
 */
export function readDirectories(bytes: Uint8Array, context: CodecContext): TiffDirectories {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return read(view, context);
  } catch (error) {
    // DataView throws it for everything beyond the end.
    if (error instanceof RangeError) throw corrupt(context, "the TIFF is cut off in its directories", error);
    throw error;
  }
}

function read(view: DataView, context: CodecContext): TiffDirectories {
  const order = view.byteLength < 8 ? 0 : view.getUint16(0);
  const isLittleEndian = order === 0x4949;
  const version = isLittleEndian || order === 0x4d4d ? view.getUint16(2, isLittleEndian) : 0;
  if (version !== 42 && version !== 43)
    throw corrupt(context, "not a TIFF: its first bytes are not II or MM and 42 or 43");
  const isBig = version === 43;
  const word = (at: number) =>
    isBig ? Number(view.getBigUint64(at, isLittleEndian)) : view.getUint32(at, isLittleEndian);
  const directories: TiffDirectory[] = [];
  const visited = new Set<number>();
  for (let at = word(isBig ? 8 : 4); at !== 0; ) {
    if (visited.has(at)) throw corrupt(context, "the directories of the TIFF run in a circle");
    visited.add(at);
    const count = isBig ? Number(view.getBigUint64(at, isLittleEndian)) : view.getUint16(at, isLittleEndian);
    const entries = at + (isBig ? 8 : 2);
    const entrySize = isBig ? 20 : 12;
    // Before the loop, so that a damaged count does not make it run for long.
    const next = word(entries + count * entrySize);
    const numbers = new Map<number, readonly number[]>();
    const texts: string[] = [];
    for (let i = 0; i < count; i++) {
      const entry = entries + i * entrySize;
      const tag = view.getUint16(entry, isLittleEndian);
      const type = view.getUint16(entry + 2, isLittleEndian);
      const size = valueSizes[type];
      if (!knownTags.has(tag) || size === undefined) continue;
      const length = word(entry + 4);
      const valueField = entry + (isBig ? 12 : 8);
      const start = length * size <= (isBig ? 8 : 4) ? valueField : word(valueField);
      if (start + length * size > view.byteLength) throw corrupt(context, `the TIFF is cut off in tag ${tag}`);
      if (type === ASCII) {
        const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + start, length));
        texts.push(text.replace(/\0+$/, ""));
      } else {
        numbers.set(tag, readNumbers(view, start, length, size, isLittleEndian));
      }
    }
    directories.push(new TiffDirectory(numbers, texts));
    at = next;
  }
  if (directories.length === 0) throw corrupt(context, "the TIFF holds no image");
  return { isLittleEndian, directories };
}

function readNumbers(view: DataView, start: number, length: number, size: number, isLittleEndian: boolean): number[] {
  const values = new Array<number>(length);
  for (let i = 0; i < length; i++) {
    const at = start + i * size;
    if (size === 1) values[i] = view.getUint8(at);
    else if (size === 2) values[i] = view.getUint16(at, isLittleEndian);
    else if (size === 4) values[i] = view.getUint32(at, isLittleEndian);
    else values[i] = Number(view.getBigUint64(at, isLittleEndian));
  }
  return values;
}
