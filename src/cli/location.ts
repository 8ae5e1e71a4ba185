/** Addresses on the command line: which backend, and which path in it. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { registerDiscovered } from "../../registry/discover.ts";
import { isUri, resolveUri, splitUri } from "../../registry/uri.ts";
import type { ByteStore } from "../core/byte-store.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import { FileManager } from "../io/file-manager.ts";
import type { TransferEnd } from "../io/transfer.ts";
import type { SessionDatabases } from "./session-places.ts";
import type { Terminal } from "./terminal.ts";

/** Options of commands that take addresses. */
export interface LocationOptions {
  /** Session file whose backends can be named. */
  readonly session?: string | undefined;
  /** Folder whose installed packages may bring backends. */
  readonly discover?: string | undefined;
}

/** The backends that addresses can name. */
export class Locations implements AsyncDisposable {
  /** Operations on the backends. */
  readonly files: FileManager;
  /** The backends themselves. */
  readonly backends: BackendSet;
  /** Where the session file has its catalogue and its master index. */
  readonly databases: SessionDatabases;
  readonly #named: ReadonlySet<string>;
  readonly #ofUris = new Map<string, string>();

  private constructor(backends: BackendSet, named: Iterable<string>, databases: SessionDatabases = {}) {
    this.backends = backends;
    this.databases = databases;
    this.#named = new Set(named);
    this.files = new FileManager(backends);
  }

  /**
   * The backends of a session file, its plug-ins, and what is discovered.
   *
   * @param terminal - Is told of installed packages that are broken.
   * @throws A {@link StorageError}: `CONFIG_INVALID` or `NOT_FOUND` for the session file, `CONFIG_INVALID` for a
   * folder to discover in that is none.
   */
  static async open({ session: sessionFile, discover }: LocationOptions, terminal: Terminal): Promise<Locations> {
    const registry = createRegistry();
    const discovered = async () => {
      if (discover === undefined) return;
      const { problems } = await registerDiscovered(registry, discover, { override: false });
      for (const { message } of problems) terminal.say(message);
    };
    const builtin: Record<string, InstanceConfig> = { disk: { use: "disk" }, memory: { use: "memory" } };
    if (sessionFile === undefined) {
      await discovered();
      return new Locations(new BackendSet(registry, builtin), ["disk"]);
    }
    const { readSessionPlaces } = await import("./session-places.ts");
    const { backends: named, ...databases } = await readSessionPlaces(sessionFile, registry);
    await discovered(); // after the plug-ins: what a file names keeps its key
    const baseDirectory = dirname(resolve(sessionFile));
    const backends = new BackendSet(registry, { ...builtin, ...named }, { baseDirectory });
    return new Locations(backends, ["disk", ...Object.keys(named)], databases);
  }

  /**
   * The backend and path of an address: `NAME:path` for a backend of the session file, a URI (`file:///data`, `mem:a`,
   * `https://host/a`, `zip:a.zip!/b`), or a path on disk, also as `disk:path`.
   *
   * @throws A {@link StorageError}: `UNKNOWN_BACKEND` for a scheme that no backend has, `CONFIG_INVALID` for no URI.
   */
  find(address: string): TransferEnd {
    const colon = address.indexOf(":");
    const name = address.slice(0, Math.max(colon, 0));
    if (colon > 0 && this.#named.has(name)) return { backend: name, path: address.slice(colon + 1) };
    if (!isUri(address)) return { backend: "disk", path: address };
    const { key } = this.backends.registry.forScheme(name.toLowerCase());
    if (key === "disk") return { backend: key, path: diskPath(address) };
    const path = address.slice(colon + 1).replace(/^\/\/[^/]*/, "");
    if (this.backends.has(key)) return { backend: key, path: decodeURI(path) };
    const { store, key: inside } = splitUri(address);
    return { backend: this.#backendOf(store), path: inside };
  }

  /**
   * As {@link Locations.find}, for what a command is to leave behind.
   *
   * @throws A {@link StorageError}: `UNSUPPORTED` for a URL of a memory store, which is gone when the command ends.
   */
  findTarget(address: string): TransferEnd {
    const end = this.find(address);
    if (end.backend !== "memory" || this.#named.has("memory")) return end;
    const message = `"${address}" is in memory, and gone when this command ends; give a path, or the URL of a store that stays`;
    throw new StorageError("UNSUPPORTED", message, { identifier: address });
  }

  /** The byte store and key of an address; `undefined` where values have no bytes of their own. */
  async bytes({ backend: name, path }: TransferEnd): Promise<{ store: ByteStore; key: string } | undefined> {
    const backend = await this.files.backend(name);
    const { FileBackend } = await import("../codecs/file-backend.ts");
    if (!(backend instanceof FileBackend)) return undefined;
    const { store } = backend;
    return { store, key: store.resolve ? store.resolve(path) : normalizeKey(path) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.backends.close();
  }

  /** The name of the backend that holds everything at the store of a URI; made at the first address there. */
  #backendOf(uri: string): string {
    const known = this.#ofUris.get(uri);
    if (known !== undefined) return known;
    const { key, options, name: shown } = resolveUri(this.backends.registry, uri);
    // A name is no URI; what is left of one says enough in messages.
    const place = `${key}(${shown.slice(shown.indexOf(":") + 1).replace(/^\/\//, "")})`;
    const name = this.backends.has(place) ? `${place}#${this.#ofUris.size}` : place;
    this.backends.define(name, { use: key, ...options });
    this.#ofUris.set(uri, name);
    return name;
  }
}

function diskPath(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (cause) {
    throw new StorageError("INVALID_KEY", `"${uri}" is no path on this computer`, { identifier: uri, cause });
  }
}
