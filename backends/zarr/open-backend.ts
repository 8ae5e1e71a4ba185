/** Opens a {@link ZarrBackend} over the store that its options name. */
import type { OpenContext } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ZarrBackend } from "./backend.ts";
import type { ZarrOptions } from "./options.ts";

/**
 * @throws A {@link StorageError} `CONFIG_INVALID` unless exactly one of `store`, `root` and `uri` is there; or what
 * opening the store throws.
 */
export async function openZarrBackend(options: ZarrOptions, context: OpenContext): Promise<ZarrBackend> {
  const { store, root, uri, path = "", durability, compressor, zarrFormat, ifExists } = options;
  const onDisk = root === undefined ? undefined : { use: "disk", root, ...(durability && { durability }) };
  const given = [store, onDisk, uri].filter((one) => one !== undefined);
  const [reference] = given;
  if (reference === undefined || given.length > 1) {
    const what = given.length === 0 ? "is missing" : "is said more than once";
    throw new StorageError(
      "CONFIG_INVALID",
      `${context.instance}: where the Zarr hierarchy is ${what}; pass one of store (an instance, a URL, { use: … }), ` +
        "root (a folder) and uri",
      { backend: context.instance, operation: "open", identifier: "store" },
    );
  }
  const whole = await context.store(reference);
  const prefix = normalizeKey(path);
  return new ZarrBackend(prefix === "" ? whole : new PrefixStore(whole, prefix), {
    instance: context.instance,
    ...(ifExists === undefined ? {} : { ifExists }),
    layout: { compressor, zarrFormat },
    release: async () => context.release?.(whole),
  });
}
