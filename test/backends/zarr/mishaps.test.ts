import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { claim, publish } from "../../../backends/zarr/claims.ts";
import { planArray } from "../../../backends/zarr/create.ts";
import { createArray, openArray, openZarr, recoverZarr, type ZarrArray } from "../../../backends/zarr/index.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { WrappedStore } from "../../../src/layers/wrapped-store.ts";
import { keysOf, memoryStore, readJson } from "./support.ts";

const rows = (value: number, length = 6): NdArray => ndArray(new Uint8Array(length * 4).fill(value), [length, 4]);
const byRow = { chunkShape: [1, 4], compressor: "none" } as const;

/** A store with directories, so that arrays move to their places. */
async function diskStore(): Promise<DiskStore> {
  const root = await mkdtemp(join(tmpdir(), "sluice-mishaps-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return new DiskStore({ root, durability: "none" });
}

/** A store on which something happens before a look or a change. */
class MeddledStore extends WrappedStore {
  /** Called with what is about to be done and where. */
  before: (verb: string, key: string) => Promise<void> = async () => {};

  constructor(inner: ByteStore) {
    super("meter", inner);
  }

  override async stat(...args: Parameters<WrappedStore["stat"]>): ReturnType<WrappedStore["stat"]> {
    await this.before("stat", args[0]);
    return super.stat(...args);
  }

  override async write(...args: Parameters<WrappedStore["write"]>): ReturnType<WrappedStore["write"]> {
    await this.before("write", args[0]);
    return super.write(...args);
  }

  override async copy(...args: Parameters<WrappedStore["copy"]>): ReturnType<WrappedStore["copy"]> {
    await this.before("copy", args[0]);
    return super.copy(...args);
  }

  override async renameDirectory(...args: Parameters<WrappedStore["renameDirectory"]>): Promise<void> {
    await this.before("rename", args[0]);
    return super.renameDirectory(...args);
  }
}

describe("an array that is made", () => {
  it("leaves no claim when it is called off, whatever was there", async () => {
    for (const there of [false, true]) {
      const inner = memoryStore();
      const options = { shape: [6, 4], dtype: "uint8", ...byRow } as const;
      if (there) await (await createArray(inner, "a", options)).write([], rows(1));
      const store = new MeddledStore(inner);
      const controller = new AbortController();
      let writes = 0;
      store.before = async (verb, key) => {
        // The first makes the claim, the second shows the array.
        if (verb === "write" && key === "a/zarr.json" && ++writes === 2) controller.abort();
      };
      const made = createArray(store, "a", { ...options, ifExists: "replace", signal: controller.signal });
      await expect(made).rejects.toMatchObject({ code: "ABORTED" });
      expect((await keysOf(inner)).filter((key) => key.startsWith("a/"))).toEqual([]);
      await createArray(inner, "a", options);
    }
  });

  it("has any finite fill value, also one with many digits", async () => {
    for (const fillValue of [1e20, -1e20, 2 ** 60, 1e300, 2 ** 53]) {
      const store = memoryStore();
      await createArray(store, "a", { shape: [2], dtype: "float64", fillValue });
      const array = await openArray(store, "a");
      expect([...(await array.read()).data]).toEqual([fillValue, fillValue]);
    }
  });
});

describe("an array that is read", () => {
  it("is read although another read of the same shard, which asked first, is called off", async () => {
    const inner = memoryStore();
    const shape = { shape: [8, 8], chunkShape: [2, 2], shardShape: [8, 8] };
    await (await createArray(inner, "a", { ...shape, dtype: "uint8" })).write([], ndArray(new Uint8Array(64), [8, 8]));
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const store = new MeddledStore(inner);
    store.before = (verb) => (verb === "stat" ? gate : Promise.resolve());
    const array = (await openZarr(store, "a")) as ZarrArray;
    const controller = new AbortController();
    const part = [
      [0, 2],
      [0, 2],
    ] as const;
    const first = array.read(part, { signal: controller.signal });
    const second = array.read(part);
    controller.abort();
    go();
    await expect(first).rejects.toMatchObject({ code: "ABORTED" });
    expect((await second).shape).toEqual([2, 2]);
  });

  it("says how large it is if that is more than memory, and what would do", async () => {
    const store = memoryStore();
    const shape = [2 ** 30, 2 ** 30];
    await createArray(store, "a", { shape, dtype: "float64", chunkShape: [1024, 1024] });
    const refusal = { code: "CAPACITY_EXCEEDED", message: expect.stringMatching(/bytes.*select a part/) };
    await expect(new ZarrBackend(store).load("a")).rejects.toMatchObject(refusal);
  });
});

describe("a region that is written", () => {
  it("leaves alone what is appended meanwhile to the chunk at the edge", async () => {
    const store = new MeddledStore(memoryStore());
    await createArray(store, "a", { shape: [82, 1], dtype: "uint8", chunkShape: [8, 1], compressor: "none" });
    const array = await openArray(store, "a", { exclusive: true });
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    store.before = async (verb, key) => {
      // The first eight chunks are held up, so that the last ones have not had their turn.
      if (verb === "write" && /^a\/c\/[0-7]\//.test(key)) await gate;
    };
    const writing = array.write([], ndArray(new Uint8Array(82).fill(1), [82, 1]));
    await array.append(ndArray(new Uint8Array(4).fill(2), [4, 1]));
    go();
    await writing;
    const found = await (await openArray(store, "a")).read();
    expect([...found.data].slice(80)).toEqual([1, 1, 2, 2, 2, 2]);
  });
});

describe("arrays that are replaced by several at once", () => {
  it("end as one of them, without a failure and without leftovers", async () => {
    const inner = await diskStore();
    const one = new MeddledStore(inner);
    const first = new ZarrBackend(one, { release: async () => {} });
    const second = new ZarrBackend(inner, { release: async () => {} });
    await second.save(rows(0), "a", byRow);
    let renames = 0;
    one.before = async (verb) => {
      // The old one is away, the new one not yet there: somebody else is quicker.
      if (verb === "rename" && ++renames === 3) await second.save(rows(2), "a", { ...byRow, ifExists: "replace" });
    };
    await first.save(rows(1), "a", { ...byRow, ifExists: "replace" });
    expect((await first.load("a")) as NdArray).toEqual(rows(1));
    expect((await keysOf(inner)).filter((key) => key.includes(".sluice-"))).toEqual([]);
  });

  it("do not replace a group that came there meanwhile", async () => {
    const inner = await diskStore();
    const one = new MeddledStore(inner);
    const first = new ZarrBackend(one, { release: async () => {} });
    const second = new ZarrBackend(inner, { release: async () => {} });
    let renames = 0;
    one.before = async (verb) => {
      if (verb === "rename" && ++renames === 1) await second.save(rows(2), "a/b", { ...byRow, createParents: true });
    };
    const saved = first.save(rows(1), "a", { ...byRow, ifExists: "replace" });
    await expect(saved).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    expect((await second.load("a/b")) as NdArray).toEqual(rows(2));
    expect((await keysOf(inner)).filter((key) => key.includes(".sluice-"))).toEqual([]);
  });
});

describe("a value that an array replaces", () => {
  it("is there still when the save is called off at its end", async () => {
    const inner = await diskStore();
    const store = new MeddledStore(inner);
    const backend = new ZarrBackend(store, { release: async () => {} });
    await backend.save({ a: 1 }, "a.json");
    const controller = new AbortController();
    store.before = async (verb) => {
      if (verb === "rename") controller.abort();
    };
    const { signal } = controller;
    const saved = backend.save(rows(1), "a.json", { ...byRow, format: "zarr", ifExists: "replace", signal });
    await saved.catch(() => {});
    store.before = async () => {};
    const now = await backend.load("a.json");
    expect([{ a: 1 }, rows(1)]).toContainEqual(now);
    expect((await keysOf(inner)).filter((key) => key.includes(".sluice-"))).toEqual([]);
  });
});

describe("an array that a file replaces", () => {
  it.each(["copy", "move"] as const)("is there still when the %s fails", async (verb) => {
    for (const inner of [memoryStore(), await diskStore()]) {
      const store = new MeddledStore(inner);
      const backend = new ZarrBackend(store, { release: async () => {} });
      await backend.save({ a: 1 }, "a.json");
      await backend.save(rows(1), "b", byRow);
      // Somebody else removes the source once everything is checked.
      const broken = new StorageError("NO_SPACE", "full");
      store.copy = async () => Promise.reject(broken);
      store.rename = async () => Promise.reject(broken);
      await expect(backend[verb]("a.json", "b", { ifExists: "replace" })).rejects.toMatchObject({ code: "NO_SPACE" });
      expect((await backend.load("b")) as NdArray).toEqual(rows(1));
    }
  });
});

describe("what is below an array", () => {
  it("is no place for values", async () => {
    for (const store of [memoryStore(), await diskStore()]) {
      const backend = new ZarrBackend(store);
      await backend.save(rows(7), "a", byRow);
      const before = await keysOf(store);
      for (const key of ["a/notes.json", "a/c/0/0", "a/c/notes.json", "a/x/y.json", "a/c/9/0"]) {
        for (const createParents of [false, true]) {
          const options = { createParents, ifExists: "replace", format: "json" } as const;
          // Its directories are not there, for whoever asks.
          const code = expect.stringMatching(/^(NOT_A_DIRECTORY|NOT_FOUND)$/);
          await expect(backend.save({ a: 1 }, key, options), key).rejects.toMatchObject({ code });
          await expect(backend.save(rows(1), key, { createParents })).rejects.toMatchObject({ code });
        }
      }
      expect(await keysOf(store)).toEqual(before);
      expect((await backend.load("a")) as NdArray).toEqual(rows(7));
    }
  });
});

describe("a group that is copied", () => {
  it("goes without what others are saving in it", async () => {
    const store = await diskStore();
    const backend = new ZarrBackend(store);
    await backend.save(rows(7), "g/a", { ...byRow, createParents: true });
    const hidden = "g/.sluice-new-0123456789abcdef.b";
    await store.write(`${hidden}/c/0/0`, new Uint8Array(4));
    await backend.copy("g", "h");
    expect((await keysOf(store)).filter((key) => key.startsWith("h/") && key.includes(".sluice-"))).toEqual([]);
    expect((await backend.load("h/a")) as NdArray).toEqual(rows(7));
  });

  it("goes without a claim in it", async () => {
    const store = memoryStore();
    const backend = new ZarrBackend(store);
    await backend.save(rows(7), "g/a", { ...byRow, createParents: true });
    await claim(store, "g/b", false, {});
    await store.write("g/b/c/0/0", new Uint8Array(4));
    await backend.copy("g", "h");
    expect((await keysOf(store)).filter((key) => key.startsWith("h/b"))).toEqual([]);
    expect((await backend.load("h/a")) as NdArray).toEqual(rows(7));
  });
});

describe("a claim that somebody else has taken over", () => {
  it("is not published over, in Zarr v2 either", async () => {
    for (const format of [2, 3] as const) {
      const store = memoryStore();
      const held = await claim(store, "a", false, {});
      const theirs = { ...(await readJson(store, "a/zarr.json")), sluice_claim: { id: "x", sinceMs: Date.now() } };
      await store.write("a/zarr.json", new TextEncoder().encode(JSON.stringify(theirs)));
      const { documents } = planArray({ shape: [1], dtype: "uint8" }, format, "a");
      await expect(publish(store, held, documents, {})).rejects.toMatchObject({ code: "CONFLICT" });
      expect(await keysOf(store)).toEqual(["a/zarr.json"]);
      expect(await readJson(store, "a/zarr.json")).toEqual(theirs);
    }
  });
});

describe("recovery", () => {
  it("puts the youngest of several back that were away from one place", async () => {
    // Whatever their names say of their order.
    for (const ids of [
      ["0000000000000000", "ffffffffffffffff"],
      ["ffffffffffffffff", "0000000000000000"],
    ]) {
      const store = await diskStore();
      const backend = new ZarrBackend(store, { release: async () => {} });
      for (const [age, id] of ids.entries()) {
        await backend.save(rows(age), "a", byRow);
        const away = `.sluice-old-${id}.a`;
        await store.renameDirectory("a", away);
        for (const key of (await keysOf(store)).filter((found) => found.startsWith(away))) {
          await utimes(join(store.root, key), 1000 + age, 1000 + age);
        }
      }
      expect(await recoverZarr(store, { remove: true })).toHaveLength(2);
      expect((await backend.load("a")) as NdArray).toEqual(rows(1));
      expect((await keysOf(store)).filter((key) => key.includes(".sluice-"))).toEqual([]);
    }
  });
});
