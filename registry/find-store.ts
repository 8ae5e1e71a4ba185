/** Which named instance a URI lies in. */
import type { ByteStore } from "../src/core/byte-store.ts";
import type { BackendSet } from "./backend-set.ts";
import { isUri } from "./uri.ts";

/** A place in a named instance. */
export interface NamedPlace {
  /** Name of the instance. */
  readonly name: string;
  /** Key in it. */
  readonly key: string;
}

/**
 * The named instance whose store holds what a URI is the address of, so that it is read with the credentials and layers
 * of that instance. Opens the instances whose backend has the scheme of the URI. Of several, that with the longest
 * address.
 *
 * @returns `undefined` if none holds it.
 * @throws Why an instance that may hold it could not be opened, if no other holds it.
 */
export async function findStore(backends: BackendSet, uri: string): Promise<NamedPlace | undefined> {
  if (!isUri(uri)) return undefined;
  const scheme = uri.slice(0, uri.indexOf(":")).toLowerCase();
  const failures: unknown[] = [];
  let found: (NamedPlace & { readonly base: string }) | undefined;
  for (const name of backends.keys()) {
    const use = backends.useOf(name);
    if (use === undefined || !backends.registry.has(use)) continue;
    if (!backends.registry.descriptor(use).schemes.includes(scheme)) continue;
    let store: ByteStore;
    try {
      store = await backends.store(name);
    } catch (error) {
      failures.push(error);
      continue;
    }
    const base = store.uri("").replace(/\/*$/, "/");
    if (!uri.startsWith(base) || base.length < (found?.base.length ?? 0)) continue;
    found = { name, base, key: decodeURIComponent(uri.slice(base.length)).replace(/\/+$/, "") };
  }
  if (found === undefined && failures.length > 0) throw failures[0];
  return found && { name: found.name, key: found.key };
}
