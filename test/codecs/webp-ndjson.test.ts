import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { ndjsonCodec } from "../../src/codecs/ndjson.ts";
import { createWebpCodec } from "../../src/codecs/webp.ts";
import { arraysEqual, type NdArray, ndArray } from "../../src/core/nd-array.ts";
import { rejectionOf } from "../support/rejection.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

const webp = createWebpCodec();

describe("webp", () => {
  test("colour comes back exactly", async () => {
    const array = ndArray(
      new Uint8Array(37 * 23 * 3).map((_, i) => (i * 7919) % 256),
      [37, 23, 3],
    );
    const bytes = await encode(webp, array);
    expect(new TextDecoder().decode(bytes.subarray(8, 12))).toBe("WEBP");
    expect(arraysEqual((await decode(webp, bytes)) as NdArray, array)).toBe(true);
  });

  test.each([
    ["uint16", ndArray(new Uint16Array(12), [2, 2, 3]), "DTYPE_MISMATCH"],
    ["gray", ndArray(new Uint8Array(4), [2, 2]), "INVALID_DATA"],
    ["alpha", ndArray(new Uint8Array(16), [2, 2, 4]), "INVALID_DATA"],
    ["16384 pixels", ndArray(new Uint8Array(16384 * 3), [1, 16384, 3]), "INVALID_DATA"],
  ])("%s is refused", async (_what, array, code) => {
    expect((await rejectionOf(encode(webp, array))).code).toBe(code);
  });

  test("what is no WebP is CORRUPT", async () => {
    expect((await rejectionOf(decode(webp, new Uint8Array(40)))).code).toBe("CORRUPT");
  });
});

describe("ndjson", () => {
  test("any list of JSON values comes back equal, one line each", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue({ noUnicodeString: false })), async (generated) => {
        const values = JSON.parse(JSON.stringify(generated)) as unknown[]; // −0 is written as 0
        const bytes = await encode(ndjsonCodec, values);
        expect(new TextDecoder().decode(bytes).split("\n")).toHaveLength(values.length + 1);
        expect(await roundTrip(ndjsonCodec, values)).toEqual(values);
      }),
    );
  });

  test("reads other line ends, and a last line without one; names the line that is damaged", async () => {
    const read = (text: string) => decode(ndjsonCodec, new TextEncoder().encode(text));
    expect(await read('\ufeff{"a":1}\r\n[2]')).toEqual([{ a: 1 }, [2]]);
    for (const text of ['1\n{"a":', "1\n\n2\n"]) {
      const error = await rejectionOf(read(text));
      expect([error.code, error.message]).toEqual(["CORRUPT", expect.stringContaining("line 2")]);
    }
  });

  test.each([[{ a: 1 }], [[Number.NaN]], [[undefined]], [[new Date(0)]]])("%s is refused", async (value) => {
    expect((await rejectionOf(encode(ndjsonCodec, value))).code).toBe("INVALID_DATA");
  });
});

test("both are among the default codecs, by suffix", () => {
  const codecs = createCodecs();
  const names = ["a.webp", "a.ndjson", "a.jsonl"].map((name) => codecs.forIdentifier(name).name);
  expect(names).toEqual(["webp", "ndjson", "ndjson"]);
});
