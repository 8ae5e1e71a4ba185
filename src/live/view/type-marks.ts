/** Types that a file format has not: what is stored says what it stands for. */
import { dtypes, numberToFloat16 } from "../../core/dtype.ts";
import { isNdArray } from "../../core/nd-array.ts";
import { RaggedSource } from "./ragged-source.ts";
import type { TreeAttributes, TreeDataset, TreeGroup } from "./tree.ts";
import { BOOLEANS_MARK, DTYPE_MARK } from "./tree-writer.ts";
import type { ValueArray } from "./value-array.ts";

/** What a node stands for; `undefined`: for itself. */
export function markOf(attributes: TreeAttributes): string | undefined {
  const mark = attributes.get(DTYPE_MARK);
  return mark?.dtype === "string" ? mark.data[0] : undefined;
}

/** Attributes, with those that stand for booleans as such. */
export function booleansOf(attributes: ReadonlyMap<string, ValueArray>): TreeAttributes {
  const names = attributes.get(BOOLEANS_MARK);
  if (names?.dtype !== "string") return attributes;
  const marked = new Map(attributes);
  marked.delete(BOOLEANS_MARK);
  for (const name of names.data) {
    const values = marked.get(name);
    if (values !== undefined) marked.set(name, asMarked(values, "bool"));
  }
  return marked;
}

/** The attributes that somebody gave. */
export function withoutMark(attributes: TreeAttributes): TreeAttributes {
  return new Map([...attributes].filter(([name]) => name !== DTYPE_MARK));
}

/** Numbers as what they stand for. */
export function asMarked(values: ValueArray, mark: "bool" | "float16" | undefined): ValueArray {
  if (mark === undefined || !isNdArray(values)) return values;
  if (mark === "bool") return { ...values, dtype: "bool" };
  const { array } = dtypes.float16;
  const data = new array(values.data.length);
  const isBits = data instanceof Uint16Array;
  for (let i = 0; i < data.length; i++) {
    const number = values.data[i] as number;
    data[i] = isBits ? numberToFloat16(number) : number;
  }
  return { ...values, dtype: "float16", data };
}

/** A group; or, if it stands for one, a dataset of points of varying shape. */
export function groupOrRagged(group: TreeGroup): TreeGroup | TreeDataset {
  if (markOf(group.attributes) !== "ragged") return group;
  return {
    kind: "dataset",
    attributes: withoutMark(group.attributes),
    open: async (options) => {
      const values = (await group.child("values", options)) as TreeDataset;
      const shapes = (await group.child("shapes", options)) as TreeDataset;
      return await RaggedSource.open(await values.open(options), await shapes.open(options), options);
    },
  };
}
