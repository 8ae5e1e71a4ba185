/**
 * Providers that are made with `new` and then called: `provider(plan, { group })`, as the seed systems use theirs.
 *
 * In Python an object is called through `__call__`; in JavaScript only functions can be called. So the constructor
 * answers a function that has the prototype of the class: it can be called, `instanceof` holds, and fields, accessors
 * and private members of subclasses are its own. Plain functions would do for most users; classes give the providers
 * names, settings that can be changed, and something to extend.
 */
import type { FilenameProvider, PathProvider } from "../core/frame-writer.ts";

class Callable {
  constructor() {
    const instance = (...values: unknown[]): unknown => {
      return (instance as unknown as { provide(...values: unknown[]): unknown }).provide(...values);
    };
    // biome-ignore lint/correctness/noConstructorReturn: the whole point, see the module text.
    return Object.setPrototypeOf(instance, new.target.prototype) as Callable;
  }
}

// `call`, `apply` and `bind` stay where users of a function expect them.
Object.setPrototypeOf(Callable.prototype, Function.prototype);

/** Base of filename providers: a subclass has `provide(deviceName?)`, and its instances are called. */
export const CallableFilenameProvider = Callable as unknown as abstract new () => FilenameProvider;

/** Base of path providers: a subclass has `provide(key?, options?)`, and its instances are called. */
export const CallablePathProvider = Callable as unknown as abstract new () => PathProvider;
