import { describe, test } from "vitest";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { type ByteStoreSubject, byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { diskCached, layered, media, overlayOver } from "../support/layered-stores.ts";

const layers = { ...layered, "cache on disk": diskCached, "overlay over the values": overlayOver };

for (const [medium, fresh] of Object.entries(media)) {
  for (const [name, wrap] of Object.entries(layers)) {
    const make = async (): Promise<ByteStoreSubject<ByteStore>> => wrap(await fresh());
    const sample = await make();
    const { capabilities } = sample.store;
    await sample.store.close();
    await sample.dispose?.();
    byteStoreConformance({ describe, test }, `${name}, over ${medium}`, { capabilities, make });
  }
}
