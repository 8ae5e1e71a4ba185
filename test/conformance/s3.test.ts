import { describe, test } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { joinBytes } from "../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { backendConformance } from "../../src/testing/backend-kit.ts";
import type { ValueSideDoor } from "../../src/testing/backend-subject.ts";
import { byteStoreConformance } from "../../src/testing/byte-store-kit.ts";

import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";
import { folderOf } from "../support/s3-subjects.ts";

const capabilities: StoreCapabilities = {
  write: true,
  list: true,
  ifAbsent: "native",
  ifMatch: "native",
  contentEtags: true,
  ranges: "native",
  streamingWrite: "native",
  positionalWrite: false,
  directories: false,
  symlinks: false,
  rename: "emulated",
  persistent: true,
  durable: true,
};

describe.skipIf(!hasS3)("a real S3 service", { timeout: 60_000 }, () => {
  const service = useBucket();

  for (const tree of ["flat", "checked"] as const) {
    const declared = tree === "flat" ? { ...capabilities, flatKeys: true } : capabilities;
    // Three attempts: the gateway answers 500 when a value is read in the moment of its replacement.
    byteStoreConformance({ describe, test }, `S3Store, keys ${tree}`, {
      capabilities: declared,
      make: () => folderOf(service.bucket, service.endpoint, { maxAttempts: 3, tree }),
    });

    const files = new FileBackend(new MemoryStore({ flatKeys: tree === "flat" }), { key: "s3" });
    backendConformance({ describe, test }, `s3, keys ${tree}`, {
      capabilities: { ...files.capabilities, persistent: true },
      make: () => backendIn(tree),
    });
  }

  const codecs = createCodecs();

  async function backendIn(tree: "flat" | "checked") {
    const { store, side: bytes } = await folderOf(service.bucket, service.endpoint, { tree });
    const side: ValueSideDoor = {
      put: async (path, value) => {
        const parts = await codecs.forValue(value, path, undefined).encode(value, { identifier: path, options: {} });
        await bytes.put(path, joinBytes(parts));
      },
      get: async (path) => {
        const found = await bytes.get(path);
        if (found === undefined) return undefined;
        return codecs.forIdentifier(path).decode(new Uint8Array(found), { identifier: path, options: {} });
      },
    };
    return { backend: new FileBackend(store, { key: "s3" }), side };
  }
});
