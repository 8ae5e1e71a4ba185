import { describe, test } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

byteStoreConformance({ describe, test }, "MemoryStore", {
  capabilities: new MemoryStore().capabilities,
  make: freshMemory,
});

for (const durability of ["full", "none"] as const) {
  byteStoreConformance({ describe, test }, `DiskStore, durability ${durability}`, {
    capabilities: new DiskStore().capabilities,
    make: () => freshDisk({ durability }),
  });
}
