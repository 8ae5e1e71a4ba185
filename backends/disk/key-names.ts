/** Which names a file may have: here, and on every system. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { StorageError } from "../../src/core/errors.ts";
import { unlessErrno } from "./errno.ts";

/** Whose rules paths follow. */
export type PathRules = "posix" | "win32";

/**
 * Which names a store writes. `system`: whatever this system takes. `portable`: only names that Windows, macOS and Linux
 * take, each for a file of its own.
 */
export type NamePolicy = "system" | "portable";

/** Names that Windows gives to devices, with or without an ending, and with spaces before it. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i;

/** The characters besides letters that mean something to Windows within a path. */
const MEANING: Readonly<Record<string, string>> = {
  "\\": "separates directories",
  ":": "names a drive or a second stream of a file",
};

/** What Windows takes for a pattern or for nothing. Control characters are what this is about. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: see above.
const REFUSED = /[\\:<>"|?*\u0001-\u001f]/;

/**
 * Why Windows would not keep a name as it is: it leads elsewhere, to a device, or becomes another name.
 *
 * @param name - One segment of a normalised key.
 * @returns The reason, to follow the name in a sentence; `undefined` for a name that every system keeps.
 */
export function whyNotPortable(name: string): string | undefined {
  const character = REFUSED.exec(name)?.[0];
  if (character !== undefined) {
    const meaning = MEANING[character] ?? "is in no name";
    return `has ${character < " " ? "a control character" : `"${character}"`}, which ${meaning} on Windows`;
  }
  if (DEVICE.test(name)) return "is the name of a device on Windows";
  if (/[. ]$/.test(name)) return `ends in a ${name.endsWith(".") ? "dot" : "space"}, which Windows drops`;
  return undefined;
}

/**
 * Refuses a key that has a name which is not portable.
 *
 * @param key - Normalised.
 * @throws A {@link StorageError} `INVALID_KEY` that says which name, why, and what would work.
 */
export function checkPortable(key: string, remedy: string): void {
  for (const name of key.split("/")) {
    const why = whyNotPortable(name);
    if (why === undefined) continue;
    const message = `In the key ${JSON.stringify(key)} the name ${JSON.stringify(name)} ${why}; ${remedy}`;
    throw new StorageError("INVALID_KEY", message, { identifier: key });
  }
}

/**
 * Refuses a key that differs from one that is there only by case, or by how accents are composed: Windows and macOS take
 * both for one file. Reads the directory where the new name would go.
 *
 * @param directory - Path that the key is relative to.
 */
export async function checkSpelling(directory: string, key: string): Promise<void> {
  let path = directory;
  for (const name of key.split("/")) {
    const entries = await unlessErrno(readdir(path), "ENOENT", "ENOTDIR");
    if (entries === undefined) return;
    if (!entries.includes(name)) {
      const folded = fold(name);
      const other = entries.find((entry) => fold(entry) === folded);
      if (other === undefined) return;
      const message =
        `In the key ${JSON.stringify(key)} the name ${JSON.stringify(name)} differs only in spelling from ` +
        `${JSON.stringify(other)}, which is there: Windows and macOS take both for one; write it in the same way`;
      throw new StorageError("INVALID_KEY", message, { identifier: key });
    }
    path = join(path, name);
  }
}

/** What file systems that ignore case compare, nearly: upper case first, since "ß" and "ẞ" meet only there. */
function fold(name: string): string {
  return name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}
