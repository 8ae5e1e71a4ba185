/** The real byte stores, fresh, each with a way past it. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { DiskStore, type DiskStoreOptions } from "../../backends/disk/store.ts";
import { ByteTree } from "../../backends/memory/byte-tree.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../backends/memory/store.ts";
import type { ByteStoreSubject, SideDoor } from "../../src/testing/byte-store-kit.ts";

/** A store in a new folder of its own, which the side door reads with `node:fs`. */
export async function freshDisk(
  options: DiskStoreOptions = {},
): Promise<ByteStoreSubject<DiskStore> & { root: string }> {
  const root = await mkdtemp(join(tmpdir(), "sluice-disk-"));
  return {
    root,
    store: new DiskStore({ root, ...options }),
    side: folderDoor(root),
    dispose: () => rm(root, { recursive: true, force: true }),
  };
}

/** A store whose tree the side door holds as well. */
export async function freshMemory(options: MemoryStoreOptions = {}): Promise<ByteStoreSubject<MemoryStore>> {
  const tree = new ByteTree();
  let puts = 0;
  const keysBelow = (directory: string): string[] =>
    tree.entries(directory).flatMap(({ name, value }) => {
      const key = directory === "" ? name : `${directory}/${name}`;
      return value === undefined ? keysBelow(key) : [key];
    });
  return {
    store: new MemoryStore(options, tree),
    side: {
      put: async (key, bytes) =>
        tree.set(key, { bytes: bytes.slice(), etag: `side-${++puts}`, modifiedMs: Date.now() }),
      get: async (key) => {
        const node = tree.get(key);
        return typeof node === "object" ? node.bytes.slice() : undefined;
      },
      keys: async () => keysBelow(""),
    },
  };
}

/** Files of a folder, hidden ones too; links count as what they are, not as what they lead to. */
export function folderDoor(root: string): SideDoor {
  return {
    put: async (key, bytes) => {
      await mkdir(dirname(join(root, key)), { recursive: true });
      await writeFile(join(root, key), bytes);
    },
    get: async (key) => {
      try {
        return new Uint8Array(await readFile(join(root, key)));
      } catch (error) {
        if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
        throw error;
      }
    },
    keys: () => filesBelow(root, root),
  };
}

async function filesBelow(root: string, directory: string): Promise<string[]> {
  const keys: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) keys.push(...(await filesBelow(root, path)));
    else keys.push(relative(root, path));
  }
  return keys;
}
