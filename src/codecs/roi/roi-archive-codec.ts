/** The codec of lists of regions, as the ROI Manager of ImageJ keeps them. */
import { checkAborted, describe } from "../../core/checks.ts";
import type { Codec } from "../codec.ts";
import { checkCodecOptions, invalidData } from "../codec-options.ts";
import { ArchiveInMemory } from "../zip/archive-in-memory.ts";
import { readDirectory } from "../zip/directory.ts";
import { keyOfName } from "../zip/entry-name.ts";
import { EntryReader } from "../zip/entry-reader.ts";
import { packEntry } from "../zip/pack-entry.ts";
import { centralHeader, endRecords, localHeader, type WrittenEntry } from "../zip/records.ts";
import { checkRoi } from "./check-roi.ts";
import type { Roi } from "./roi.ts";
import { decodeRoi, encodeRoi } from "./roi-codec.ts";

const SUFFIX = ".roi";
/** Names are short: a directory of more bytes than this holds something else. */
const MAX_DIRECTORY_BYTES = 2 ** 28;

/**
 * ImageJ's `.roi.zip`: a list of regions, exactly, in order. Each is an entry named after it; where two have one name,
 * the later entries get a number, and the regions keep their names. A region without name is an entry `0001.roi`, by
 * its place. The same list gives the same bytes: no times are kept.
 *
 * Read: archives of ImageJ, of `roifile`, and of others. A region without name of its own gets that of its entry, as in
 * ImageJ. Entries that are not called `.roi` are no regions and are passed over.
 *
 * @see ImageJ, `ij.plugin.frame.RoiManager`; PolyStore `roi_converters.py`
 */
export const roiArchiveCodec: Codec = {
  name: "roi-zip",
  suffixes: [".roi.zip"],
  mimeTypes: ["application/x-imagej-roi-zip"],
  async encode(value, context) {
    checkCodecOptions("roi-zip", context, []);
    if (!Array.isArray(value)) throw invalidData(context, `a list of regions is needed, got ${describe(value)}`);
    // All of them before the first is written.
    const rois = value.map((roi: unknown) => checkRoi(roi, context.identifier));
    const names = entryNames(rois);
    const parts: Uint8Array[] = [];
    const entries: WrittenEntry[] = [];
    let offset = 0;
    const append = (added: readonly Uint8Array[]) => {
      for (const part of added) offset += part.byteLength;
      parts.push(...added);
    };
    for (const [i, roi] of rois.entries()) {
      checkAborted(context.signal, { operation: "save", identifier: context.identifier });
      const name = new TextEncoder().encode(`${names[i]}${SUFFIX}`);
      const { entry, packed } = await packEntry(
        { name, headerOffset: offset, modifiedMs: 0 },
        encodeRoi(roi, context),
        "deflate",
      );
      entries.push(entry);
      append([localHeader(entry), ...packed]);
    }
    const directoryOffset = offset;
    append(entries.map(centralHeader));
    append([endRecords(entries.length, directoryOffset, offset - directoryOffset)]);
    return parts;
  },
  async decode(bytes, context) {
    checkCodecOptions("roi-zip", context, []);
    const archive = new ArchiveInMemory(bytes, { operation: "load", identifier: context.identifier });
    const limits = { maxDirectoryBytes: MAX_DIRECTORY_BYTES, badNames: "refuse", duplicates: "refuse" } as const;
    const directory = await readDirectory(archive, limits, context);
    const entries = [...directory.values()]
      .filter(({ key }) => key.toLowerCase().endsWith(SUFFIX))
      .sort((a, b) => a.headerOffset - b.headerOffset);
    const reader = new EntryReader(archive);
    const rois: Roi[] = [];
    for (const [i, entry] of entries.entries()) {
      checkAborted(context.signal, archive.context);
      const file = await reader.whole(entry, context, archive.context);
      const roi = decodeRoi(file, { ...context, identifier: `${context.identifier}!${entry.key}` });
      const name = entry.key.slice(0, -SUFFIX.length);
      // A name that only counts is none.
      rois.push(roi.name !== undefined || name === placeName(i) ? roi : { ...roi, name });
    }
    return rois;
  },
};

/** A name for each, all different, also where letters differ only in case. */
function entryNames(rois: readonly Roi[]): string[] {
  // Those by place first: another name there would come back as a name.
  const taken = new Set(rois.flatMap(({ name }, i) => (name === undefined ? [placeName(i)] : [])));
  return rois.map(({ name }, i) => {
    if (name === undefined) return placeName(i);
    const base = isEntryName(name) ? name : placeName(i);
    let unique = base;
    for (let number = 1; taken.has(unique.toLowerCase()); number++) unique = `${base}-${number}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

/** False for what would not come back as it is: a name that leads elsewhere, say. The region has it anyway. */
function isEntryName(name: string): boolean {
  const bytes = new TextEncoder().encode(name + SUFFIX);
  return bytes.length <= 0xffff && !name.includes("/") && keyOfName(name + SUFFIX) === name + SUFFIX;
}

function placeName(index: number): string {
  return String(index + 1).padStart(4, "0");
}
