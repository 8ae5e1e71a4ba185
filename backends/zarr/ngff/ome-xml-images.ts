/** The images that an OME-XML document describes. */
import { StorageError } from "../../../src/core/errors.ts";

/** Parts of XML that hold no elements, by how they begin and end. */
const opaque = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
  ["<!", ">"],
] as const;

/**
 * Counts the `Image` elements right below the root, which is all that a list of images must agree with.
 *
 * @param bytes - UTF-8, as OME-XML is.
 * @throws A {@link StorageError} `INVALID_DATA` for what is no OME-XML.
 */
export function countOmeImages(bytes: Uint8Array): number {
  const fail = (what: string) => new StorageError("INVALID_DATA", `The OME-XML ${what}`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new StorageError("INVALID_DATA", "The OME-XML is not UTF-8", { cause });
  }
  let depth = 0;
  let images = 0;
  let hasRoot = false;
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const [begin, end] = opaque.find(([mark]) => text.startsWith(mark, at)) ?? [undefined, ">"];
    const stop = begin === undefined ? endOfTag(text, at) : text.indexOf(end, at + begin.length);
    if (stop < 0) throw fail(`ends within ${text.slice(at, at + 20)}`);
    const from = at;
    at = stop + end.length;
    if (begin !== undefined) continue;
    if (text[from + 1] === "/") {
      depth--;
      continue;
    }
    const name = /^<(?:[^\s:/>]+:)?([^\s:/>]+)/.exec(text.slice(from, Math.min(stop + 1, from + 200)))?.[1];
    if (depth === 0) {
      if (name !== "OME" || hasRoot) throw fail(`has a root element ${String(name)}, and not one OME`);
      hasRoot = true;
    }
    if (depth === 1 && name === "Image") images++;
    if (text[stop - 1] !== "/") depth++;
  }
  if (!hasRoot || depth !== 0) throw fail("is no whole XML document");
  return images;
}

/** Where a tag ends: `>` may stand in the value of an attribute. */
function endOfTag(text: string, start: number): number {
  let at = start;
  for (;;) {
    const next = text.slice(at, at + 4096).search(/["'>]/);
    if (next < 0) {
      at += 4096;
      if (at >= text.length) return -1;
      continue;
    }
    at += next;
    if (text[at] === ">") return at;
    at = text.indexOf(text[at] as string, at + 1) + 1;
    if (at === 0) return -1;
  }
}
