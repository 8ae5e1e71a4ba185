/**
 * Finds calls that come from inside a writer's own hook. Such a call would wait for a queue that waits for the hook.
 *
 * A flag finds synchronous calls only; the store of an `AsyncLocalStorage` follows `await` too. It costs about 0.1 µs a
 * frame on Node 20, and refuses what would otherwise hang for ever.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** One call of a hook, and the one it was called from. */
export interface HookScope {
  readonly owner: object;
  readonly outer: HookScope | undefined;
  /** False once the hook has settled: a timer that it left behind may write again. */
  isActive: boolean;
}

const scopes = new AsyncLocalStorage<HookScope>();

/** A scope for one call of a hook of `owner`; whoever opens it sets `isActive` to false when the hook settles. */
export function hookScope(owner: object): HookScope {
  return { owner, outer: scopes.getStore(), isActive: true };
}

/** Calls a hook within its scope. */
export function runInScope<Arguments extends unknown[], R>(
  scope: HookScope,
  hook: (...values: Arguments) => R,
  ...values: Arguments
): R {
  return scopes.run(scope, hook, ...values);
}

/** Runs a hook that may wait, from start to end within a scope of its own. */
export async function runHook<R>(owner: object, hook: () => R | Promise<R>): Promise<R> {
  const scope = hookScope(owner);
  try {
    return await scopes.run(scope, hook);
  } finally {
    scope.isActive = false;
  }
}

/** True if this call comes, through any number of calls and awaits, from a hook of `owner` that has not settled. */
export function isInsideHook(owner: object): boolean {
  for (let scope = scopes.getStore(); scope !== undefined; scope = scope.outer) {
    if (scope.owner === owner && scope.isActive) return true;
  }
  return false;
}
