/** Bytes that no encoder made: whoever may write into an engine may write anything. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FramesCodec } from "../../src/live/encoding/frames.ts";
import { JsonCodec } from "../../src/live/encoding/json-points.ts";
import { packShapedBytes } from "../../src/live/encoding/message-pack.ts";
import { NumericCodec } from "../../src/live/encoding/numeric.ts";
import type { PointCodec } from "../../src/live/encoding/point-codec.ts";
import { VaryingCodec } from "../../src/live/encoding/varying.ts";

const codecs: readonly (readonly [string, PointCodec])[] = [
  ["numbers", new NumericCodec("<f8", [2])],
  ["numbers of varying shape", new VaryingCodec("<f8", [-1, 3])],
  ["frames", new FramesCodec("<u2", [4, 4])],
  ["JSON", new JsonCodec()],
];

/** Of every kind, and what is nearly right. */
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc
    .tuple(fc.constantFrom(0, 1, 2), fc.uint8Array({ maxLength: 40 }))
    .map(([kind, rest]) => Uint8Array.of(kind, ...rest)),
  fc
    .tuple(fc.array(fc.nat(5), { maxLength: 3 }), fc.uint8Array({ maxLength: 64 }))
    .map(([shape, bytes]) => packShapedBytes(shape, bytes)),
  fc.json().map((text) => new TextEncoder().encode(`\u0001${text}`)),
);

test.each(codecs)("%s are what they should be, or the entry is CORRUPT", async (_, codec) => {
  await fc.assert(
    fc.asyncProperty(payloads, fc.integer({ min: 1, max: 3 }), async (payload, length) => {
      try {
        expect(codec.count((await codec.decode({ index: 7, length, payload }, 0, 1)) as never)).toBe(1);
      } catch (error) {
        expect(error).toMatchObject({ code: "CORRUPT" });
      }
    }),
    { numRuns: 500 },
  );
});

test("points of another shape than the stream's are CORRUPT, though their bytes are as many as they say", () => {
  const codec = new VaryingCodec("<f8", [-1, 3]);
  const read = (shape: number[], bytes: number) => () =>
    codec.decode({ index: 0, length: 1, payload: packShapedBytes(shape, new Uint8Array(bytes)) }, 0, 1);
  expect(read([2, 3], 48)()).toMatchObject([{ shape: [2, 3] }]);
  for (const wrong of [read([2, 4], 64), read([6], 48), read([2, 3], 40)]) {
    expect(wrong).toThrow(expect.objectContaining({ code: "CORRUPT" }));
  }
});
