import { describe, expect, it } from "vitest";
import { encodeValue } from "../../../src/live/view/encode-value.ts";
import type { StaticValue } from "../../../src/live/view/layout.ts";
import { checkLayout } from "../../../src/live/view/read-layout.ts";
import { decodeValue } from "../../../src/live/view/static-value.ts";

describe("a value as JSON", () => {
  it.each<StaticValue>([
    1,
    -5,
    0.5,
    true,
    "text",
    "",
    [1, 2],
    [0.5, 2],
    [true, false],
    ["a", "b"],
    [["a"], ["b"]],
    [
      [1, 2],
      [3, 4],
    ],
    [],
    { type: "inline", dtype: "float64", value: 2 },
    { type: "inline", dtype: "float64", value: "-0" },
    { type: "inline", dtype: "float64", value: [1, 2] },
    { type: "inline", dtype: "float64", value: [0.5, "nan"] },
    { type: "inline", dtype: "float32", value: "-inf" },
    { type: "inline", dtype: "float16", value: [1.5, "inf"] },
    { type: "inline", dtype: "float16", value: 1.5 },
    { type: "inline", dtype: "int64", value: "9007199254740993" },
    { type: "inline", dtype: "int64", value: ["9007199254740993", 1] },
    { type: "inline", dtype: "uint64", value: "18446744073709551615" },
    { type: "inline", dtype: "int8", value: -128 },
    { type: "inline", dtype: "bool", value: [[true], [false]] },
    { type: "inline", dtype: "complex64", value: ["1+2j", "nan-infj"] },
    { type: "inline", dtype: "complex128", value: "2j" },
    {
      type: "compound",
      columns: [
        ["name", ["a", "b"]],
        ["x", { type: "inline", dtype: "uint8", value: [1, 255] }],
      ],
    },
  ])("%j is read back as the same numbers of the same type", (value) => {
    const array = decodeValue(value);
    const encoded = JSON.parse(JSON.stringify(encodeValue(array))) as StaticValue;
    expect(checkLayout({ children: { value: encoded } })).toEqual([]);
    expect(decodeValue(encoded)).toEqual(array);
  });

  it("is a plain list where that says the type by itself", () => {
    for (const value of [[1, 2], [0.5, 2], [true, false], ["a"]])
      expect(encodeValue(decodeValue(value))).toEqual(value);
    expect(encodeValue(decodeValue({ type: "inline", dtype: "float64", value: [1, 2] }))).toMatchObject({
      dtype: "<f8",
    });
  });
});
