/** Opens a {@link ZarrWriter} over the store that its options name, or over that of each acquisition's URI. */
import { fileURLToPath } from "node:url";
import type { ByteStore } from "../../src/core/byte-store.ts";
import type { OpenContext } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../src/core/key.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import type { ZarrOptions } from "./options.ts";
import { type OpenStoreAt, ZarrWriter } from "./writer.ts";

/**
 * @throws A {@link StorageError} `CONFIG_INVALID` for a `uri` or a `root` beside `store`; or what opening the store throws.
 */
export async function openZarrWriter(options: ZarrOptions, context: OpenContext): Promise<ZarrWriter> {
  const { instance } = context;
  const { store: reference, path = "", root, ...rest } = options;
  if (root !== undefined || (reference !== undefined && rest.uri !== undefined)) {
    const message = `${instance}: a writer goes to a uri or to a store (with a path in it), and takes no root`;
    throw new StorageError("CONFIG_INVALID", message, {
      backend: instance,
      operation: "openWriter",
      identifier: "store",
    });
  }
  if (reference === undefined) {
    const openStore = storeOpener(context.store, options.durability);
    return new ZarrWriter(instance, openStore, rest, async (store) => context.release?.(store));
  }
  const store = await context.store(reference);
  const uriFor = (folder: string) => store.uri(joinKey(normalizeKey(path), normalizeKey(folder)));
  // Without a path provider, acquisitions go into the store's own folder.
  const located = rest.pathProvider === undefined ? { ...rest, uri: uriFor("") } : rest;
  return new ZarrWriter(
    instance,
    async (uri) => placeIn(store, uri),
    located,
    async () => {},
    uriFor,
  );
}

/** The part of a store that is behind one of its URIs. */
function placeIn(store: ByteStore, uri: string): ByteStore {
  const root = store.uri("").replace(/\/*$/, "/");
  if (uri.startsWith(root)) {
    const key = normalizeKey(uri.slice(root.length).split("/").map(decodeURIComponent).join("/"));
    return key === "" ? store : new PrefixStore(store, key);
  }
  const message = `${uri} is not in the store of this writer, which is ${root}`;
  throw new StorageError("INVALID_KEY", message, { backend: store.name, operation: "kickoff", identifier: uri });
}

/** Opens the store of a URI: on disk with the durability asked for, elsewhere as the context does. */
function storeOpener(
  store: (reference: string | { readonly use: string }) => Promise<ByteStore>,
  durability: ZarrOptions["durability"],
): OpenStoreAt {
  return (uri) => {
    if (durability === undefined || !uri.startsWith("file:")) return store(uri);
    const url = new URL(uri);
    // `localhost` is this machine; on POSIX, fileURLToPath takes no host at all.
    url.hostname = "";
    return store({ use: "disk", root: fileURLToPath(url), durability } as { use: string });
  };
}
