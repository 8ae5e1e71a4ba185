/** Puts a group with arrays somewhere, so that a reader sees nothing, or all of it. */
import { type ByteStore, isDirectoryStore, type OperationOptions } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey, parentKey } from "../../../src/core/key.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { claim, clearBelow, dropClaim, publish } from "../claims.ts";
import { type ArrayPlan, requireGroup } from "../create.ts";
import { hiddenBeside } from "../hidden.ts";
import { type Attributes, encodeMetadata, groupMetadata } from "../metadata.ts";
import { findNode } from "../nodes.ts";
import { moveNode, removeGroup, removeNode, saveArray } from "../place-array.ts";

/** A group, and how its arrays come to be. */
export interface GroupPlan {
  readonly zarrFormat: 2 | 3;
  readonly attributes: Attributes;
  /** Writes what is in the group, below `place`, which is not yet where it will be. */
  readonly fill: (place: string) => Promise<void>;
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
  const documents = groupDocuments(plan);
  if (isDirectoryStore(store) && path !== "") {
    const place = hiddenBeside(path, "new");
    try {
      await plan.fill(place);
      for (const [name, document] of documents) {
        await store.write(joinKey(place, name), encodeMetadata(document), { signal });
      }
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
    await plan.fill(path);
    await prepare();
    await publish(store, held, documents, { signal });
  } catch (error) {
    // Not aborted: this is what has to be done after an abort.
    await clearBelow(store, path, {}).then(
      () => dropClaim(store, path, {}),
      () => {},
    );
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

function groupDocuments({ zarrFormat, attributes }: GroupPlan): Map<string, object> {
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
