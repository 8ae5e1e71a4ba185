import { describe, expect, it } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { type Layout, RAW, STREAM } from "../../../src/live/view/layout.ts";
import { checkLayout, readLayout } from "../../../src/live/view/read-layout.ts";

/** The example on the slides of blissdata, shortened. */
const slides: Layout = [
  { NX_class: "NXentry" },
  {
    instrument: [
      { NX_class: "NXinstrument" },
      {
        name: [{ short_name: "id00" }, RAW, "esrf-id00a"],
        diode: [{ NX_class: "NXdetector" }, { data: [{}, STREAM, "diode"] }],
        elapsed_time: [{ NX_class: "NXpositioner" }, { value: [{ units: "s" }, STREAM, "timer:elapsed_time"] }],
      },
    ],
  },
];

describe("a layout", () => {
  it("is one tree, in whichever form it was written", () => {
    expect(readLayout(slides)).toEqual({
      type: "group",
      attributes: { NX_class: "NXentry" },
      children: {
        instrument: {
          type: "group",
          attributes: { NX_class: "NXinstrument" },
          children: {
            name: { type: "dataset", attributes: { short_name: "id00" }, value: "esrf-id00a" },
            diode: {
              type: "group",
              attributes: { NX_class: "NXdetector" },
              children: { data: { type: "dataset", attributes: {}, value: { type: "stream", stream: "diode" } } },
            },
            elapsed_time: {
              type: "group",
              attributes: { NX_class: "NXpositioner" },
              children: {
                value: {
                  type: "dataset",
                  attributes: { units: "s" },
                  value: { type: "stream", stream: "timer:elapsed_time" },
                },
              },
            },
          },
        },
      },
    });
  });

  it("may mix the forms, and a dataset may be its value alone", () => {
    const mixed = {
      children: { a: [{}, { b: 3, c: { type: "group" } }], d: [1, 2], e: { type: "stream", stream: "s" } },
    };
    const once = readLayout(mixed);
    expect(once.children?.a).toMatchObject({ type: "group", children: { b: { type: "dataset", value: 3 } } });
    expect(once.children?.d).toEqual({ type: "dataset", attributes: {}, value: [1, 2] });
    expect(once.children?.e).toMatchObject({ type: "dataset", value: { type: "stream", stream: "s" } });
    expect(readLayout(once)).toEqual(once);
  });

  it.each([
    [7, "/: the root must be a group"],
    [{ children: { a: { type: "grup" } } }, '/a: type is "grup", not one of group'],
    [{ children: { "a/b": 1 } }, '/: "a/b" cannot be the name of a child'],
    [{ children: { a: null } }, "/a: null is no value"],
    [{ children: { a: [[1, 2], [3]] } }, "/a: its lists differ in length"],
    [{ children: { a: { type: "group", attributes: { b: { type: "stream", stream: "s" } } } } }, "/a@b: a stream can"],
    [{ children: { a: [{}, "DATA", 1] } }, "/a: a list that begins with attributes is"],
    [{ children: { a: [{}, STREAM, 1] } }, "/a: stream must be the name of a stream"],
    [{ children: { a: { type: "inline", dtype: "text", value: 1 } } }, '/a: no dtype of numbers: "text"'],
    [{ children: { a: { type: "inline_b64", dtype: "<f4", shape: [2], value: "AAAA" } } }, "/a: 3 bytes are no array"],
    [{ children: { a: { type: "soft_link" } } }, "/a: a soft link needs target_path"],
    [{ children: { a: { type: "external_link", target_file: "x" } } }, "/a: an external link needs target_path"],
    [
      { children: { a: { type: "external_binary_dataset", dtype: "<f4", shape: [1], files: [{ name: "x" }] } } },
      "/a: files[0] needs an offset",
    ],
    [
      {
        children: {
          v: {
            type: "virtual_dataset",
            dtype: "<f4",
            shape: [4],
            virtual_sources: [
              {
                vspace: { start: [0], count: [4] },
                src_file: ".",
                src_dataset: "/d",
                src_space: { start: [0], count: [3] },
              },
            ],
          },
        },
      },
      "/v: virtual_sources[0]: vspace selects 4 elements, src_space 3",
    ],
    [
      {
        children: {
          a: {
            type: "compound",
            columns: [
              ["x", 1],
              ["x", 2],
            ],
          },
        },
      },
      "/a: columns of the same name",
    ],
  ])("says where it is wrong: %#", (layout, message) => {
    expect(() => readLayout(layout)).toThrow(StorageError);
    expect(checkLayout(layout).join("; ")).toContain(message);
  });

  it("takes children named as members of objects are", () => {
    const layout = readLayout(JSON.parse('{"children": {"__proto__": {"type": "group"}, "constructor": 1}}'));
    expect(Object.keys(layout.children ?? {})).toEqual(["__proto__", "constructor"]);
  });
});
