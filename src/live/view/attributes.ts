/** Attributes of groups and datasets. */
import type { TreeAttributes } from "./tree.ts";
import { type PlainValue, plainValue } from "./value-array.ts";

/** Attributes by name: plain values, and arrays. A whole number is a number where one holds it. */
export type Attributes = Readonly<Record<string, PlainValue>>;

/** What a reader sees of the attributes. Lists of text are lists. */
export function attributesOf(attributes: TreeAttributes): Attributes {
  return Object.fromEntries(
    [...attributes].map(([name, array]) => {
      const value = plainValue(array);
      const isSmall = typeof value === "bigint" && Number.isSafeInteger(Number(value));
      return [name, isSmall ? Number(value) : value];
    }),
  );
}
