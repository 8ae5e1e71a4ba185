/** A Zarr hierarchy as a tree of nodes. */
import type {
  ArrayTree,
  NewTreeArray,
  NodeAttributes,
  TreeArray,
  TreeArrayNode,
  TreeGroupNode,
} from "../../src/core/array-tree.ts";
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { parseHidden } from "./hidden.ts";

/** Reads and makes nodes of a store. What is needed for that is imported with the first call. */
export class ZarrTree implements ArrayTree {
  readonly #store: ByteStore;

  /** @param root - Key of the hierarchy. */
  constructor(store: ByteStore, root: string) {
    this.#store = root === "" ? store : new PrefixStore(store, root);
  }

  async node(path: string, options: OperationOptions = {}): Promise<TreeGroupNode | TreeArrayNode | undefined> {
    const { findNode } = await import("./nodes.ts");
    const node = await findNode(this.#store, path, options);
    if (node === undefined || node.kind === "claim") return undefined;
    if (node.kind === "group") {
      return { kind: "group", attributes: node.attributes, names: (list = {}) => this.#names(path, list) };
    }
    const { openArrayNode } = await import("./reader.ts");
    const array = await openArrayNode(this.#store, node, options);
    const { attributes, shape, dtype } = array;
    return { kind: "array", attributes, shape, dtype, read: (selection, read) => array.read(selection, read) };
  }

  async createGroup(path: string, attributes: NodeAttributes, options: OperationOptions = {}): Promise<void> {
    const { createZarrGroup } = await import("./create.ts");
    await createZarrGroup(this.#store, path, { ...options, attributes, ifExists: "skip" });
  }

  async createArray(path: string, options: NewTreeArray): Promise<TreeArray> {
    const { createZarrArray } = await import("./create.ts");
    const array = await createZarrArray(this.#store, path, options);
    return {
      write: (selection, values, write) => array.write(selection, values, write),
      append: async (values, append) => {
        await array.append(values, 0, append);
      },
    };
  }

  async #names(path: string, options: OperationOptions): Promise<readonly string[]> {
    const { openZarrGroup } = await import("./reader.ts");
    const { arrays, groups } = await openZarrGroup(this.#store, path, options);
    return [...arrays, ...groups].filter((name) => parseHidden(name) === undefined);
  }
}
