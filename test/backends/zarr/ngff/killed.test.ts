import { describe, expect, it } from "vitest";
import { recoverZarr } from "../../../../backends/zarr/index.ts";
import {
  saveBatch,
  validateNgff,
  writeBioformats2raw,
  writeImage,
  writeWell,
} from "../../../../backends/zarr/ngff/index.ts";
import type { ByteStore } from "../../../../src/core/byte-store.ts";
import { type StoreCall, WrappedStore } from "../../../../src/layers/wrapped-store.ts";
import { freshStore, ramp } from "./stores.ts";

const reads = ["stat", "read", "readRanges", "readStream", "list"];

/** The store of a process that is killed: from one change on, nothing that it does arrives. */
class DyingStore extends WrappedStore {
  #left: number;
  isDead = false;

  constructor(inner: ByteStore, changes: number) {
    super("meter", inner);
    this.#left = changes;
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    if (!reads.includes(call.operation)) this.isDead ||= this.#left-- <= 0;
    if (this.isDead) throw new Error("killed");
    return run(call.signal);
  }
}

const options = { levels: 2, chunkShape: [8, 8] };
const image = { array: ramp([12, 12]), ...options };
const coordinates = ["w1", "w2"].map((c) => ({ c, field: 1 }));
const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row: "A", column: "01" };
const parts = () => ({ shape: [12, 12], dtype: "uint16" as const, parts: [ramp([12, 12])] });
const works: [string, (store: ByteStore) => Promise<unknown>][] = [
  ["an image", (store) => writeImage(store, "p/i", parts(), options)],
  [
    "images of one file",
    (store) => writeBioformats2raw(store, "p/f", [image, image], { omeXml: "<OME><Image/><Image/></OME>" }),
  ],
  ["the first well of a plate", (store) => writeWell(store, "p/new", { row: "A", column: 1, images: [image] })],
  [
    "another well",
    (store) => writeWell(store, "p/plate", { row: "B", column: 2, images: [image, { ...image, path: "x" }] }),
  ],
  [
    "more images of a well",
    (store) => writeWell(store, "p/plate", { row: "A", column: 1, images: [{ ...image, path: "9" }] }),
  ],
  [
    "a batch",
    (store) =>
      saveBatch(store, [ramp([8, 8]), ramp([8, 8])], ["p/plate/a.tif", "p/plate/b.tif"], { layout, plate: "p/plate" }),
  ],
];

describe.each(["memory", "disk"] as const)("a process that is killed in %s", (kind) => {
  it.each(works)("at any change of %s leaves all of it, or what recover removes", async (_, work) => {
    const { store, side } = await freshStore(kind);
    await writeWell(store, "p/plate", { row: "A", column: 1, images: [image] });
    const keys = async () => (await side.keys()).filter((key) => !/^(p\/|p\/new\/)?zarr\.json$/.test(key)).sort();
    const before = await keys();
    for (let changes = 0; ; changes++) {
      const dying = new DyingStore(store, changes);
      await work(dying).catch(() => {});
      await recoverZarr(store, { remove: true, olderThanMs: 0, nowMs: Date.now() + 1000 });
      expect(await recoverZarr(store, { olderThanMs: 0, nowMs: Date.now() + 1000 })).toEqual([]);
      if (!dying.isDead) break;
      const after = await keys();
      const { isValid, wells, images } = await validateNgff(store, "p/plate");
      expect(isValid, String(changes)).toBe(true);
      // Killed when all was done but to say so.
      if (after.length > before.length && (wells > 1 || images > 1 || after.some((key) => /^p\/(i|f|new)\//.test(key))))
        break;
      expect(after, String(changes)).toEqual(before);
    }
    expect((await keys()).length).toBeGreaterThan(before.length);
    expect((await validateNgff(store, "p/plate")).isValid).toBe(true);
  });
});
