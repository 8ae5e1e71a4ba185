/** A store some of whose methods are others. */
import type { ByteStore } from "../../src/core/byte-store.ts";

/** The store with other methods in place of some; the rest see the store itself, since private fields are not inherited. */
export function replaceMethods(store: ByteStore, methods: Partial<ByteStore>): ByteStore {
  return new Proxy(store, {
    get(target, name) {
      if (name in methods) return Reflect.get(methods, name, methods);
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
