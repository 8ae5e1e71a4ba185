/** A Zarr hierarchy as a tree: what Zarr has not, links, text and records, stands in attributes of groups. */
import { basename, dirname, resolve } from "node:path";
import type { BackendSet } from "../../../registry/backend-set.ts";
import {
  type ArrayTree,
  type ArrayTreeSource,
  isArrayTreeSource,
  type NodeAttributes,
  type TreeArrayNode,
} from "../../core/array-tree.ts";
import { StorageError } from "../../core/errors.ts";
import { isNdArray } from "../../core/nd-array.ts";
import { StorageBackend } from "../../core/storage-backend.ts";
import type { CallOptions } from "../engine.ts";
import { checkValue } from "./check-value.ts";
import { type DatasetSource, type Extent, MemorySource } from "./dataset-source.ts";
import type { LayoutNode, StaticValue } from "./layout.ts";
import { decodeValue } from "./static-value.ts";
import { isUri } from "./stored-files.ts";
import { TextSource } from "./text-source.ts";
import type { TreeAttributes, TreeDataset, TreeFile, TreeGroup, TreeItem } from "./tree.ts";
import { groupOrRagged, markOf, withoutMark } from "./type-marks.ts";
import { type AxisRange, takeValues, type ValueArray } from "./value-array.ts";

/** The link that a group stands for. */
export const LINK_MARK = "sluice_link";

/** The value that a group stands for. */
export const VALUE_MARK = "sluice_value";

/** A backend that has hierarchies. */
type TreeBackend = StorageBackend & ArrayTreeSource;

/** A hierarchy, in a backend that must be closed after it. */
export interface OpenHierarchy {
  readonly backend: TreeBackend;
  /** Key of the hierarchy; `""` if it is all of a store. */
  readonly name: string;
}

/**
 * Opens the folder that a hierarchy is in.
 *
 * @param location - Path or URI of the hierarchy.
 */
export async function openHierarchy(location: string, backends: BackendSet): Promise<OpenHierarchy> {
  const { place, name } = placeOf(location);
  const context = {
    instance: "view",
    store: (reference: Parameters<BackendSet["store"]>[0]) => backends.store(reference),
  };
  const backend = await backends.registry.open("zarr", place, context);
  if (backend instanceof StorageBackend && isArrayTreeSource(backend)) return { backend, name };
  await backend.close();
  throw new StorageError("UNSUPPORTED", "The backend that is registered as zarr has no hierarchies");
}

/** Opens a hierarchy to read; `undefined` if none is there. */
export async function openZarrTree(location: string, backends: BackendSet): Promise<TreeFile | undefined> {
  const { backend, name } = await openHierarchy(location, backends);
  const tree = backend.arrayTree(name);
  const root = await tree.node("");
  if (root?.kind !== "group") {
    await backend.close();
    return undefined;
  }
  return {
    root: new ZarrGroup(tree, "", root.attributes),
    close: async () => {
      await backend.close();
    },
  };
}

/** The folder that a hierarchy is in, and its name there. */
function placeOf(location: string): { readonly place: object; readonly name: string } {
  if (!isUri(location)) return { place: { root: dirname(resolve(location)) }, name: basename(resolve(location)) };
  const uri = location.replace(/\/+$/, "");
  const [, folder, name] = /^([a-z][a-z0-9+.-]*:\/\/.*[^/])\/([^/]+)$/i.exec(uri) ?? [];
  return folder === undefined || name === undefined
    ? { place: { uri }, name: "" }
    : { place: { uri: folder }, name: decodeURIComponent(name) };
}

class ZarrGroup implements TreeGroup {
  readonly kind = "group";
  readonly attributes: TreeAttributes;
  readonly #tree: ArrayTree;
  readonly #path: string;

  constructor(tree: ArrayTree, path: string, attributes: NodeAttributes) {
    this.#tree = tree;
    this.#path = path;
    this.attributes = attributesOf(attributes);
  }

  async names({ signal }: CallOptions): Promise<readonly string[]> {
    const node = await this.#tree.node(this.#path, { signal });
    return node?.kind === "group" ? await node.names({ signal }) : [];
  }

  async child(name: string, { signal }: CallOptions): Promise<TreeItem | undefined> {
    // No name of a child, but a step up in a key.
    if (name === "..") return undefined;
    const path = this.#path === "" ? name : `${this.#path}/${name}`;
    const node = await this.#tree.node(path, { signal });
    if (node === undefined) return undefined;
    if (node.kind === "array") return new ZarrDataset(node);
    const { [LINK_MARK]: link, [VALUE_MARK]: value, ...others } = node.attributes;
    if (link !== undefined) return linkOf(link as LayoutNode);
    if (value !== undefined) {
      const open = async () => new MemorySource(decodeValue(value as StaticValue));
      return { kind: "dataset", attributes: attributesOf(others), open };
    }
    const group = new ZarrGroup(this.#tree, path, others);
    return markOf(group.attributes) === "string" ? textOf(group) : groupOrRagged(group);
  }
}

class ZarrDataset implements TreeDataset {
  readonly kind = "dataset";
  readonly attributes: TreeAttributes;
  readonly #node: TreeArrayNode;

  constructor(node: TreeArrayNode) {
    this.#node = node;
    this.attributes = attributesOf(node.attributes);
  }

  async open(): Promise<DatasetSource> {
    return new ZarrSource(this.#node);
  }
}

class ZarrSource implements DatasetSource {
  readonly dtype: TreeArrayNode["dtype"];
  readonly maxShape: readonly number[];
  readonly #node: TreeArrayNode;

  constructor(node: TreeArrayNode) {
    this.#node = node;
    this.dtype = node.dtype;
    this.maxShape = node.shape;
  }

  async extent(): Promise<Extent> {
    return { length: this.maxShape[0] ?? 1, isFinal: true };
  }

  async read(axes: readonly AxisRange[], { signal }: CallOptions): Promise<ValueArray> {
    const ranges = axes.map(({ start, step, count }): [number, number] =>
      count === 0 ? [0, 0] : [start, start + (count - 1) * step + 1],
    );
    const values = await this.#node.read(ranges, { signal });
    if (!isNdArray(values)) throw new StorageError("CORRUPT", "An array was expected");
    return takeValues(
      values,
      axes.map(({ step, count }) => ({ start: 0, step, count })),
    );
  }
}

function textOf(group: TreeGroup): TreeDataset {
  return {
    kind: "dataset",
    attributes: withoutMark(group.attributes),
    open: async (options) => {
      const values = (await group.child("values", options)) as TreeDataset;
      const ends = (await group.child("ends", options)) as TreeDataset;
      return await TextSource.open(await values.open(options), await ends.open(options), options);
    },
  };
}

function linkOf(link: LayoutNode): TreeItem | undefined {
  if (link.type === "soft_link") return { kind: "soft link", path: link.target_path };
  if (link.type === "external_link") return { kind: "external link", file: link.target_file, path: link.target_path };
  return undefined;
}

function attributesOf(attributes: NodeAttributes): TreeAttributes {
  const known = new Map<string, ValueArray>();
  for (const [name, value] of Object.entries(attributes)) {
    // Those of other programs may be any JSON.
    const isValue = checkValues(value);
    known.set(name, isValue ? decodeValue(value as StaticValue) : decodeValue(JSON.stringify(value)));
  }
  return known;
}

function checkValues(value: unknown): boolean {
  const mistakes: string[] = [];
  checkValue(value, "", mistakes, false);
  return mistakes.length === 0;
}
