/** Puts a group with arrays somewhere, so that a reader sees nothing, or all of it. */
import { type ByteStore, isDirectoryStore, type OperationOptions } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey, parentKey } from "../../../src/core/key.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { abandon, claim, clearBelow, keepClaim, publish } from "../claims.ts";
import { type ArrayPlan, requireGroup } from "../create.ts";
import { hiddenBeside } from "../hidden.ts";
import { type Attributes, encodeMetadata, groupMetadata } from "../metadata.ts";
import { findNode } from "../nodes.ts";
import { moveNode, removeGroup, removeNode, saveArray } from "../place-array.ts";

/** A group, and how its arrays come to be. */
export interface GroupPlan {
  readonly zarrFormat: 2 | 3;
  readonly attributes: Attributes;
  /**
   * Writes what is in the group, below `place`, which is not yet where it will be. Calls `keep` from time to time, which
   * rejects if somebody else has come there.
   */
  readonly fill: (place: string, keep: () => Promise<void>) => Promise<void>;
}

/**
 * Stores a group. Where the store has directories it is made in a hidden one and moved to its place in one step;
 * elsewhere its place is claimed, and its metadata comes last. After a failure nothing is left.
 *
 * @param options - `mayReplace`: what is there may be replaced. On a disk it is there until the new one is.
 * @throws A {@link StorageError} `ALREADY_EXISTS`, or what `fill` or the store throws.
 */
export async function placeGroup(
  store: ByteStore,
  path: string,
  plan: GroupPlan,
  options: OperationOptions & { readonly mayReplace: boolean },
): Promise<void> {
  const { mayReplace, signal } = options;
  const { zarrFormat } = plan;
  const there = await findNode(store, path, { signal });
  if (there !== undefined && !mayReplace) throw existsError(store, path);
  const prepare = async () => {
    if (path !== "") await requireGroup(store, parentKey(path), zarrFormat, { signal });
  };
  if (isDirectoryStore(store) && path !== "") {
    const place = hiddenBeside(path, "new");
    try {
      await plan.fill(place, async () => {});
      await writeGroupDocuments(store, place, plan, { signal });
      await moveNode(store, place, path, "group", { mayReplace, prepare, signal });
    } catch (error) {
      await store.removeDirectory(place, { recursive: true }).catch(() => {});
      throw error;
    }
    return;
  }
  if (there?.kind === "group") await removeGroup(store, path, { signal });
  else if (there?.kind === "array") await removeNode(store, path, true, { signal });
  const held = await claim(store, path, mayReplace, { signal });
  try {
    if (held.replaced !== undefined) await clearBelow(store, path, { signal });
    await plan.fill(path, keepClaim(store, held, { signal }));
    await prepare();
    await publish(store, held, groupDocuments(plan), { signal });
  } catch (error) {
    await abandon(store, held).catch(() => {});
    throw error;
  }
}

/** Stores one array of a group that is being made. */
export function saveInside(
  store: ByteStore,
  path: string,
  array: NdArray,
  plan: ArrayPlan,
  { signal }: OperationOptions,
): Promise<void> {
  return saveArray(store, path, array, plan, { mayReplace: false, prepare: async () => {}, signal });
}

/** Writes the metadata of a group that nobody can see yet. */
export async function writeGroupDocuments(
  store: ByteStore,
  path: string,
  group: Omit<GroupPlan, "fill">,
  { signal }: OperationOptions,
): Promise<void> {
  for (const [name, document] of groupDocuments(group)) {
    await store.write(joinKey(path, name), encodeMetadata(document), { signal });
  }
}

function groupDocuments({ zarrFormat, attributes }: Omit<GroupPlan, "fill">): Map<string, object> {
  if (zarrFormat === 3) return new Map([["zarr.json", groupMetadata(attributes)]]);
  return new Map<string, object>([
    [".zattrs", attributes],
    [".zgroup", { zarr_format: 2 }],
  ]);
}

function existsError(store: ByteStore, path: string): StorageError {
  const message = `"${path}" exists in "${store.name}"; pass ifExists: "replace" or choose another key`;
  return new StorageError("ALREADY_EXISTS", message, { backend: store.name, operation: "save", identifier: path });
}
