/** The real backends, each with a side door, as the conformance kit wants them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { memoryCapabilities } from "../../backends/memory/memory-capabilities.ts";
import { MemoryTree } from "../../backends/memory/memory-tree.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { joinBytes } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import type { BackendSetup, ValueSideDoor } from "../../src/testing/backend-subject.ts";
import { freshMemory } from "../support/byte-stores.ts";

const codecs = createCodecs();

async function encode(path: string, value: unknown): Promise<Uint8Array> {
  const context = { identifier: path, options: {} };
  return joinBytes(await codecs.forValue(value, path, undefined).encode(value, context));
}

async function decode(path: string, bytes: Uint8Array): Promise<unknown> {
  return codecs.forIdentifier(path).decode(bytes, { identifier: path, options: {} });
}

/** Values in a tree that the side door shares. */
export const memory: BackendSetup = {
  capabilities: memoryCapabilities,
  make: async () => {
    const tree = new MemoryTree();
    const other = new MemoryBackend({}, tree);
    const side: ValueSideDoor = {
      put: async (path, value) => void (await other.save(value, path, { createParents: true, ifExists: "replace" })),
      get: async (path) => {
        const entry = tree.entry(path);
        return entry?.kind === "file" ? structuredClone(entry.value) : undefined;
      },
    };
    return { backend: new MemoryBackend({}, tree), side };
  },
};

/** Files in a store in memory whose keys are flat, as a bucket's are; the side door shares its tree. */
export const flatFiles: BackendSetup = {
  capabilities: new FileBackend(new MemoryStore({ flatKeys: true }), { key: "flat" }).capabilities,
  make: async () => {
    const { store, side: bytes } = await freshMemory({ flatKeys: true });
    const side: ValueSideDoor = {
      put: async (path, value) => bytes.put(path, await encode(path, value)),
      get: async (path) => {
        const found = await bytes.get(path);
        return found === undefined ? undefined : decode(path, found);
      },
    };
    return { backend: new FileBackend(store, { key: "flat" }), side };
  },
};

/** Files in a temporary folder; the side door is `node:fs`. */
export const disk: BackendSetup = {
  capabilities: new FileBackend(new DiskStore({ root: tmpdir(), durability: "none" }), { key: "disk" }).capabilities,
  make: async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-backend-"));
    const side: ValueSideDoor = {
      put: async (path, value) => {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), await encode(path, value));
      },
      get: async (path) => {
        try {
          return await decode(path, new Uint8Array(await readFile(join(root, path))));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
          throw error;
        }
      },
    };
    const store = new DiskStore({ root, durability: "none" });
    return {
      backend: new FileBackend(store, { key: "disk" }),
      side,
      dispose: () => rm(root, { recursive: true, force: true }),
    };
  },
};

/** Bytes in memory, with implied directories; the side door is the store. */
export const memoryFiles: BackendSetup = {
  capabilities: new FileBackend(new MemoryStore(), { key: "memory" }).capabilities,
  make: async () => {
    const store = new MemoryStore();
    const side: ValueSideDoor = {
      put: async (path, value) => void (await store.write(path, await encode(path, value))),
      get: async (path) => {
        try {
          return await decode(path, await store.read(path));
        } catch (error) {
          if (isStorageError(error, "NOT_FOUND")) return undefined;
          throw error;
        }
      },
    };
    return { backend: new FileBackend(store, { key: "memory" }), side };
  },
};
