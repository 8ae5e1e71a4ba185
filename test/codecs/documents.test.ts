/** JSON, CSV, text and bytes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesCodec } from "../../src/codecs/bytes.ts";
import { csvCodec } from "../../src/codecs/csv.ts";
import { jsonCodec } from "../../src/codecs/json.ts";
import { textCodec } from "../../src/codecs/text.ts";
import { zeros } from "../../src/core/nd-array.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
/** Text with all that makes CSV hard. */
const cellText = fc.oneof(
  fc.string({ unit: fc.constantFrom(",", '"', "\r", "\n", "\ufeff", " ", "a", "µ", "😀", "\0") }),
  fc.string({ unit: "grapheme" }),
);

describe("json", () => {
  it("gives back every plain value", async () => {
    const plain = fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    await fc.assert(
      fc.asyncProperty(plain, async (value) => {
        expect(await roundTrip(jsonCodec, value)).toEqual(value);
      }),
    );
  });

  it("writes UTF-8 with two spaces and a newline at the end, and skips a byte order mark", async () => {
    expect(new TextDecoder().decode(await encode(jsonCodec, { size: ["µm", 1] }))).toBe(
      '{\n  "size": [\n    "µm",\n    1\n  ]\n}\n',
    );
    expect(await decode(jsonCodec, utf8('\ufeff{"a": 1}'))).toEqual({ a: 1 });
  });

  const loop: Record<string, unknown> = {};
  loop.inner = [loop];
  const named = Object.assign([1], { name: "list" });
  it.each([
    ["NaN", { a: [1, Number.NaN] }, "$.a[1]"],
    ["Infinity", { a: Number.NEGATIVE_INFINITY }, "$.a"],
    ["undefined", { a: undefined }, "$.a"],
    ["a hole", new Array(1), "$[0]"],
    ["bigint", { a: 1n }, "$.a"],
    ["a function", { a: () => 1 }, "$.a"],
    ["a symbol", [Symbol("a")], "$[0]"],
    ["a symbol key", { [Symbol("a")]: 1 }, "$"],
    ["a date", { a: new Date(0) }, "$.a"],
    ["a map", new Map(), "$"],
    ["an array of pixels", { frame: zeros([2], "uint8") }, "$.frame"],
    ["bytes", { a: new Uint8Array(2) }, "$.a"],
    ["a cycle", loop, "$.inner[0]"],
    ["a list with named properties", named, "$"],
  ])("refuses %s with its path", async (_what, value, path) => {
    await expect(encode(jsonCodec, value)).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining(path),
    });
  });

  it("writes one object that is held twice, which is no cycle", async () => {
    const shared = { a: 1 };
    expect(await roundTrip(jsonCodec, [shared, shared])).toEqual([shared, shared]);
  });

  it.each(["", "{", "{'a': 1}", "[1,]", "NaN"])("says CORRUPT to %j", async (text) => {
    await expect(decode(jsonCodec, utf8(text))).rejects.toMatchObject({ code: "CORRUPT" });
  });
});

describe("text", () => {
  it("gives back every string that UTF-8 can keep", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(cellText, fc.constant("\ufeffmark\r\n")), async (text) => {
        expect(await roundTrip(textCodec, text)).toBe(text);
      }),
    );
  });

  it("refuses half a surrogate pair and bytes that are not UTF-8", async () => {
    await expect(encode(textCodec, "ab\ud800")).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("character 2"),
    });
    await expect(decode(textCodec, Uint8Array.of(0xc3, 0x28))).rejects.toMatchObject({ code: "CORRUPT" });
    await expect(encode(textCodec, 5)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });
});

describe("bytes", () => {
  it("gives bytes back, as a Uint8Array even from a Buffer", async () => {
    const loaded = await bytesCodec.decode(Buffer.from([1, 2, 3]), { identifier: "x", options: {} });
    expect(loaded).toEqual(Uint8Array.of(1, 2, 3));
    expect(Buffer.isBuffer(loaded)).toBe(false);
  });

  it.each([
    ["an array", zeros([2], "uint8")],
    ["text", "ab"],
    ["an ArrayBuffer", new ArrayBuffer(2)],
  ])("refuses %s", async (_what, value) => {
    await expect(encode(bytesCodec, value)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });
});

describe("csv", () => {
  it("gives back records of text", async () => {
    const table = fc
      .uniqueArray(cellText, { minLength: 1, maxLength: 4 })
      .chain((columns) => fc.array(fc.tuple(...columns.map(() => cellText))).map((rows) => ({ columns, rows })))
      .map(({ columns, rows }) =>
        rows.map((cells) => Object.fromEntries(columns.map((column, i) => [column, cells[i]]))),
      );
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        expect(await roundTrip(csvCodec, rows)).toEqual(rows);
      }),
    );
  });

  it("gives back rows of text with header: false", async () => {
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((columns) => fc.array(fc.array(cellText, { minLength: columns, maxLength: columns })));
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        expect(await roundTrip(csvCodec, rows, { header: false })).toEqual(rows);
      }),
    );
  });

  it("gives back numbers, bigints and booleans where the types say so", async () => {
    const options = { types: { area: "number", id: "bigint", alive: "boolean" } };
    const record = fc.record({ area: fc.double(), id: fc.bigInt(), alive: fc.boolean(), well: cellText });
    await fc.assert(
      fc.asyncProperty(fc.array(record), async (rows) => {
        const columns = rows.map(({ area, id, alive, well }) => ({ area, id, alive, well }));
        expect(await roundTrip(csvCodec, columns, options)).toEqual(columns);
      }),
    );
  });

  it("reads strings where no types are named: a well called 007 stays one", async () => {
    expect(await decode(csvCodec, utf8("well,n\n007,1\n"))).toEqual([{ well: "007", n: "1" }]);
  });

  it("writes RFC 4180: CRLF, and quotes where they are needed", async () => {
    const text = new TextDecoder().decode(await encode(csvCodec, [{ "a b": 'say "hi", 2', n: -0 }]));
    expect(text).toBe('a b,n\r\n"say ""hi"", 2",-0\r\n');
    // An empty line would be no row to other readers.
    expect(new TextDecoder().decode(await encode(csvCodec, [{ a: "" }]))).toBe('a\r\n""\r\n');
  });

  it.each(["\n", "\r\n", "\r"])("reads lines that end in %j, and skips a byte order mark", async (end) => {
    expect(await decode(csvCodec, utf8(`\ufeffa,b${end}1,"x${end}y"${end}`))).toEqual([{ a: "1", b: `x${end}y` }]);
  });

  it.each([
    ["null", [{ a: null }]],
    ["undefined", [{ a: undefined }]],
    ["an object in a cell", [{ a: {} }]],
    ["records with other keys", [{ a: 1 }, { b: 1 }]],
    ["records with more keys", [{ a: 1 }, { a: 1, b: 2 }]],
    ["rows without header: false", [["a"], ["b"]]],
    ["a record without columns", [{}]],
    ["one record, not a list", { a: 1 }],
    ["text", "a,b\n1,2\n"],
    ["an array of pixels", zeros([2, 2], "uint8")],
  ])("refuses %s", async (_what, value) => {
    await expect(encode(csvCodec, value)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it.each([
    ["ragged rows", [["a", "b"], ["c"]], { header: false }],
    ["records with header: false", [{ a: 1 }], { header: false }],
    ["cells that are not what the types say", [{ a: "1" }], { types: { a: "number" } }],
    ["an unknown type", [{ a: 1 }], { types: { a: "date" } }],
    ["an unknown option", [{ a: 1 }], { delimiter: ";" }],
  ])("refuses %s", async (_what, value, options) => {
    await expect(encode(csvCodec, value, options)).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it.each([
    ["ragged lines", "a,b\n1\n"],
    ["an open quote", 'a\n"1\n'],
    ["two columns of one name", "a,a\n1,2\n"],
  ])("says CORRUPT to %s", async (_what, text) => {
    await expect(decode(csvCodec, utf8(text))).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it.each([
    ["number", "1,5"],
    ["number", ""],
    ["bigint", "1.5"],
    ["boolean", "yes"],
  ])("refuses to read as %s the cell %j", async (type, cell) => {
    await expect(decode(csvCodec, utf8(`a\n"${cell}"\n`), { types: type })).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("row 0, column a"),
    });
  });
});
