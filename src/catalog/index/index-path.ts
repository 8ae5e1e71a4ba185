/** Paths of beamtime files, as the index writes them down: from its own folder, so that both can move together. */
import { realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { StorageError } from "../../core/errors.ts";
import { parsePostgresUrl, publicLocation, schemeOf } from "../location.ts";

/** Paths of one index. */
export class IndexPaths {
  /** Folder of the index; `undefined` for an index that is on no disk. */
  readonly #folder: string | undefined;

  /** @param location - Path of the index file, or the URL of its database. */
  constructor(location: string) {
    this.#folder = schemeOf(location) !== undefined || location === ":memory:" ? undefined : dirname(resolve(location));
  }

  /**
   * What stands for a beamtime file in the index: the path from the folder of the index, with `/` in it. On another drive
   * it is the whole path; so it is for an index that is in a server. A database of a server is its URL without password,
   * and with its schema.
   *
   * Two spellings of one path, also through symbolic links, give the same text. The file need not exist.
   *
   * @throws A {@link StorageError} `INVALID_KEY` if it is empty, has a NUL in it, or is a URL that is none.
   */
  async toStored(path: string): Promise<string> {
    if (path.trim() === "" || path.includes("\0")) {
      throw new StorageError("INVALID_KEY", "The path of a beamtime database is empty, or has a NUL in it", {
        identifier: path,
      });
    }
    if (schemeOf(path) !== undefined) return publicUrl(path);
    const file = await realPath(resolve(path));
    if (this.#folder === undefined) return file;
    const stored = relative(await realPath(this.#folder), file);
    return isAbsolute(stored) ? stored : stored.split(sep).join("/");
  }

  /** Where the file is now. */
  async toLocation(stored: string): Promise<string> {
    if (schemeOf(stored) !== undefined || isAbsolute(stored)) return stored;
    if (this.#folder === undefined) return resolve(stored);
    // From where the folder really is: `..` of a link is not what it was written for.
    return join(await realPath(this.#folder), ...stored.split("/"));
  }
}

function publicUrl(location: string): string {
  const shown = publicLocation(location);
  if (!URL.canParse(shown)) {
    throw new StorageError("INVALID_KEY", `"${shown}" is not the URL of a database`, { identifier: shown });
  }
  const url = new URL(shown);
  // Other URLs are folders, of researchers: nothing is known of what stands behind their "?".
  if (url.protocol !== "postgres:") return shown;
  url.searchParams.set("schema", parsePostgresUrl(shown).schema);
  url.searchParams.sort();
  return url.href;
}

/** The path without symbolic links, as far as it exists and may be looked at. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    // Not there, below a file, longer than a path can be, closed to us: the file itself need not exist.
    const parent = dirname(path);
    return parent === path ? path : join(await realPath(parent), basename(path));
  }
}
