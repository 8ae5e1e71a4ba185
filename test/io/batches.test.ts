import { describe, expect, test } from "vitest";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteSource, WriteOptions } from "../../src/core/byte-store.ts";
import type { SaveResult } from "../../src/core/data-sink.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { freshDisk } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const paths = Array.from({ length: 20 }, (_, i) => `${i}.json`);
const values = paths.map((_, i) => ({ frame: i }));

/** A manager over a folder; `onWrite` runs before each write, with the number of writes under way. */
async function manager(onWrite: (underWay: number, key: string) => unknown = () => {}) {
  const disk = await freshDisk({ durability: "none" });
  let underWay = 0;
  const write = async (key: string, bytes: ByteSource, options?: WriteOptions) => {
    underWay++;
    try {
      await onWrite(underWay, key);
      return await disk.store.write(key, bytes, options);
    } finally {
      underWay--;
    }
  };
  const store = replaceMethods(disk.store, { write });
  return { ...disk, files: new FileManager({ disk: new FileBackend(store, { key: "disk" }) }) };
}

const outcome = (result: SaveResult) => (result.status === "failed" ? result.error.code : result.status);

describe("a batch", () => {
  test("keeps to its concurrency and to the order of its arguments", async () => {
    let most = 0;
    const { files, dispose } = await manager((underWay) => {
      most = Math.max(most, underWay);
    });
    const saved = await files.saveBatch(values, paths, "disk", { concurrency: 3 });
    expect(most).toBe(3);
    expect(saved.map(({ identifier }) => identifier)).toEqual(paths);
    expect(await files.loadBatch([...paths].reverse(), "disk", { concurrency: 2 })).toEqual([...values].reverse());
    await dispose?.();
  });

  test("tells of each item that failed, and does all the others", async () => {
    const { files, side, dispose } = await manager();
    const mixed = values.map((value, i) => (i % 5 === 0 ? { frame: Number.NaN } : value));
    const saved = await files.saveBatch(mixed, paths, "disk", { onError: "collect" });
    expect(saved.map(outcome)).toEqual(paths.map((_, i) => (i % 5 === 0 ? "INVALID_DATA" : "created")));
    expect(await side.keys()).toHaveLength(16);
    const loaded = await files.loadBatch(paths, "disk", { onError: "collect" });
    expect(loaded.filter((_, i) => i % 5 !== 0)).toEqual(values.filter((_, i) => i % 5 !== 0));
    expect(loaded[0]).toMatchObject({ code: "NOT_FOUND", identifier: "0.json" });
    const error = await files.loadBatch(paths, "disk").catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toHaveLength(4);
    await dispose?.();
  });

  test("that is called off in the middle says of each item whether it is there, and that is so", async () => {
    const controller = new AbortController();
    const { files, side, dispose } = await manager((_underWay, key) => {
      if (key === "9.json") controller.abort();
    });
    const options = { concurrency: 4, signal: controller.signal, onError: "collect" } as const;
    const saved = await files.saveBatch(values, paths, "disk", options);
    expect(new Set(saved.map(outcome))).toEqual(new Set(["created", "ABORTED"]));
    const there = saved.filter(({ status }) => status === "created").map(({ identifier }) => identifier);
    expect((await side.keys()).sort()).toEqual([...there].sort());
    expect(await files.loadBatch(there, "disk")).toEqual(there.map((path) => values[paths.indexOf(path)]));
    const rest = paths.filter((path) => !there.includes(path));
    const again = await files.saveBatch(
      rest.map((path) => values[paths.indexOf(path)]),
      rest,
      "disk",
    );
    expect(again.map(outcome)).toEqual(rest.map(() => "created"));
    expect(await files.loadBatch(paths, "disk")).toEqual(values);
    await dispose?.();
  });

  test("that is called off without collecting is one ABORTED, however many items it met", async () => {
    const controller = new AbortController();
    const { files, dispose } = await manager((_underWay, key) => {
      if (key === "9.json") controller.abort();
    });
    const work = files.saveBatch(values, paths, "disk", { concurrency: 4, signal: controller.signal });
    expect((await rejectionOf(work)).code).toBe("ABORTED");
    await dispose?.();
  });
});
