import { describe, expect, test } from "vitest";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteStore, WriteOptions } from "../../src/core/byte-store.ts";
import { copyTree, moveTree, syncTree } from "../../src/io/tree-transfer.ts";
import type { ByteStoreSubject } from "../../src/testing/byte-store-kit.ts";
import { freshDisk } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** A store whose medium damages each value when it has been written, and says that all is well. */
function rotting({ store, side }: ByteStoreSubject): ByteStore {
  const openWriter = async (key: string, options?: WriteOptions) => {
    const writer = await store.openWriter(key, options);
    return {
      get byteLength() {
        return writer.byteLength;
      },
      write: writer.write.bind(writer),
      abort: writer.abort.bind(writer),
      [Symbol.asyncDispose]: () => writer.abort(),
      close: async () => {
        const written = await writer.close();
        const value = (await side.get(key)) as Uint8Array;
        value[value.length >> 1] = (value[value.length >> 1] as number) ^ 1;
        await side.put(key, value);
        return written;
      },
    };
  };
  return replaceMethods(store, { openWriter });
}

async function pair() {
  const [from, to] = [await freshDisk({ durability: "none" }), await freshDisk({ durability: "none" })];
  await from.side.put("run/a.txt", text("alpha"));
  await from.side.put("run/deep/b.txt", text("beta"));
  const source = new FileBackend(from.store, { key: "from" });
  const backend = (store: ByteStore) => ({
    source,
    from: "run",
    target: new FileBackend(store, { key: "to" }),
    to: "",
  });
  return {
    ends: backend(rotting(to)),
    soundEnds: backend(to.store),
    from,
    to,
    close: async () => {
      await from.dispose?.();
      await to.dispose?.();
    },
  };
}

describe("a medium that damages what it was given", () => {
  test("is found out by reading back, and the copy goes; not by the checksum of what was handed over", async () => {
    const { ends, to, close } = await pair();
    const items = await copyTree(ends, { verify: "read", onError: "collect" });
    expect(items.map(({ status, error }) => [status, error?.code])).toEqual([
      ["failed", "CORRUPT"],
      ["failed", "CORRUPT"],
    ]);
    expect(await to.side.keys()).toEqual([]);
    expect((await copyTree(ends)).map(({ status }) => status)).toEqual(["copied", "copied"]);
    await close();
  });

  test("is found out by a later sync, which compares contents and not times or lengths", async () => {
    const { ends, soundEnds, to, close } = await pair();
    await copyTree(ends);
    expect((await syncTree(soundEnds, { compare: "size" })).map(({ status }) => status)).toEqual(["equal", "equal"]);
    expect((await syncTree(soundEnds)).map(({ status }) => status)).toEqual(["replaced", "replaced"]);
    expect(await to.side.get("a.txt")).toEqual(text("alpha"));
    expect(await to.side.get("deep/b.txt")).toEqual(text("beta"));
    await close();
  });

  test("loses no source of a move, whatever the options say", async () => {
    const { ends, soundEnds, from, to, close } = await pair();
    const careless = { verify: "written", compare: "size" } as const;
    const error = await rejectionOf(moveTree({ ...ends, from: "run/a.txt", to: "a.txt" }, careless));
    expect(error.code).toBe("CORRUPT");
    const items = await moveTree(ends, { ...careless, onError: "collect" });
    expect(items.map(({ status }) => status)).toEqual(["failed", "failed"]);
    // A damaged copy from before is no reason to remove the source either.
    await copyTree(ends);
    expect((await rejectionOf(moveTree({ ...soundEnds, from: "run/a.txt", to: "a.txt" }, careless))).code).toBe(
      "ALREADY_EXISTS",
    );
    expect(await from.side.get("run/a.txt")).toEqual(text("alpha"));
    expect(await from.side.get("run/deep/b.txt")).toEqual(text("beta"));
    await moveTree(soundEnds, { ...careless, ifExists: "replace" });
    expect(await from.side.keys()).toEqual([]);
    expect(await to.side.get("a.txt")).toEqual(text("alpha"));
    await close();
  });
});
