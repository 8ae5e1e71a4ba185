/** Stores of web servers on loopback. */
import { HttpBase } from "../../backends/http/base.ts";
import { HttpClient } from "../../backends/http/client.ts";
import { HttpStore } from "../../backends/http/store.ts";
import type { ByteStoreSubject } from "../../src/testing/byte-store-kit.ts";
import { type Manners, type WebServer, webServer } from "./web-server.ts";

/** Options of {@link storeAt}. */
export interface StoreAtOptions {
  readonly index?: "none" | "html" | "json" | "auto";
  readonly ranges?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly redirects?: "same-origin" | "any";
}

/** A store below an address. */
export function storeAt(url: string, options: StoreAtOptions = {}): HttpStore {
  const { index = "none", ranges = true, headers = {}, redirects = "same-origin" } = options;
  const base = new HttpBase(url, "web");
  return new HttpStore({ name: "web", base, client: new HttpClient({ base, headers, redirects }), index, ranges });
}

/** A store of a new, empty server; the side door is the memory of the server. */
export async function freshHttp(
  manners: Manners = {},
  options: StoreAtOptions = {},
): Promise<ByteStoreSubject<HttpStore> & { server: WebServer }> {
  const server = await webServer(manners);
  return {
    server,
    store: storeAt(server.url, { index: manners.index ?? "none", ...options }),
    side: {
      put: async (key, bytes) => void server.values.set(key, bytes.slice()),
      get: async (key) => server.values.get(key)?.slice(),
      keys: async () => [...server.values.keys()],
    },
    dispose: server.close,
  };
}
