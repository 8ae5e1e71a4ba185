/** Where the metadata of each version stands: in the attributes themselves, or below `ome`. */
import { type Attributes, isRecord } from "../metadata.ts";
import type { NgffContent, NgffVersion } from "./model.ts";

/** Members of the attributes that OME-NGFF has a meaning for. */
export const contentNames = [
  "multiscales",
  "omero",
  "labels",
  "image-label",
  "plate",
  "well",
  "bioformats2raw.layout",
  "series",
] as const satisfies readonly (keyof NgffContent)[];

/** What was found in the attributes of a group; nothing in it is checked yet. */
export interface FoundContent {
  /** As it is written; `undefined` where no version is. */
  readonly version: unknown;
  /** True if it stands below `ome`, as from 0.5 on. */
  readonly isBelowOme: boolean;
  readonly content: Readonly<Partial<Record<keyof NgffContent, unknown>>>;
}

/** The version of Zarr that a version of OME-NGFF is for. */
export function zarrFormatOf(version: NgffVersion): 2 | 3 {
  return version === "0.4" ? 2 : 3;
}

/**
 * Attributes of a group.
 *
 * @param content - Without versions: they are put where the specification wants them.
 */
export function toAttributes(version: NgffVersion, content: NgffContent): Attributes {
  if (version === "0.5") return { ome: { version, ...content } };
  const { multiscales, omero, plate, well, "image-label": label, ...others } = content;
  return {
    ...(multiscales && { multiscales: multiscales.map((multiscale) => ({ version, ...multiscale })) }),
    ...(omero && { omero: { version, ...omero } }),
    ...(plate && { plate: { version, ...plate } }),
    ...(well && { well: { version, ...well } }),
    ...(label && { "image-label": { version, ...label } }),
    ...others,
  };
}

/**
 * Attributes with other content; members of other programs are kept.
 *
 * @param before - All attributes of the group.
 */
export function withContent(before: Attributes, version: NgffVersion, content: NgffContent): Attributes {
  const after = toAttributes(version, content);
  if (version === "0.4") return { ...before, ...after };
  return { ...before, ome: { ...(isRecord(before.ome) ? before.ome : {}), ...(after.ome as Attributes) } };
}

/** Finds the metadata in attributes; `undefined` where there is none. */
export function fromAttributes(attributes: Attributes): FoundContent | undefined {
  const { ome } = attributes;
  if (ome !== undefined)
    return { version: isRecord(ome) ? ome.version : undefined, isBelowOme: true, content: pick(ome) };
  const content = pick(attributes);
  if (Object.keys(content).length === 0) return undefined;
  const { multiscales, plate, well, omero, "image-label": label } = content;
  const versioned = [Array.isArray(multiscales) ? multiscales[0] : undefined, plate, well, omero, label];
  const version = versioned.find((part) => isRecord(part) && part.version !== undefined) as
    | { version: unknown }
    | undefined;
  return { version: version?.version, isBelowOme: false, content };
}

function pick(source: unknown): FoundContent["content"] {
  if (!isRecord(source)) return {};
  return Object.fromEntries(
    contentNames.filter((name) => source[name] !== undefined).map((name) => [name, source[name]]),
  );
}
