import { describe, expect, it } from "vitest";
import { createArray, openArray } from "../../../backends/zarr/index.ts";
import type { NamedConfiguration } from "../../../backends/zarr/metadata.ts";
import { arraysEqual, sliceArray, zeros } from "../../../src/core/nd-array.ts";
import { ramp } from "../../support/arrays.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { keysOf, memoryStore, readJson } from "./support.ts";

const bytes = [{ name: "bytes", configuration: { endian: "little" } }];
const sharded = (chunk: number[], codecs: NamedConfiguration[], more = {}): NamedConfiguration => ({
  name: "sharding_indexed",
  configuration: { chunk_shape: chunk, codecs, index_codecs: [...bytes, { name: "crc32c" }], ...more },
});
const turned = { name: "transpose", configuration: { order: [1, 0] } };
const chains: [string, NamedConfiguration[]][] = [
  ["shards in shards", [sharded([4, 6], [sharded([2, 3], bytes)])]],
  ["shards in shards in shards", [sharded([4, 6], [sharded([2, 6], [sharded([1, 2], bytes)])])]],
  ["shards behind a transposition", [turned, sharded([3, 4], [...bytes, { name: "crc32c" }])]],
  [
    "shards that are packed",
    [sharded([2, 3], bytes), { name: "gzip", configuration: { level: 1 } }, { name: "crc32c" }],
  ],
];

/** An array of [13, 20] in units of [8, 12], of codecs that `createArray` does not make. */
async function arrayOf(codecs: readonly NamedConfiguration[]) {
  const store = memoryStore();
  await createArray(store, "a", { shape: [13, 20], dtype: "uint16", chunkShape: [8, 12] });
  const metadata = { ...(await readJson(store, "a/zarr.json")), codecs };
  await store.write("a/zarr.json", new TextEncoder().encode(JSON.stringify(metadata)));
  return { store, array: await openArray(store, "a") };
}

describe.each(chains)("%s", (_, codecs) => {
  it("take regions, and are read in regions", async () => {
    const { store, array } = await arrayOf(codecs);
    const image = ramp([13, 20], "uint16");
    await array.write([], image);
    expect(arraysEqual(await array.read(), image)).toBe(true);
    await array.write(
      [
        [3, 10],
        [5, 6],
      ],
      zeros([7, 1], "uint16"),
    );
    const other = await openArray(store, "a");
    expect(arraysEqual(await other.read([[0, 13], 4]), sliceArray(image, [[0, 13], 4]))).toBe(true);
    expect([...(await other.read([[2, 11], 5])).data]).toEqual(
      Array.from({ length: 9 }, (_, i) => (i >= 1 && i < 8 ? 0 : image.data[(2 + i) * 20 + 5])),
    );
    await array.resize([9, 30]);
    expect((await (await openArray(store, "a")).read([8, [20, 30]])).data).toEqual(new Uint16Array(10));
  });

  it("store nothing for what is all fill value", async () => {
    const { store, array } = await arrayOf(codecs);
    const dot = zeros([13, 20], "uint16");
    dot.data[0] = 7;
    await array.write([], dot);
    expect(await keysOf(store)).toHaveLength(3);
    expect(arraysEqual(await array.read(), dot)).toBe(true);
  });

  it("say what is damaged", async () => {
    const { store, array } = await arrayOf(codecs);
    await array.write([], ramp([13, 20], "uint16"));
    const stored = await store.read("a/c/0/0");
    const at = stored.byteLength - 9;
    await store.write("a/c/0/0", stored.with(at, (stored[at] as number) ^ 1));
    const error = await rejectionOf(array.read());
    expect(error).toMatchObject({ code: "CORRUPT", message: expect.stringMatching(/"a"|"a\/c\/0\/0"|shard/) });
    await store.write("a/c/0/0", stored.slice(0, 10));
    expect((await rejectionOf(array.read())).code).toBe("CORRUPT");
  });
});

it("shards are asked for by their shape", async () => {
  const codecs = [sharded([4, 6], bytes)];
  const error = await rejectionOf(createArray(memoryStore(), "a", { shape: [8, 12], dtype: "uint8", codecs }));
  expect(error).toMatchObject({ code: "INVALID_DATA", message: expect.stringContaining("shardShape") });
});

it("shards that make no sense are left to be refused", async () => {
  const wrong: NamedConfiguration[][] = [
    [sharded([4, 6], [sharded([3, 3], bytes)])],
    [{ name: "transpose", configuration: { order: [0, 0] } }, sharded([2, 3], bytes)],
    [sharded([2, 3], bytes), { name: "unheard-of" }],
  ];
  for (const codecs of wrong) {
    const error = await rejectionOf(arrayOf(codecs));
    expect(error.code).toBe("UNSUPPORTED");
  }
});
