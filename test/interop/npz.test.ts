import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npzCodec } from "../../src/codecs/npz.ts";
import { toTypestr } from "../../src/core/dtype.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { decode, encode } from "../codecs/codec-calls.ts";
import { allDtypes, bitsOf, ramp } from "../support/arrays.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

type Arrays = Record<string, NdArray>;

function described(arrays: Arrays): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, [toTypestr(array.dtype), array.shape, bitsOf(array).bits]]),
  );
}

describe.skipIf(!isPythonExpected)("numpy", () => {
  const root = mkdtempSync(join(tmpdir(), "sluice-npz-"));
  afterAll(() => rmSync(root, { recursive: true }));

  const ours: Arrays = Object.fromEntries(allDtypes.map((dtype) => [`of ${dtype}`, ramp([3, 4], dtype)]));
  ours["well/B 02/größe"] = ramp([2, 3], "float32");
  ours.scalar = ramp([], "int16");
  ours.empty = ramp([0, 7], "uint8");
  let answer: Record<string, Record<string, unknown>> = {};
  beforeAll(async () => {
    for (const compression of ["store", "deflate"] as const) {
      writeFileSync(join(root, `ours-${compression}.npz`), await encode(npzCodec, ours, { compression }));
    }
    writeFileSync(join(root, "ours-none.npz"), await encode(npzCodec, {}));
    answer = runPython("npz.py", root) as typeof answer;
  }, 60_000);

  it.each(["store", "deflate"])("loads the archives that we write, equal: %s", (compression) => {
    expect(answer[`ours-${compression}.npz`]).toEqual(described(ours));
    expect(answer["ours-none.npz"]).toEqual({});
  });

  it.each(["stored", "deflated"])("saves archives that we load, equal, every dtype and layout: %s", async (how) => {
    const loaded = (await decode(npzCodec, readFileSync(join(root, `numpy-${how}.npz`)))) as Arrays;
    expect(described(loaded)).toEqual(answer[`numpy-${how}.npz`]);
    expect(Object.keys(loaded)).toContain(how === "stored" ? "arr_1" : "blank");
  });

  it("saves object arrays, which are refused by name; the others load", async () => {
    const file = readFileSync(join(root, "objects.npz"));
    await expect(decode(npzCodec, file)).rejects.toMatchObject({
      code: "DTYPE_MISMATCH",
      message: expect.stringMatching(/"bad".*pickled/),
    });
    expect(Object.keys((await decode(npzCodec, file, { names: ["good"] })) as Arrays)).toEqual(["good"]);
  });
});
