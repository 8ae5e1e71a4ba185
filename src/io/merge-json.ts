/** Merges something into a JSON document that others change at the same time. */
import type { BackendBase } from "../core/backend.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import { type JsonUpdate, updateJson } from "./update-json.ts";

/**
 * What happens where a document and what is merged into it both have a value.
 *
 * - `"replace"`: the new one.
 * - `"keep"`: the old one.
 * - `"deep"`: objects are merged key by key, however deep; anything else is replaced.
 * - `"append"`: lists one behind the other.
 * - `"union"`: lists one behind the other, without items of the new one that are there already.
 * - `"equal"`: both must be equal, else `CONFLICT`.
 */
export type MergePolicy = "replace" | "keep" | "deep" | "append" | "union" | "equal";

/**
 * Policies by path: keys from the outermost in, joined by `/`; `*` stands for any one key, and `~1` for a `/` in a key
 * (`~0` for a `~`). The most exact path counts. A place without a policy of its own is `"deep"` below a `"deep"` one,
 * and otherwise `"replace"`.
 */
export type MergePolicies = Readonly<Record<string, MergePolicy>>;

/** Options of {@link mergeJson}. */
export interface MergeJsonOptions extends OperationOptions {
  /** Default: none, so that values of the outermost object are replaced key by key. */
  readonly policies?: MergePolicies | undefined;
}

/**
 * Merges an object into a JSON document in one step, as `updateJson` changes one: of what several processes merge at
 * the same time, nothing is lost. Where nothing is stored yet, the object becomes the document.
 *
 * The outermost objects are always merged key by key; `policies` says what happens below. A document that is no JSON,
 * or no object, is an error and stays as it is.
 *
 * @throws A {@link StorageError}: `CONFLICT` by policy `"equal"`; `INVALID_DATA` for a document that is no object, for
 * lists that are none, and for wrong policies; otherwise as `updateJson`.
 * @example
 * ```ts
 * import { mergeJson } from "sluice";
 * import { getBackend } from "sluice/registry";
 * const disk = await getBackend("disk");
 * await mergeJson(disk, "/tmp/sluice-plate.json", { available_backends: { zarr: true } }, {
 *   policies: { available_backends: "deep" },
 * });
 * ```
 * @see PolyStore `metadata_writer.py`, `merge_subdirectory_metadata`
 */
export async function mergeJson<T extends object = Record<string, unknown>>(
  target: ByteStore | BackendBase,
  key: string,
  part: object,
  options: MergeJsonOptions = {},
): Promise<JsonUpdate<T>> {
  const { policies, signal } = options;
  const change = (document: unknown) =>
    mergeDocuments(document, part, policies, { backend: target.name, identifier: key });
  return (await updateJson(target, key, change, { default: {}, signal })) as JsonUpdate<T>;
}

/**
 * The merge of two plain objects, as {@link mergeJson} makes it. Shares parts with both; changes neither.
 *
 * @throws A {@link StorageError}: `CONFLICT` or `INVALID_DATA`.
 */
export function mergeDocuments(
  document: unknown,
  part: unknown,
  policies: MergePolicies = {},
  where: { readonly backend?: string; readonly identifier?: string } = {},
): Record<string, unknown> {
  const context = { ...where, operation: "mergeJson" };
  const fail = (code: "INVALID_DATA" | "CONFLICT", message: string): never => {
    throw new StorageError(code, `${where.identifier ?? "The document"}: ${message}`, context);
  };
  const known: readonly string[] = ["replace", "keep", "deep", "append", "union", "equal"];
  const rules = Object.entries(policies).map(([path, policy]) => {
    if (!known.includes(policy)) fail("INVALID_DATA", `"${policy}" is no policy; there are: ${known.join(", ")}`);
    return { keys: path.split("/").map(unescapeKey), isAny: path.split("/").map((key) => key === "*"), policy };
  });

  const policyAt = (path: readonly string[], inherited: MergePolicy): MergePolicy => {
    let best: { exactness: string; policy: MergePolicy } | undefined;
    for (const { keys, isAny, policy } of rules) {
      if (keys.length !== path.length || !keys.every((key, i) => isAny[i] || key === path[i])) continue;
      // Exact keys further out weigh more.
      const exactness = isAny.map((any) => (any ? "0" : "1")).join("");
      if (best === undefined || exactness > best.exactness) best = { exactness, policy };
    }
    return best?.policy ?? inherited;
  };

  const mergeObjects = (
    old: Record<string, unknown>,
    next: Record<string, unknown>,
    path: readonly string[],
    inherited: MergePolicy,
  ) => {
    const merged = new Map(Object.entries(old));
    for (const [key, value] of Object.entries(next)) {
      const here = [...path, key];
      merged.set(key, merged.has(key) ? mergeValues(merged.get(key), value, here, policyAt(here, inherited)) : value);
    }
    // Not by assignment: a key may be __proto__.
    return Object.fromEntries(merged);
  };

  const mergeValues = (old: unknown, next: unknown, path: readonly string[], policy: MergePolicy): unknown => {
    const place = path.join("/");
    if (policy === "keep") return old;
    if (policy === "equal") {
      return isEqual(old, next) ? old : fail("CONFLICT", `"${place}" has another value already, and must keep it`);
    }
    if (policy === "append" || policy === "union") {
      if (!Array.isArray(old) || !Array.isArray(next)) {
        return fail(
          "INVALID_DATA",
          `"${place}" is no list in ${Array.isArray(old) ? "what is merged" : "the document"}`,
        );
      }
      const added = policy === "append" ? next : next.filter((item) => !old.some((other) => isEqual(other, item)));
      return [...old, ...added];
    }
    // A path below may have a policy of its own, so objects are walked wherever one leads further in.
    const leads = rules.some(
      ({ keys, isAny }) => keys.length > path.length && path.every((key, i) => isAny[i] || keys[i] === key),
    );
    const isWalked = policy === "deep" || leads;
    return isWalked && isObject(old) && isObject(next) ? mergeObjects(old, next, path, policy) : next;
  };

  if (!isObject(document)) return fail("INVALID_DATA", "the document is no object, so nothing can be merged into it");
  if (!isObject(part)) return fail("INVALID_DATA", "what is merged is a plain object");
  return mergeObjects(document, part, [], "replace");
}

function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Equality of JSON: the order of keys is none of it. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}

function unescapeKey(key: string): string {
  return key.replace(/~1/g, "/").replace(/~0/g, "~");
}
