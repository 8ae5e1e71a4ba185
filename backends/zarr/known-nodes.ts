/** Nodes that were looked at lately. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { joinKey } from "../../src/core/key.ts";
import { NativeZarrArray } from "./array.ts";
import { parseDocument } from "./metadata.ts";
import { type ArrayNode, findV2Node, nodeOfV3, readIfThere, type ZarrNode } from "./nodes.ts";
import { openArrayNode } from "./reader.ts";
import type { ZarrArray } from "./reader-types.ts";

/** Nodes that are kept: with each array, an index or some, and scratch memory of at most a megabyte. */
const KEPT_NODES = 32;

interface KnownNode {
  /** The `zarr.json`. */
  readonly document: Uint8Array;
  readonly node: ZarrNode;
  array?: ZarrArray;
}

/**
 * Finds nodes of one store. The metadata is read each time, and understood anew unless it has the very bytes that it had:
 * whatever others change is seen at once, and what an open array has learnt (indexes of shards, which it checks by
 * itself) stays as long as it holds.
 */
export class KnownNodes {
  readonly #store: ByteStore;
  readonly #known = new Map<string, KnownNode>();

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /** As `findNode`. */
  async find(path: string, options: OperationOptions = {}): Promise<ZarrNode | undefined> {
    const key = joinKey(path, "zarr.json");
    const document = await readIfThere(this.#store, key, options);
    const known = this.#known.get(path);
    // Moved to the end: the least used is forgotten first.
    this.#known.delete(path);
    if (document === undefined) return findV2Node(this.#store, path, options);
    const isSame = known !== undefined && Buffer.compare(known.document, document) === 0;
    const found = isSame ? known : { document, node: nodeOfV3(parseDocument(document, key), path) };
    this.#known.set(path, found);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KEPT_NODES) break;
      this.#known.delete(oldest);
    }
    return found.node;
  }

  /** Opens an array that was found; see `openArrayNode`. */
  async open(node: ArrayNode, options: OperationOptions = {}): Promise<ZarrArray> {
    const known = this.#known.get(node.path);
    if (known?.node === node && known.array !== undefined) return known.array;
    const array = await openArrayNode(this.#store, node, options);
    // zarrita keeps indexes of shards for ever.
    if (known?.node === node && array instanceof NativeZarrArray) known.array = array;
    return array;
  }
}
