/**
 * Hierarchies of arrays and groups, each with attributes, by a backend that has such. A backend says so by having the
 * method of {@link ArrayTreeSource}.
 */
import type { OperationOptions } from "./byte-store.ts";
import type { DType } from "./dtype.ts";
import type { AxisSelection, NdArray } from "./nd-array.ts";

/** Attributes of a node: JSON. */
export type NodeAttributes = Readonly<Record<string, unknown>>;

/** A group, as it was when it was looked at. */
export interface TreeGroupNode {
  readonly kind: "group";
  readonly attributes: NodeAttributes;
  /** Names of the nodes that are right below it now. */
  names(options?: OperationOptions): Promise<readonly string[]>;
}

/** An array, as it was when it was looked at. */
export interface TreeArrayNode {
  readonly kind: "array";
  readonly attributes: NodeAttributes;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Reads a part, as `load` does. @returns Memory that belongs to the caller. */
  read(selection: readonly AxisSelection[], options?: OperationOptions): Promise<NdArray>;
}

/** What {@link ArrayTree.createArray} needs to know. */
export interface NewTreeArray extends OperationOptions {
  /** A first axis of 0 grows with {@link TreeArray.append}. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly chunkShape?: readonly number[] | undefined;
  readonly attributes?: NodeAttributes | undefined;
}

/** An array that was made. */
export interface TreeArray {
  /** Writes a part; `[]` is everything. */
  write(selection: readonly AxisSelection[], array: NdArray, options?: OperationOptions): Promise<void>;
  /** Makes the array longer along its first axis, and puts an array there. */
  append(array: NdArray, options?: OperationOptions): Promise<void>;
}

/** A hierarchy. Paths begin at its root, which is `""`; nothing above that is touched. */
export interface ArrayTree {
  /** What is at a path; `undefined` if nothing is. */
  node(path: string, options?: OperationOptions): Promise<TreeGroupNode | TreeArrayNode | undefined>;
  /** Makes a group, and those above it that are missing. One that is there is taken as it is. */
  createGroup(path: string, attributes: NodeAttributes, options?: OperationOptions): Promise<void>;
  /** Makes an array, and the groups above it. @throws A `StorageError` `ALREADY_EXISTS`. */
  createArray(path: string, array: NewTreeArray): Promise<TreeArray>;
}

/** A backend that has a hierarchy. */
export interface ArrayTreeSource {
  /**
   * The hierarchy at a key. Opens nothing; ends with the backend.
   *
   * @param root - Default `""`: that of the backend.
   * @throws A `StorageError` `INVALID_KEY`.
   */
  arrayTree(root?: string): ArrayTree;
}

/** True if a backend has a hierarchy. */
export function isArrayTreeSource<T extends object>(backend: T): backend is T & ArrayTreeSource {
  return typeof (backend as Partial<ArrayTreeSource>).arrayTree === "function";
}
