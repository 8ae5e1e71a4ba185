/** What a file is made of, wherever it is kept: a scan that is under way, an HDF5 file, a Zarr hierarchy. */
import type { CallOptions } from "../engine.ts";
import type { DatasetSource } from "./dataset-source.ts";
import type { ValueArray } from "./value-array.ts";

/** Attributes by name. */
export type TreeAttributes = ReadonlyMap<string, ValueArray>;

/** A group; links in it are not followed. */
export interface TreeGroup {
  readonly kind: "group";
  readonly attributes: TreeAttributes;
  /** Names of its children, in their order. */
  names(options: CallOptions): Promise<readonly string[]>;
  child(name: string, options: CallOptions): Promise<TreeItem | undefined>;
}

/** A dataset. */
export interface TreeDataset {
  readonly kind: "dataset";
  readonly attributes: TreeAttributes;
  /** True if it is made of parts of other datasets. */
  readonly isVirtual?: boolean;
  /** Where its numbers are, if in other files. */
  readonly external?: readonly { readonly name: string; readonly offset: number; readonly size: number | null }[];
  /** What it reads from. Fails alone if it is wrong. */
  open(options: CallOptions): Promise<DatasetSource>;
}

/** Another path of the same file. */
export interface TreeSoftLink {
  readonly kind: "soft link";
  readonly path: string;
}

/** A path of another file. */
export interface TreeExternalLink {
  readonly kind: "external link";
  readonly file: string;
  readonly path: string;
}

/** A node of a file. */
export type TreeItem = TreeGroup | TreeDataset | TreeSoftLink | TreeExternalLink;

/** A finished file. */
export interface TreeFile {
  readonly root: TreeGroup;
  /** Another file of the same kind took its place: what is read from now on is of that one. Absent: opened anew. */
  renew?(): void;
  close(): Promise<void>;
}
