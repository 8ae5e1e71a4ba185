/** Takes a tree into a Zarr hierarchy. */
import type { ArrayTree } from "../../core/array-tree.ts";
import { type DType, dtypes } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { type NdArray, ndArray, sizeOf } from "../../core/nd-array.ts";
import type { CallOptions } from "../engine.ts";
import { encodeValue } from "./encode-value.ts";
import type { LayoutNode } from "./layout.ts";
import type { TreeAttributes } from "./tree.ts";
import { DTYPE_MARK, type NewDataset, type TreeWriter } from "./tree-writer.ts";
import { isNumbers, joinValues, type TextArray, type ValueArray } from "./value-array.ts";
import { LINK_MARK, VALUE_MARK } from "./zarr-tree.ts";

/** Bytes of a chunk of a dataset that grows; a frame is one chunk at least. */
const CHUNK_BYTES = 2 ** 20;

/** Text that may stand in the metadata. */
const INLINE_TEXT = 2 ** 14;

/** Writes nodes as they come. */
export class ZarrTreeWriter implements TreeWriter {
  readonly #tree: ArrayTree;
  readonly #options: CallOptions;

  constructor(tree: ArrayTree, options: CallOptions) {
    this.#tree = tree;
    this.#options = options;
  }

  async group(path: string, attributes: TreeAttributes): Promise<void> {
    await this.#group(path, attributesOf(attributes));
  }

  async scalar({ path, attributes }: NewDataset, values: ValueArray): Promise<void> {
    if (!isNumbers(values)) {
      await this.#group(path, { ...attributesOf(attributes), [VALUE_MARK]: encodeValue(values) });
      return;
    }
    const array = await this.#array(path, [], values.dtype, undefined, attributes);
    await array.write([], values, this.#options);
  }

  async dataset({ path, dtype, maxShape, attributes }: NewDataset, pieces: AsyncIterable<ValueArray>): Promise<void> {
    if (!isDType(dtype)) {
      const all: ValueArray[] = [];
      for await (const piece of pieces) all.push(piece);
      const none = { dtype: "string", shape: maxShape.map((length) => length ?? 0), data: [] } as const;
      await this.#values(path, all.length > 0 ? joinValues(all as [ValueArray]) : none, attributes);
      return;
    }
    const frame = maxShape.slice(1) as number[];
    const bytes = sizeOf(frame) * dtypes[dtype].itemSize;
    const chunk = Math.max(1, Math.min(maxShape[0] ?? 4096, Math.floor(CHUNK_BYTES / Math.max(1, bytes))));
    const chunkShape = [chunk, ...frame.map((length) => Math.max(1, length))];
    const array = await this.#array(path, [0, ...frame], dtype, chunkShape, attributes);
    for await (const piece of pieces) {
      if (piece.shape[0] !== 0) await array.append(piece as NdArray, this.#options);
    }
  }

  async softLink(path: string, target: string): Promise<void> {
    await this.#link(path, { type: "soft_link", target_path: target });
  }

  async externalLink(path: string, file: string, target: string): Promise<void> {
    await this.#link(path, { type: "external_link", target_file: file, target_path: target });
  }

  /** What Zarr has no type for: in the metadata, or, if it is much text, as bytes. */
  async #values(path: string, values: ValueArray, attributes: TreeAttributes): Promise<void> {
    const isMuch = values.dtype === "string" && values.data.reduce((sum, text) => sum + text.length, 0) > INLINE_TEXT;
    // A list of nothing would be one of numbers.
    if (values.dtype === "string" && (isMuch || values.data.length === 0)) {
      await this.#text(path, values, attributes);
    } else {
      await this.#group(path, { ...attributesOf(attributes), [VALUE_MARK]: encodeValue(values) });
    }
  }

  async #text(path: string, { data, shape }: TextArray, attributes: TreeAttributes): Promise<void> {
    await this.#group(path, { ...attributesOf(attributes), [DTYPE_MARK]: "string" });
    const none: TreeAttributes = new Map();
    const encoder = new TextEncoder();
    const ends = new BigInt64Array(data.length);
    const array = await this.#array(`${path}/values`, [0], "uint8", [CHUNK_BYTES], none);
    let end = 0;
    for (let i = 0; i < data.length; ) {
      const parts: Uint8Array[] = [];
      for (let size = 0; i < data.length && size < CHUNK_BYTES; i++) {
        const bytes = encoder.encode(data[i]);
        parts.push(bytes);
        size += bytes.length;
        end += bytes.length;
        ends[i] = BigInt(end);
      }
      const bytes = new Uint8Array(Buffer.concat(parts));
      if (bytes.length > 0) await array.append(ndArray(bytes), this.#options);
    }
    const places = await this.#array(`${path}/ends`, shape, "int64", undefined, none);
    if (ends.length > 0) await places.write([], ndArray(ends, shape), this.#options);
  }

  async #link(path: string, link: LayoutNode): Promise<void> {
    await this.#group(path, { [LINK_MARK]: link });
  }

  async #group(path: string, attributes: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#tree.createGroup(path.slice(1), attributes, this.#options);
  }

  async #array(
    path: string,
    shape: readonly number[],
    dtype: DType,
    chunkShape: readonly number[] | undefined,
    attributes: TreeAttributes,
  ) {
    const made = { shape, dtype, chunkShape, attributes: attributesOf(attributes), signal: this.#options.signal };
    return await this.#tree.createArray(path.slice(1), made);
  }
}

/** Attributes as JSON, in the form of layouts. */
export function attributesOf(attributes: TreeAttributes): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...attributes].map(([name, values]) => [name, encodeValue(values)]));
}

function isDType(dtype: NewDataset["dtype"]): dtype is DType {
  if (dtype === "ragged") throw new StorageError("UNEXPECTED", "Points of varying shape are written as groups");
  return Object.hasOwn(dtypes, dtype);
}
