/** Workspaces as the conformance kit wants them: the side door changes the mapping file behind their back. */
import { MemoryBackend } from "../../../backends/memory/backend.ts";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { workspaceCapabilities } from "../../../backends/virtual/capabilities.ts";
import { openWorkspace, type VirtualWorkspace, type WorkspaceEntry } from "../../../backends/virtual/index.ts";
import type { StorageBackend } from "../../../src/core/storage-backend.ts";
import type { BackendSetup, BackendSubject, ValueSideDoor } from "../../../src/testing/backend-subject.ts";

/** A fresh workspace, the memory backend `m` that it is over, and the store that has its mapping, `map.json`. */
export async function freshWorkspace(writes: boolean) {
  const memory = new MemoryBackend({ instance: "m" });
  const store = new MemoryStore();
  const mapping: Record<string, WorkspaceEntry> = {};
  const writeMapping = () =>
    store.write("map.json", new TextEncoder().encode(JSON.stringify({ version: 1, entries: mapping })));
  await writeMapping();
  const workspace = await openWorkspace({
    mapping: { store, key: "map.json" },
    backends: new Map([["m", memory]]),
    ...(writes ? { writeTo: { backend: "m", folder: "saved" } } : {}),
  });
  return { workspace, memory, store, mapping, writeMapping };
}

function sideDoor({ memory, store, mapping, writeMapping }: Awaited<ReturnType<typeof freshWorkspace>>): ValueSideDoor {
  let count = 0;
  return {
    put: async (path, value) => {
      const address = `raw/${count++}.npy`;
      await memory.save(value, address, { createParents: true });
      // What was saved through the workspace is in the file by now.
      const { entries } = JSON.parse(new TextDecoder().decode(await store.read("map.json")));
      Object.assign(mapping, entries, { [path]: { backend: "m", address } });
      await writeMapping();
    },
    get: async (path) => {
      const { entries } = JSON.parse(new TextDecoder().decode(await store.read("map.json")));
      return entries[path] && memory.load(entries[path].address);
    },
  };
}

async function subject(writes: boolean): Promise<BackendSubject & { readonly workspace: VirtualWorkspace }> {
  const fresh = await freshWorkspace(writes);
  return {
    // What it does not have is not called.
    backend: fresh.workspace as unknown as StorageBackend,
    workspace: fresh.workspace,
    side: sideDoor(fresh),
  };
}

/** Workspaces that only read. */
export const reading: BackendSetup = {
  capabilities: { ...workspaceCapabilities, write: false },
  make: () => subject(false),
};

/** Workspaces that save into the backend that they are over. */
export const writing: BackendSetup = {
  capabilities: workspaceCapabilities,
  savesOnly: true,
  make: () => subject(true),
};
