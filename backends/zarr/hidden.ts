/** Names of hidden directories: what is on its way to its place, or away from it. */
import { baseName, joinKey, parentKey } from "../../src/core/key.ts";
import { newId } from "./claims.ts";

/**
 * Why a directory is hidden: `new`, it is being made; `old`, it makes room for another and comes back if that fails;
 * `gone`, it was removed; `well`, a note beside a well of the images that it is to get.
 */
export type HiddenKind = "new" | "old" | "gone" | "well";

const HIDDEN = /^\.sluice-(new|old|gone|well)-[0-9a-f]{16}(?:\.(.+))?$/s;

/** Bytes that a name may have on every file system that we know. */
const MAX_NAME_BYTES = 255;

/** A new hidden name beside a path. It says which path that is, unless it would be too long. */
export function hiddenBeside(path: string, kind: HiddenKind): string {
  const short = `.sluice-${kind}-${newId()}`;
  const long = `${short}.${baseName(path)}`;
  const isShort = new TextEncoder().encode(long).byteLength <= MAX_NAME_BYTES;
  return joinKey(parentKey(path), isShort ? long : short);
}

/** What a hidden name says; `undefined` for other names. */
export function parseHidden(
  name: string,
): { readonly kind: HiddenKind; readonly name: string | undefined } | undefined {
  const match = HIDDEN.exec(name);
  return match === null ? undefined : { kind: match[1] as HiddenKind, name: match[2] };
}
