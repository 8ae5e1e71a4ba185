/** Says beside a well which images are coming, so that what a killed process left can be told from what is wanted. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { baseName, joinKey, parentKey } from "../../../src/core/key.ts";
import { changeAttributes } from "../attributes.ts";
import { hiddenBeside } from "../hidden.ts";
import { encodeMetadata, parseDocument } from "../metadata.ts";
import { findNode, METADATA_NAMES } from "../nodes.ts";
import { removeGroup } from "../place-array.ts";
import { fromAttributes, withContent } from "./attributes.ts";
import type { NgffPlate, NgffVersion, NgffWell } from "./model.ts";

/**
 * Notes images that will be written into a well.
 *
 * @returns Takes the note away: when the plate lists the well, or when nothing is left of the images.
 */
export async function noteImages(
  store: ByteStore,
  well: string,
  images: readonly string[],
  { signal }: OperationOptions,
): Promise<() => Promise<void>> {
  if (images.length === 0) return async () => {};
  const key = hiddenBeside(joinKey(well, "images"), "well");
  await store.write(key, encodeMetadata({ images }), { signal });
  // Not aborted: an abort has something to be cleared away.
  return () => store.delete(key);
}

/**
 * Removes what a killed process left in a well: images that the well, or the plate, does not list. Images that both list
 * are complete, and stay.
 *
 * @param note - Key of the note.
 */
export async function removeUnfinishedImages(
  store: ByteStore,
  note: string,
  { signal }: OperationOptions,
): Promise<void> {
  const well = parentKey(note);
  const row = parentKey(well);
  const { images } = parseDocument(await store.read(note, { signal }), note);
  const names = Array.isArray(images) ? images.filter((name) => typeof name === "string") : [];
  const plate = (await contentOf(store, parentKey(row), { signal }))?.plate as NgffPlate | undefined;
  const isListed = plate?.wells.some(({ path }) => path === `${baseName(row)}/${baseName(well)}`) === true;
  const there = (await contentOf(store, well, { signal }))?.well as NgffWell | undefined;
  const listed = there?.images ?? [];
  const left = names.filter((name) => !(isListed && listed.some(({ path }) => path === name)));
  const kept = listed.filter(({ path }) => !left.includes(path));
  if (there !== undefined && kept.length < listed.length && kept.length > 0) {
    const withoutThem = (before: Readonly<Record<string, unknown>>) => {
      const version: NgffVersion = fromAttributes(before)?.isBelowOme ? "0.5" : "0.4";
      return withContent(before, version, { well: { ...there, images: kept } });
    };
    await changeAttributes(store, well, withoutThem, { signal });
  }
  for (const name of left) {
    const key = joinKey(well, name);
    if ((await findNode(store, key, { signal }))?.kind === "group") await removeGroup(store, key, { signal });
  }
  await store.delete(note, { signal });
  if (kept.length > 0 || isListed) return;
  // Groups that were made for it, and hold nothing else.
  for (const group of [well, row]) {
    if (await holdsMore(store, group, { signal })) return;
    if ((await findNode(store, group, { signal }))?.kind === "group") await removeGroup(store, group, { signal });
  }
}

async function contentOf(store: ByteStore, path: string, options: OperationOptions) {
  const node = await findNode(store, path, options);
  return node?.kind === "group" ? fromAttributes(node.attributes)?.content : undefined;
}

/** True for a group with more in it than its own metadata. */
async function holdsMore(store: ByteStore, group: string, { signal }: OperationOptions): Promise<boolean> {
  for await (const { key, kind } of store.list({ prefix: `${group}/`, signal })) {
    if (kind !== "directory" && !(parentKey(key) === group && METADATA_NAMES.has(baseName(key)))) return true;
  }
  return false;
}
