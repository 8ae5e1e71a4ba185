/** What the checks of value backends are given, and the values they use. */
import type { Capabilities } from "../core/capabilities.ts";
import type { DType } from "../core/dtype.ts";
import { arraysEqual, isNdArray, type NdArray, ndArray, zeros } from "../core/nd-array.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { ConformanceError, check } from "./assertions.ts";

/**
 * A way to the stored values that goes past the backend: files read with the platform's own functions, the vendor's
 * client, the tree itself. Reads are prepared and writes are verified through it.
 */
export interface ValueSideDoor {
  /** Puts a value there, and the directories that it needs. */
  put(path: string, value: unknown): Promise<void>;
  /** The value that is there; `undefined` if none is. */
  get(path: string): Promise<unknown>;
}

/** A fresh backend to be checked. */
export interface BackendSubject {
  /** Empty. One that only reads is cast: what it does not declare is not called. */
  readonly backend: StorageBackend;
  readonly side: ValueSideDoor;
  /** Frees what was made for it; the kit has closed the backend before. */
  readonly dispose?: (() => Promise<void>) | undefined;
}

/** How the kit gets its backends. */
export interface BackendSetup {
  /** Makes a fresh, empty backend with the overwrite policy `"error"`; called once for each check. */
  readonly make: () => Promise<BackendSubject>;
  /** What the backends declare. They must declare the same when they are made. */
  readonly capabilities: Capabilities;
  /**
   * The backends save and have no operation beside: no `delete`, `copy`, `move`, `ensureDirectory`. So do virtual ones.
   * Default `false`.
   */
  readonly savesOnly?: boolean | undefined;
}

/** A small image whose values depend on `seed`: shape `[2, 3]`, uint16. */
export function sample(seed = 1): NdArray {
  return ndArray(
    Uint16Array.from([0, 1, 2, 3, 4, 5], (value) => value * 100 + seed),
    [2, 3],
  );
}

/** An array of a dtype whose every byte differs from its neighbours: shape `[2, 2]`. */
export function patterned(dtype: DType): NdArray {
  const array = zeros([2, 2], dtype);
  const bytes = new Uint8Array(array.data.buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === "bool" ? i % 2 : (i * 97 + 31) % 251;
  return array;
}

/** Throws unless the value is an array equal in dtype, shape and every element. */
export function checkArray(value: unknown, expected: NdArray, what: string): void {
  check(isNdArray(value), `${what}: expected a ${expected.dtype} array, got ${value === null ? "null" : typeof value}`);
  if (arraysEqual(value, expected)) return;
  const show = (array: NdArray) =>
    `${array.dtype} [${array.shape}] ${Array.from<number | bigint>(array.data).slice(0, 8).join(" ")}`;
  throw new ConformanceError(`${what}: expected ${show(expected)}, got ${show(value)}`);
}
