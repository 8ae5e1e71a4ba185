import { describe, test } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

byteStoreConformance({ describe, test }, "MemoryStore", {
  capabilities: new MemoryStore().capabilities,
  make: () => freshMemory(),
});

byteStoreConformance({ describe, test }, "MemoryStore with flat keys", {
  capabilities: new MemoryStore({ flatKeys: true }).capabilities,
  make: () => freshMemory({ flatKeys: true }),
});

for (const durability of ["full", "none"] as const) {
  byteStoreConformance({ describe, test }, `DiskStore, durability ${durability}`, {
    capabilities: new DiskStore({ durability }).capabilities,
    make: () => freshDisk({ durability }),
  });
}
