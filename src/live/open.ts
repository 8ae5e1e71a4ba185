/** Opens live scans wherever they are kept. */
import { fileURLToPath } from "node:url";
import type { BackendSet } from "../../registry/backend-set.ts";
import { StorageError } from "../core/errors.ts";
import { frameReader } from "./blobs/frame-reader.ts";
import type { FrameRootsOptions } from "./blobs/frame-roots.ts";
import { DataStore, type DataStoreOptions } from "./data-store.ts";
import type { LiveEngine } from "./engine.ts";
import { type FileEngineOptions, openFileEngine } from "./engines/file/index.ts";
import { MemoryEngine } from "./engines/memory.ts";
import { MemoryLiveStore, type MemoryLiveStoreOptions } from "./engines/memory-store.ts";
import { openRedisEngine, type RedisEngineOptions } from "./engines/redis/index.ts";
import { storedFallback } from "./stored-fallback.ts";

/** Options of {@link openLive}. */
export interface OpenLiveOptions extends DataStoreOptions, FrameRootsOptions {
  /**
   * Through what frames by reference are read, and points that have left the engine, unless `readFrames` and `fallback`
   * say so themselves. It stays its owner's. Default: the default set of the registry.
   */
  readonly backends?: BackendSet | undefined;
  /** Options of the engine, if the location is a folder. */
  readonly file?: Omit<FileEngineOptions, "root"> | undefined;
  /** Options of the engine, if the location is `redis:` or `rediss:`. */
  readonly redis?: Omit<RedisEngineOptions, "url"> | undefined;
  /** Options of the engine, if the location is `memory:`. */
  readonly memory?: MemoryLiveStoreOptions | undefined;
}

/**
 * Opens a store of live scans.
 *
 * @param location - A folder or its `file://` URL: the engine of files, for the processes of this machine. `redis://…` or
 * `rediss://…`: a server, for many machines. `memory:`: a new store of this process alone.
 * @throws A {@link StorageError}: `CONFIG_INVALID` for another kind of location, and what the engine throws.
 *
 * @example
 * ```ts
 * import { openLive } from "sluice/live";
 * await using store = await openLive("/data/live");
 * ```
 */
export async function openLive(location: string, options: OpenLiveOptions = {}): Promise<DataStore> {
  const { file, redis, memory, backends, roots, ...others } = options;
  const { readFrames = frameReader(backends, { roots }), fallback = storedFallback(backends, { roots }) } = others;
  return new DataStore(await openEngine(location, { file, redis, memory }), { ...others, readFrames, fallback });
}

async function openEngine(
  location: string,
  { file, redis, memory }: Pick<OpenLiveOptions, "file" | "redis" | "memory">,
): Promise<LiveEngine> {
  if (location === "") {
    const message = "Say where live scans are kept: a folder, redis://host, or memory:";
    throw new StorageError("CONFIG_INVALID", message, { operation: "openLive" });
  }
  // Two letters at least: one and a colon is a drive.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return await openFileEngine({ ...file, root: location });
    case "file":
      return await openFileEngine({ ...file, root: fileURLToPath(location) });
    case "redis":
    case "rediss":
      return await openRedisEngine({ ...redis, url: location });
    case "memory":
      return new MemoryEngine(new MemoryLiveStore(memory));
    default: {
      const message = `Live scans cannot be kept at "${scheme}:…". Known: a folder, file://, redis://, rediss://, memory:`;
      throw new StorageError("CONFIG_INVALID", message, { operation: "openLive" });
    }
  }
}
