import { spawnSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toJsonText } from "../../src/catalog/json-text.ts";
import { parseJson } from "../../src/catalog/row-json.ts";
import { hasProgram } from "../support/archives.ts";

/** Values as they come out of JSON, and what JSON has no word for. */
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0),
    fc.double(),
    fc.constantFrom(2 ** 53, -(2 ** 60), 1e300),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }).filter((big) => String(Number(big)) !== String(big)),
    fc.string(),
    fc.constantFrom("NaN", "-Infinity", '"NaN"', "\\", '\\"Infinity'),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe("JSON in columns", () => {
  it("comes back as it was, NaN and infinities too", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(parseJson(toJsonText(value, "value"), "value")).toEqual(value);
      }),
    );
  });

  it("is what JSON.stringify writes, where that loses nothing", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        // JSON.stringify loses the sign of -0.
        if (!isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value)) return;
        expect(JSON.parse(toJsonText(value, "value"))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it.each([
    ["a function", () => 1],
    ["a circle", [] as unknown[]],
    ["a symbol", { a: Symbol("x") }],
  ])("%s is refused with its place", (_, value) => {
    if (Array.isArray(value)) value.push(value);
    expect(() => toJsonText(value, "data")).toThrow(/^data.* cannot be written as JSON/);
  });

  it("that is none is CORRUPT", () => {
    expect(() => parseJson("{NaN", "value")).toThrow(expect.objectContaining({ code: "CORRUPT" }));
  });

  it.skipIf(!hasProgram("python3") && !process.env.CI)("is read by Python", () => {
    const text = toJsonText({ a: [Number.NaN, Number.NEGATIVE_INFINITY], t: Float32Array.of(0.5) }, "data");
    const { stdout } = spawnSync("python3", ["-c", "import json,sys; print(json.load(sys.stdin))"], {
      input: text,
      encoding: "utf8",
    });
    expect(stdout.trim()).toBe("{'a': [nan, -inf], 't': [0.5]}");
  });
});
