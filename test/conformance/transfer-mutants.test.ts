/** Transfers of trees, updates of JSON and locks: what they promise as laws, and planted bugs that each break one. */
import { readlink, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lockPath } from "../../backends/disk/process-lock.ts";
import { DiskStore } from "../../backends/disk/store.ts";
import { TEMP_PREFIX, tempName, tempOwner } from "../../backends/disk/temp-name.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import type { Ends } from "../../src/io/transfer.ts";
import { copyTree, moveTree, syncTree, type TreeItem } from "../../src/io/tree-transfer.ts";
import { updateJson } from "../../src/io/update-json.ts";
import { checkRejects, collect } from "../../src/testing/assertions.ts";
import { text } from "../../src/testing/byte-store-checks.ts";
import { override, overrideWriter } from "../../src/testing/mutants.ts";
import { freshDisk } from "../support/byte-stores.ts";

const real = { copyTree, moveTree, syncTree, updateJson, DiskStore };
/** What is tried: the real functions, or others in their place. */
type Tried = typeof real;

const keysOf = async (store: ByteStore) => (await collect(store.list())).map(({ key }) => key);

/** Two trees in memory: three values in `run`, and a target that may lie, fail or have something there already. */
async function trees(change: (target: MemoryStore) => ByteStore = (target) => target) {
  const [from, to] = [new MemoryStore(), new MemoryStore()];
  for (const key of ["a", "b", "c"]) await from.write(`run/${key}`, text(`value of ${key}`));
  const source = new FileBackend(from, { key: "from" });
  const target = new FileBackend(change(to), { key: "to" });
  const ends: Ends = { source, from: "run", target, to: "copy" };
  return { from, to, ends };
}

/** Stores other bytes than it was given, and says what a right store would say. */
const lying = (target: MemoryStore) =>
  overrideWriter(target, (writer) => {
    const bent = (chunk: Uint8Array) => chunk.map((byte) => byte ^ 1);
    return {
      write: (chunk) => writer.write(bent(chunk as Uint8Array)),
      close: async (options) => ({ ...(await writer.close(options)), checksum: undefined }),
    };
  });

/** Stores other bytes, and says the checksum of what it stored. */
const bending = (target: MemoryStore) =>
  overrideWriter(target, (writer) => ({
    write: (chunk) => writer.write((chunk as Uint8Array).map((byte) => byte ^ 1)),
  }));

/** Has a directory where a value should go. */
async function blocked() {
  const all = await trees();
  await all.to.write("copy/b/in-the-way", text("x"));
  return all;
}

/** A folder in which somebody holds the lock of `value`. */
async function locked(holder: string) {
  const { root, side, dispose } = await freshDisk();
  await side.put("value", text("old"));
  const lock = lockPath(join(root, "value"));
  await symlink(holder, lock);
  return { root, lock, side, dispose };
}

const laws: Readonly<Record<string, (tried: Tried) => Promise<void>>> = {
  "a copy that is to be read back is right or CORRUPT": async (tried) => {
    const { ends, to } = await trees(lying);
    const items = await tried.copyTree(ends, { verify: "read", onError: "collect" });
    expect(items.map(({ error }) => error?.code)).toEqual(["CORRUPT", "CORRUPT", "CORRUPT"]);
    expect(await keysOf(to)).toEqual([]);
  },
  "a copy is checked by its checksum": async (tried) => {
    const { ends, to } = await trees(bending);
    const items = await tried.copyTree(ends, { onError: "collect" });
    expect(items.map(({ error }) => error?.code)).toEqual(["CORRUPT", "CORRUPT", "CORRUPT"]);
    expect(await keysOf(to)).toEqual([]);
  },
  "every failure is told, and every file is tried": async (tried) => {
    const [thrown, told] = [await blocked(), await blocked()];
    await checkRejects(() => tried.copyTree(thrown.ends), "IS_A_DIRECTORY", "copyTree");
    const items = await tried.copyTree(told.ends, { onError: "collect", concurrency: 1 });
    expect(items.map(({ path, status }) => `${path} ${status}`)).toEqual(["a copied", "b failed", "c copied"]);
  },
  "what is there already and differs is not replaced unasked": async (tried) => {
    const { ends, to } = await trees();
    await to.write("copy/a", text("mine"));
    await checkRejects(() => tried.copyTree(ends), "ALREADY_EXISTS", "copyTree");
    expect(await to.read("copy/a")).toEqual(text("mine"));
  },
  "a move removes no source before its copy was read back": async (tried) => {
    const { ends, from } = await trees(lying);
    await expect(tried.moveTree(ends)).rejects.toThrow();
    expect(await keysOf(from)).toHaveLength(3);
  },
  "a move removes no source before every copy is right": async (tried) => {
    const { ends, from } = await blocked();
    await checkRejects(() => tried.moveTree(ends), "IS_A_DIRECTORY", "moveTree");
    expect(await keysOf(from)).toHaveLength(3);
  },
  "a file that changed after it was copied is not removed": async (tried) => {
    const { ends, from } = await trees();
    const change = ({ files }: { readonly files: number }) => {
      if (files === 3) void from.write("run/a", text("newer"));
    };
    await tried.moveTree(ends, { onProgress: change, onError: "collect" });
    expect(await from.read("run/a")).toEqual(text("newer"));
  },
  "sync removes nothing if anything failed": async (tried) => {
    const { ends, to } = await blocked();
    await to.write("copy/extra", text("?"));
    await tried.syncTree(ends, { delete: true, onError: "collect" });
    expect(await to.read("copy/extra")).toEqual(text("?"));
  },
  "sync removes what the source lacks only when it is told": async (tried) => {
    const { ends, to } = await trees();
    await to.write("copy/extra", text("?"));
    await tried.syncTree(ends);
    expect(await to.read("copy/extra")).toEqual(text("?"));
    await tried.syncTree(ends, { delete: true });
    expect(await keysOf(to)).toEqual(["copy/a", "copy/b", "copy/c"]);
  },

  "updates at the same time lose nothing": async (tried) => {
    const store = new MemoryStore();
    const one = () => tried.updateJson<number>(store, "n.json", (n) => n + 1, { default: 0 });
    await Promise.all(Array.from({ length: 20 }, one));
    expect(new TextDecoder().decode(await store.read("n.json"))).toBe("20\n");
  },
  "a damaged document is an error and stays": async (tried) => {
    const store = new MemoryStore();
    await store.write("n.json", text('{"n": 1'));
    await checkRejects(() => tried.updateJson(store, "n.json", () => 1, { default: 0 }), "CORRUPT", "updateJson");
    expect(await store.read("n.json")).toEqual(text('{"n": 1'));
  },
  "the lock of a process that lives is not taken": async (tried) => {
    const { root, lock, side, dispose } = await locked(tempName());
    const store = new tried.DiskStore({ root, waiting: { pollMs: 1, timeoutMs: 20 } });
    const { etag } = await store.stat("value");
    await checkRejects(() => store.write("value", text("new"), { ifMatch: etag }), "CONFLICT", "a locked write");
    expect(await readlink(lock)).toBeTypeOf("string");
    expect(await side.get("value")).toEqual(text("old"));
    await dispose?.();
  },
  "the lock of a dead process holds up nobody": async (tried) => {
    const { host } = tempOwner(tempName()) as { host: string };
    const { root, side, dispose } = await locked(`${TEMP_PREFIX}${host}.${2 ** 30}.1.abcd`);
    const store = new tried.DiskStore({ root, waiting: { pollMs: 1, timeoutMs: 1000 } });
    const { etag } = await store.stat("value");
    await store.write("value", text("new"), { ifMatch: etag });
    expect(await side.get("value")).toEqual(text("new"));
    expect(await side.keys()).toEqual(["value"]);
    await dispose?.();
  },
  "a lock is given back, also by a write that loses": async (tried) => {
    const { root, side, dispose } = await freshDisk();
    const store = new tried.DiskStore({ root });
    await store.write("value", text("old"));
    await checkRejects(() => store.write("value", text("x"), { ifMatch: "stale" }), "PRECONDITION_FAILED", "stale");
    expect(await side.keys()).toEqual(["value"]);
    await dispose?.();
  },
};

/** Removes what was moved, whatever became of its copy. */
async function removeMoved({ source, from }: Ends, items: readonly TreeItem[]): Promise<void> {
  const { store } = source as FileBackend;
  for (const { path } of items) await store.delete(`${from}/${path}`);
}

interface TransferMutant {
  readonly name: string;
  readonly killedBy: string;
  readonly tried: Partial<Tried>;
}

const mutants: readonly TransferMutant[] = [
  {
    name: "copyTree skips reading back",
    killedBy: "a copy that is to be read back is right or CORRUPT",
    tried: { copyTree: (ends, options) => copyTree(ends, { ...options, verify: "written" }) },
  },
  {
    name: "copyTree does not look at checksums",
    killedBy: "a copy is checked by its checksum",
    tried: {
      copyTree: (ends, options) => {
        const { store } = ends.target as FileBackend;
        const deaf = override(store, {
          openWriter: (key, given) => store.openWriter(key, { ...given, checksum: undefined }),
        });
        return copyTree({ ...ends, target: new FileBackend(deaf, { key: "to" }) }, options);
      },
    },
  },
  {
    name: "copyTree stops at the first failure, and says nothing",
    killedBy: "every failure is told, and every file is tried",
    tried: { copyTree: (ends, options) => copyTree(ends, { ...options, onError: "throw" }).catch(() => []) },
  },
  {
    name: "copyTree replaces what differs",
    killedBy: "what is there already and differs is not replaced unasked",
    tried: { copyTree: (ends, options) => copyTree(ends, { ...options, ifExists: "replace" }) },
  },
  {
    name: "moveTree removes the source before the copy was read back",
    killedBy: "a move removes no source before its copy was read back",
    tried: {
      moveTree: async (ends, options) => {
        const items = await copyTree(ends, { ...options, verify: "written" });
        await removeMoved(ends, items);
        return items;
      },
    },
  },
  {
    name: "moveTree removes each file once it is copied",
    killedBy: "a move removes no source before every copy is right",
    tried: {
      moveTree: async (ends, options) => {
        const items = await copyTree(ends, { ...options, verify: "read", onError: "collect" });
        await removeMoved(
          ends,
          items.filter(({ status }) => status !== "failed"),
        );
        for (const { error } of items) if (error !== undefined) throw error;
        return items;
      },
    },
  },
  {
    name: "moveTree does not look again before it removes",
    killedBy: "a file that changed after it was copied is not removed",
    tried: {
      moveTree: async (ends, options) => {
        const items = await copyTree(ends, { ...options, verify: "read" });
        await removeMoved(ends, items);
        return items;
      },
    },
  },
  {
    name: "sync removes although a copy failed",
    killedBy: "sync removes nothing if anything failed",
    tried: {
      syncTree: async (ends, options) => {
        const items = await syncTree(ends, { ...options, delete: false });
        await (ends.target as FileBackend).store.delete(`${ends.to}/extra`);
        return items;
      },
    },
  },
  {
    name: "sync always removes",
    killedBy: "sync removes what the source lacks only when it is told",
    tried: { syncTree: (ends, options) => syncTree(ends, { ...options, delete: true }) },
  },
  {
    name: "updateJson writes whatever is there meanwhile",
    killedBy: "updates at the same time lose nothing",
    tried: {
      updateJson: (target, key, change, options) => {
        const store = target as ByteStore;
        const careless = override(store, { write: (at, bytes, { signal } = {}) => store.write(at, bytes, { signal }) });
        return updateJson(careless, key, change, options);
      },
    },
  },
  {
    name: "updateJson replaces a damaged document by the default",
    killedBy: "a damaged document is an error and stays",
    tried: {
      updateJson: async (target, key, change, options) => {
        try {
          return await updateJson(target, key, change, options);
        } catch (error) {
          if (!isStorageError(error, "CORRUPT")) throw error;
          await (target as ByteStore).delete(key);
          return updateJson(target, key, change, options);
        }
      },
    },
  },
  {
    name: "a lock that is there is taken away",
    killedBy: "the lock of a process that lives is not taken",
    tried: {
      DiskStore: class extends DiskStore {
        override async write(...[key, bytes, options]: Parameters<DiskStore["write"]>) {
          await unlink(lockPath(join(this.root, key))).catch(() => {});
          return super.write(key, bytes, options);
        }
      },
    },
  },
  {
    name: "nobody asks whether the holder of a lock lives",
    killedBy: "the lock of a dead process holds up nobody",
    tried: {
      DiskStore: class extends DiskStore {
        override async write(...[key, bytes, options]: Parameters<DiskStore["write"]>) {
          const lock = lockPath(join(this.root, key));
          await readlink(lock).then(
            () => Promise.reject(new Error("it is locked")),
            () => {},
          );
          return super.write(key, bytes, options);
        }
      },
    },
  },
  {
    name: "a write that loses keeps its lock",
    killedBy: "a lock is given back, also by a write that loses",
    tried: {
      DiskStore: class extends DiskStore {
        override write(...[key, bytes, options]: Parameters<DiskStore["write"]>) {
          return super.write(key, bytes, options).catch(async (error: unknown) => {
            await symlink(tempName(), lockPath(join(this.root, key)));
            throw error;
          });
        }
      },
    },
  },
];

describe("laws of transfers and updates", () => {
  test.each(Object.entries(laws))("%s", (_name, law) => law(real));
});

describe("bugs planted in transfers and updates", () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('"%s" is found', async (_name, mutant) => {
    const law = laws[mutant.killedBy];
    if (law === undefined) throw new Error(`no law is called "${mutant.killedBy}"`);
    await expect(law({ ...real, ...mutant.tried })).rejects.toThrow();
  });

  test("each law finds one", () => {
    const used = new Set(mutants.map(({ killedBy }) => killedBy));
    expect(Object.keys(laws).filter((name) => !used.has(name))).toEqual([]);
  });
});
