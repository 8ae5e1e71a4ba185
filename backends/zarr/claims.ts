/**
 * Places that are being written or removed. A claim is a `zarr.json` that says so: our own reader sees nothing there,
 * others see an empty group. Made by a conditional write, it is had by one of many, and whoever has it may change
 * everything below without a reader seeing half of it.
 */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError, throwFailures } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { changeDocument } from "./documents.ts";
import { encodeMetadata, isRecord } from "./metadata.ts";
import { CLAIM_FIELD, findNode, nodeOfV3, readDocument } from "./nodes.ts";

/** Keys that go into one `deleteMany`, the limit of S3. */
const DELETE_PAGE = 1000;

/**
 * How long a claim keeps others out who may replace what is there. Its owner renews it while it writes, and stops when it
 * finds it taken: a process that was paused for longer does not write over what came after it. Clocks of machines that
 * share a store may differ by less than this.
 */
const LEASE_MS = 60_000;
const RENEWED_AFTER_MS = 10_000;

/** One claim that was made. */
export interface Claim {
  readonly path: string;
  readonly id: string;
  /** What was there before, and is no longer to be seen. */
  readonly replaced: "array" | "claim" | undefined;
}

/** A new name that nobody else makes. */
export function newId(): string {
  return globalThis.crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

/**
 * Claims a place.
 *
 * @param mayReplace - An array, or a claim that somebody has left, is taken over; its chunks stay until
 * {@link clearBelow}. Otherwise `ALREADY_EXISTS`.
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `IS_A_DIRECTORY` for a group, or `CONFLICT` for a claim that is young.
 */
export async function claim(
  store: ByteStore,
  path: string,
  mayReplace: boolean,
  options: OperationOptions,
): Promise<Claim> {
  const id = newId();
  const context = { backend: store.name, operation: "save", identifier: path };
  const check = (kind: "array" | "group" | "claim", sinceMs = 0) => {
    if (mayReplace && Date.now() - sinceMs < LEASE_MS) {
      const message = `"${path}" in "${store.name}" is being saved by somebody, or was when the process was killed; try again in a minute`;
      throw new StorageError("CONFLICT", message, { ...context, retryable: true });
    }
    if (kind === "group") throw new StorageError("IS_A_DIRECTORY", `"${path}" in "${store.name}" is a group`, context);
    if (mayReplace) return;
    const what = kind === "array" ? "exists" : "is being saved by somebody, or was when the process was killed,";
    const message = `"${path}" ${what} in "${store.name}"; pass ifExists: "replace" or choose another key`;
    throw new StorageError("ALREADY_EXISTS", message, context);
  };
  let replaced: Claim["replaced"];
  const there = await findNode(store, path, options);
  if (there !== undefined && there.kind !== "claim" && there.format === 2) {
    check(there.kind);
    replaced = "array";
  }
  await changeDocument(store, joinKey(path, "zarr.json"), options, (document) => {
    if (document !== undefined) {
      const node = nodeOfV3(document, path);
      check(node.kind, node.kind === "claim" ? node.sinceMs : 0);
      replaced = node.kind === "group" ? undefined : node.kind;
    }
    const claimed = { id, sinceMs: Date.now(), must_understand: false };
    return { zarr_format: 3, node_type: "group", attributes: {}, [CLAIM_FIELD]: claimed };
  });
  return { path, id, replaced };
}

/**
 * Keeps a claim while its owner writes.
 *
 * @returns Called before each write; does something only when the claim is old enough to be renewed. Rejects with
 * `CONFLICT` if somebody else has it.
 */
export function keepClaim(store: ByteStore, { path, id }: Claim, options: OperationOptions): () => Promise<void> {
  let renewedMs = Date.now();
  let renewing: Promise<void> | undefined;
  const renew = async () => {
    const sinceMs = Date.now();
    await changeDocument(store, joinKey(path, "zarr.json"), options, (document) => {
      const { [CLAIM_FIELD]: claimed } = document ?? {};
      if (isRecord(claimed) && claimed.id === id) return { ...document, [CLAIM_FIELD]: { ...claimed, sinceMs } };
      throw taken(store, path);
    });
    renewedMs = sinceMs;
  };
  return async () => {
    if (Date.now() - renewedMs < RENEWED_AFTER_MS) return;
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    await renewing;
  };
}

/** True if a claim is still had by whoever made it. */
async function hasClaim(store: ByteStore, { path, id }: Claim): Promise<boolean> {
  const document = await readDocument(store, joinKey(path, "zarr.json"), {});
  const { [CLAIM_FIELD]: claimed } = document ?? {};
  return isRecord(claimed) && claimed.id === id;
}

/** Puts metadata in place of a claim: from here on the array can be seen. */
export async function publish(
  store: ByteStore,
  place: Claim,
  documents: ReadonlyMap<string, object>,
  options: OperationOptions,
): Promise<void> {
  const { path, id } = place;
  if (!(await hasClaim(store, place))) throw taken(store, path);
  const key = joinKey(path, "zarr.json");
  for (const [name, document] of documents) {
    if (name !== "zarr.json") await store.write(joinKey(path, name), encodeMetadata(document), options);
  }
  const final = documents.get("zarr.json");
  if (final === undefined) return dropClaim(store, path, options);
  await changeDocument(store, key, options, (document) => {
    const { [CLAIM_FIELD]: claimed } = document ?? {};
    if (isRecord(claimed) && claimed.id === id) return final;
    throw taken(store, path);
  });
}

function taken(store: ByteStore, path: string): StorageError {
  const message = `"${path}" in "${store.name}" was taken by somebody else while it was saved`;
  return new StorageError("CONFLICT", message, { backend: store.name, operation: "save", identifier: path });
}

/** Removes the claim itself; what it hid, if anything is left, can be seen again. */
export async function dropClaim(store: ByteStore, path: string, options: OperationOptions): Promise<void> {
  await store.delete(joinKey(path, "zarr.json"), { signal: options.signal });
}

/** Removes everything below a node but its `zarr.json`. */
export async function clearBelow(store: ByteStore, path: string, options: OperationOptions): Promise<void> {
  const kept = joinKey(path, "zarr.json");
  await deleteKeys(store, path, options, (key) => key !== kept);
}

/** Removes what was written behind a claim; never aborted, and nothing where somebody else has come meanwhile. */
export async function abandon(store: ByteStore, place: Claim): Promise<void> {
  if (!(await hasClaim(store, place))) return;
  await clearBelow(store, place.path, {});
  await dropClaim(store, place.path, {});
}

/** Removes an array: it is gone at once, and its chunks after it. */
export async function removeArray(store: ByteStore, path: string, options: OperationOptions): Promise<void> {
  await claim(store, path, true, options);
  await clearBelow(store, path, options);
  await dropClaim(store, path, options);
}

/** Removes the values below a path that are wanted, in pages. */
export async function deleteKeys(
  store: ByteStore,
  path: string,
  options: OperationOptions,
  isWanted: (key: string) => boolean,
): Promise<void> {
  let page: string[] = [];
  const flush = async () => {
    const results = page.length === 0 ? [] : await store.deleteMany(page, { signal: options.signal });
    throwFailures(
      results.flatMap(({ error }) => (error === undefined || isStorageError(error, "NOT_FOUND") ? [] : error)),
      `Some of ${page.length} keys below "${path}" could not be removed`,
    );
    page = [];
  };
  const prefix = path === "" ? "" : `${path}/`;
  for await (const { key, kind } of store.list({ prefix, signal: options.signal })) {
    if (kind === "directory" || !isWanted(key)) continue;
    page.push(key);
    if (page.length === DELETE_PAGE) await flush();
  }
  await flush();
}
