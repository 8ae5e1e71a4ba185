/**
 * How a scan will look as an HDF5 file: a tree of groups, datasets and links, as plain JSON in the info of the scan. Two
 * forms mean the same and may be mixed, {@link readLayout} makes one tree of both:
 *
 * - objects with a `type`, as blissdata keeps them under `h5maps`;
 * - lists: `[attributes, children]` is a group, `[attributes, RAW | STREAM, value]` a dataset.
 *
 * @see blissdata `h5map/hdf5_items.py`, `h5map/data_items.py`; the `mapping` on the slides of blissdata
 */
import type { JsonValue } from "../json.ts";

/** Marks a dataset in the form of lists whose value stands there. */
export const RAW = "RAW";

/** Marks a dataset in the form of lists that is a stream of the scan. */
export const STREAM = "STREAM";

/** JSON that is a value by itself: a scalar, or lists of one shape. Integers are int64, others float64; text is text. */
export type RawValue = boolean | number | string | readonly RawValue[];

/** Values of a type that is said; text where JSON has no number: `"nan"`, `"-inf"`, `"1+2j"`. */
export interface InlineValue {
  readonly type: "inline";
  /** `"bool"`, `"float32"`, `"complex64"`, … */
  readonly dtype: string;
  readonly value: RawValue;
}

/** Values as bytes in base64. */
export interface InlineBase64Value {
  readonly type: "inline_b64";
  /** With the byte order: `"<f4"`, `"|u1"`, `"<c8"`. */
  readonly dtype: string;
  /** Left out: one axis. */
  readonly shape?: readonly number[] | null;
  readonly value: string;
}

/** Columns of one shape, each with a name: an array of records. */
export interface CompoundValue {
  readonly type: "compound";
  readonly columns: readonly (readonly [name: string, value: StaticValue])[];
}

/** A stream of the scan. */
export interface StreamValue {
  readonly type: "stream";
  readonly stream: string;
}

/** A value that stands in the layout. */
export type StaticValue = RawValue | InlineValue | InlineBase64Value | CompoundValue;

/** Attributes by name. */
export type LayoutAttributes = Readonly<Record<string, StaticValue>>;

/** A group. */
export interface LayoutGroup {
  readonly type: "group";
  readonly attributes?: LayoutAttributes;
  readonly children?: Readonly<Record<string, LayoutItem>>;
}

/** A dataset. One without attributes may be its value alone. */
export interface LayoutDataset {
  readonly type: "dataset";
  readonly attributes?: LayoutAttributes;
  readonly value: StaticValue | StreamValue;
}

/** A part of a file that has numbers in C order. */
export interface ExternalBinaryFile {
  /** Path, relative to the folder of the file that the layout is of, or URI. */
  readonly name: string;
  /** First byte. */
  readonly offset: number;
  /** Bytes; `null` or left out: to the end of the file. */
  readonly size?: number | null;
}

/** A dataset whose numbers are in other files, one after the other. */
export interface LayoutExternalBinary {
  readonly type: "external_binary_dataset";
  readonly attributes?: LayoutAttributes;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly files: readonly ExternalBinaryFile[];
}

/** A part of a space, as HDF5 selects one: along each axis `count` blocks of `block`, `stride` from one to the next. */
export interface SpaceSelection {
  readonly start: readonly number[];
  readonly stride?: readonly number[] | null;
  readonly count: readonly number[];
  readonly block?: readonly number[] | null;
}

/** A part of a virtual dataset, and the part of another dataset that it shows. */
export interface VirtualSource {
  readonly vspace: SpaceSelection;
  /** File, relative to the folder of the file that the layout is of; `"."` is that file itself. */
  readonly src_file: string;
  readonly src_dataset: string;
  readonly src_space: SpaceSelection;
}

/** A dataset made of parts of others. */
export interface LayoutVirtual {
  readonly type: "virtual_dataset";
  readonly attributes?: LayoutAttributes;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly virtual_sources: readonly VirtualSource[];
}

/** Another path of the same file; one that is not absolute begins at the group that has the link. */
export interface LayoutSoftLink {
  readonly type: "soft_link";
  readonly target_path: string;
}

/** A path of another file. */
export interface LayoutExternalLink {
  readonly type: "external_link";
  readonly target_file: string;
  readonly target_path: string;
}

/** A node of the one tree. */
export type LayoutNode =
  | LayoutGroup
  | LayoutDataset
  | LayoutExternalBinary
  | LayoutVirtual
  | LayoutSoftLink
  | LayoutExternalLink;

/** What may stand for a node: the node, the value of a dataset alone, or a {@link TupleGroup} or {@link TupleDataset}. */
export type LayoutItem = LayoutNode | StaticValue | StreamValue | TupleGroup | TupleDataset;

/** A group in the form of lists. */
export type TupleGroup = readonly [attributes: LayoutAttributes, children: Readonly<Record<string, LayoutItem>>];

/** A dataset in the form of lists: with {@link STREAM}, the value is the name of a stream. */
export type TupleDataset = readonly [
  attributes: LayoutAttributes,
  kind: typeof RAW | typeof STREAM,
  value: StaticValue,
];

/** The tree of a file, in the form of objects or of lists, as the info of a scan has it. */
export type Layout = LayoutGroup | TupleGroup;

/**
 * The info of a scan with the layout of its file.
 *
 * @param file - Path of the file, as the identity of the scan has it.
 * @param layout - The root of the file. Its children are the groups of the scan: `{ "1.1": … }`.
 */
export function h5maps(file: string, layout: Layout): { readonly h5maps: { readonly [file: string]: JsonValue } } {
  return { h5maps: { [file]: layout as unknown as JsonValue } };
}
