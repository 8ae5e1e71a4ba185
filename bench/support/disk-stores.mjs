// Ways to keep values as files, with one face: put, get, list, delete. What each promises stands beside it.
import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FileStorage } from "@flystorage/file-storage";
import { LocalStorageAdapter } from "@flystorage/local-fs";
import { createStorage } from "unstorage";
import fsDriver from "unstorage/drivers/fs";
import { DiskStore } from "../../dist/backends/disk/store.js";

/** A store of ours. Atomic always; survives a power cut by its durability. */
export const sluice = (durability) => (root) => {
  const store = new DiskStore({ root, durability });
  return {
    put: (key, bytes) => store.write(key, bytes),
    get: (key) => store.read(key),
    list: async () => {
      let count = 0;
      for await (const _ of store.list()) count++;
      return count;
    },
    delete: (key) => store.delete(key),
  };
};

/** What a careful program does by hand: a temporary file, a rename. Atomic; `full` also syncs the file and its folder. */
export const byHand = (durability) => (root) => {
  let made = 0;
  const syncFolder = async (path) => {
    const folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    await folder.sync();
    await folder.close();
  };
  return {
    ...plain(root),
    put: async (key, bytes) => {
      const path = join(root, key);
      const temporary = `${path}.${process.pid}.${made++}`;
      const file = await openMaking(temporary);
      await file.write(bytes);
      if (durability !== "none") await file.sync();
      await file.close();
      await rename(temporary, path);
      if (durability === "full") await syncFolder(path);
    },
    delete: async (key) => {
      await unlink(join(root, key));
      if (durability === "full") await syncFolder(join(root, key));
    },
  };
};

/** In place by `writeFile`: a reader sees half a value, a crash leaves one. The limit, not a peer. */
export const plain = (root) => ({
  put: async (key, bytes) => {
    const path = join(root, key);
    try {
      await writeFile(path, bytes);
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    }
  },
  get: (key) => readFile(join(root, key)),
  list: async () => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length;
  },
  delete: (key) => unlink(join(root, key)),
});

/** Writes in place; a crash leaves half a value. */
export const unstorage = (root) => {
  const storage = createStorage({ driver: fsDriver({ base: root, noClear: true }) });
  return {
    put: (key, bytes) => storage.setItemRaw(key, bytes),
    get: (key) => storage.getItemRaw(key),
    list: async () => (await storage.getKeys()).length,
    delete: (key) => storage.removeItem(key),
  };
};

/** Writes in place by a stream; a crash or an abort leaves half a value. */
export const flystorage = (root) => {
  const storage = new FileStorage(new LocalStorageAdapter(root));
  return {
    // Of a plain Uint8Array it would write the numbers one by one.
    put: (key, bytes) => storage.write(key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
    get: (key) => storage.readToUint8Array(key),
    list: async () => {
      let count = 0;
      for await (const entry of storage.list("", { deep: true })) if (entry.isFile) count++;
      return count;
    },
    delete: (key) => storage.deleteFile(key),
  };
};

async function openMaking(path) {
  try {
    return await open(path, "wx");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true });
    return open(path, "wx");
  }
}
