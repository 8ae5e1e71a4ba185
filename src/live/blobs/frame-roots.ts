/** Keeps readers to the places that they may read: references come from whoever can write into the engine. */
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackendSet } from "../../../registry/backend-set.ts";
import { findStore } from "../../../registry/find-store.ts";
import { isUri, resolveUri, splitUri } from "../../../registry/uri.ts";
import { StorageError } from "../../core/errors.ts";
import { isInside, joinKey, normalizeKey } from "../../core/key.ts";
import { fileName } from "../../io/stored-frames.ts";
import type { FrameReference } from "../encoding/frames.ts";

/** Options of what reads by reference. */
export interface FrameRootsOptions {
  /**
   * Reads nothing but what lies below these folders or URLs, links followed, and what is in a named backend of the set
   * that is no disk. Default: whatever a reference names, which is right for whoever may read the disk anyway. A server
   * that hands frames to others needs a limit: whoever can write into the engine chooses the references.
   */
  readonly roots?: readonly string[] | undefined;
}

/** The places that may be read. */
export class FrameRoots {
  readonly #backends: BackendSet;
  readonly #folders: string[] = [];
  readonly #urls: string[] = [];

  /**
   * @param roots - Folders, their `file:` URLs, and other URLs. Need not be there yet.
   * @throws A {@link StorageError} `CONFIG_INVALID` for a URL that is none.
   */
  constructor(backends: BackendSet, roots: readonly string[]) {
    this.#backends = backends;
    for (const root of roots) {
      const isFile = /^file:/i.test(root);
      if (isUri(root) && !isFile) this.#urls.push(root);
      else this.#folders.push(isFile ? String(resolveUri(backends.registry, root).options.root) : resolve(root));
    }
  }

  /**
   * Rejects with `PERMISSION_DENIED` unless all that the references lead to may be read. Does not tell whether there is
   * something.
   */
  async checkReferences(references: readonly FrameReference[]): Promise<void> {
    const checked = new Set<string>();
    for (const reference of references) {
      for (const below of pathsBelow(reference)) {
        const place = `${reference.uri}\n${below}`;
        // Neighbours are in one array.
        if (!checked.has(place)) await this.check(reference.uri, below);
        checked.add(place);
      }
    }
  }

  /** As {@link FrameRoots.checkReferences}, for one URI and a path below it. */
  async check(uri: string, below = ""): Promise<void> {
    if (await this.#mayRead(uri, below)) return;
    const message = `${uri} may not be read here: it lies in none of the folders that frames are read from. Those are named by roots, and by --frames-in of sluice live serve`;
    throw new StorageError("PERMISSION_DENIED", message, { operation: "read", identifier: uri });
  }

  async #mayRead(uri: string, below: string): Promise<boolean> {
    if (!isUri(uri)) return false;
    if (/^file:/i.test(uri)) {
      const path = await realPlace(pathOf(uri, below));
      if (path === undefined) return false;
      for (const folder of this.#folders) {
        if (isBelow(path, await realPlace(folder))) return true;
      }
      return false;
    }
    if (this.#urls.some((root) => isBelowUrl(uri, below, root))) return true;
    const named = await findStore(this.#backends, uri);
    // The store itself keeps keys below its root.
    return named !== undefined;
  }
}

/** All that may be read below the URI of a reference, whatever its type is. */
function pathsBelow({ kind, uri, path = "", mimetype, template, index }: FrameReference): string[] {
  if (kind !== "array") return [""];
  if (template === undefined || index === undefined) return [path];
  return [path, fileName({ uri, path, mimetype, parameters: { template } }, index)];
}

/** `undefined` for what is no path. */
function pathOf(uri: string, below: string): string | undefined {
  try {
    return join(fileURLToPath(uri), below);
  } catch {
    return undefined;
  }
}

/** The path without links, also of what is not there; `undefined` if nobody can say. */
async function realPlace(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await realpath(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") return undefined;
    const folder = dirname(path) === path ? undefined : await realPlace(dirname(path));
    return folder && join(folder, basename(path));
  }
}

function isBelow(path: string, folder: string | undefined): boolean {
  if (folder === undefined) return false;
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function isBelowUrl(uri: string, below: string, root: string): boolean {
  try {
    const [place, limit] = [splitUri(uri), splitUri(root)];
    const key = normalizeKey(joinKey(place.key, below));
    return place.store === limit.store && isInside(key, normalizeKey(limit.key));
  } catch {
    return false;
  }
}
