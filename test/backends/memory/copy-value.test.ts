import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyValue, walkValue } from "../../../backends/memory/copy-value.ts";
import { ndArray, sliceArray } from "../../../src/core/nd-array.ts";

describe("a copy of a value", () => {
  it("equals any JSON document and shares no part of it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const copy = copyValue(value);
        expect(copy).toStrictEqual(value);
        if (typeof value === "object" && value !== null) expect(copy).not.toBe(value);
      }),
    );
  });

  it("keeps a key named __proto__ as an ordinary key", () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}}') as object;
    const copy = copyValue(value) as { polluted?: boolean };
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"polluted":true}}');
    expect(copy.polluted).toBeUndefined();
  });

  it("copies what a view shows, not the buffer behind it", () => {
    const large = new Uint8Array(1000).fill(7);
    const copy = copyValue(large.subarray(10, 12)) as Uint8Array;
    expect([copy, copy.buffer.byteLength]).toEqual([Uint8Array.of(7, 7), 2]);
    const array = copyValue(
      sliceArray(ndArray(large, [10, 100]), [
        [2, 3],
        [0, 4],
      ]),
    ) as { data: Uint8Array };
    expect(array.data.buffer.byteLength).toBe(4);
  });

  it("copies shared memory into memory of its own", () => {
    const shared = new Uint16Array(new SharedArrayBuffer(4));
    const copy = copyValue(ndArray(shared)) as { data: Uint16Array };
    expect(copy.data.buffer).toBeInstanceOf(ArrayBuffer);
  });

  it("makes a plain Uint8Array of a Buffer, and keeps every other kind", () => {
    const bytes = copyValue(Buffer.from([1, 2])) as Uint8Array;
    expect([bytes.constructor, [...bytes]]).toEqual([Uint8Array, [1, 2]]);
    const values = [
      new BigInt64Array(2),
      new Uint8ClampedArray(2),
      new DataView(new ArrayBuffer(3)),
      new ArrayBuffer(5),
    ];
    for (const value of values) {
      expect(copyValue(value)).toStrictEqual(value);
      expect(copyValue(value)).not.toBe(value);
    }
  });

  it("keeps dates, maps, sets, bigints, holes, shared parts and circles", () => {
    const part = { x: 1 };
    const value: Record<string, unknown> = {
      date: new Date(5),
      map: new Map([["k", part]]),
      set: new Set([1n]),
      twice: [part, part],
      holes: Object.assign(new Array(3), { 0: 1, 2: 3 }),
    };
    value.self = value;
    const copy = copyValue(value) as typeof value & { twice: object[]; map: Map<string, object> };
    expect(copy).toStrictEqual(value);
    expect(copy.self).toBe(copy);
    expect(copy.twice[0]).toBe(copy.twice[1]);
    expect(copy.map.get("k")).toBe(copy.twice[0]);
    expect(copy.twice[0]).not.toBe(part);
  });

  it.each<[string, unknown, RegExp]>([
    ["undefined", undefined, /the value is undefined/],
    ["a function", { a: [() => 1] }, /"a\[0\]" is a function/],
    ["a symbol", Symbol("s"), /the value is a symbol/],
    ["a class instance", new (class Stage {})(), /an instance of Stage/],
    ["a promise", { p: Promise.resolve() }, /"p" is an instance of Promise/],
  ])("refuses %s", (_, value, message) => {
    expect(() => copyValue(value)).toThrow(message);
    expect(() => walkValue(value, false)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  it("measures arrays by their bytes and text by two bytes a character", () => {
    expect(walkValue(ndArray(new Float64Array(6), [2, 3]), true).byteLength).toBe(48);
    expect(walkValue("abc", true).byteLength).toBe(6);
    expect(walkValue({ a: 1, b: [new Uint8Array(5)] }, false).byteLength).toBe(8 + 8 + 8 + 5);
  });
});
