/** What commands use of a session file without opening the session. Heavy: reads YAML and checks it. */
import { dirname, parse, resolve } from "node:path";
import { loadPlugins } from "../../registry/plugins.ts";
import type { Registry } from "../../registry/registry.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { locationOf } from "../session/catalog-location.ts";
import { liveLocationOf } from "../session/live-location.ts";
import { configError } from "../session/mistakes.ts";
import { readConfig } from "../session/read-config.ts";
import { checkSession, type LiveConfig, type SessionConfig } from "../session/schema.ts";
import { locateStorage } from "../session/storage.ts";

/** Databases and live scans that a session file names: paths, absolute, or URLs. */
export interface SessionDatabases {
  /** The beamtime file. */
  readonly catalog?: string | undefined;
  /** The master index. */
  readonly index?: string | undefined;
  /** The live scans. */
  readonly live?: SessionLive | undefined;
  /** Folders that its frames are in: that of all runs, and those of named disks. Absolute paths. */
  readonly folders?: readonly string[] | undefined;
}

/** What a session file says of its live scans. */
export type SessionLive = Pick<LiveConfig, "location" | "prefix" | "retention">;

/** The parts of a session file that commands use. */
export interface SessionPlaces extends SessionDatabases {
  /** The named backends. */
  readonly backends: Readonly<Record<string, InstanceConfig>>;
}

/**
 * Reads a session file and registers its plug-ins.
 *
 * @param registry - Gets the plug-ins.
 * @throws A {@link StorageError}: `NOT_FOUND` or `CONFIG_INVALID`.
 */
export async function readSessionPlaces(file: string, registry: Registry): Promise<SessionPlaces> {
  const { config, mistakes } = checkSession(await readConfig(file));
  if (config === undefined) throw configError(file, mistakes);
  await loadPlugins(registry, config.plugins, { base: resolve(file), override: false });
  const { path, index } = config.catalog ?? {};
  const at = (location: string | undefined) => location && locationOf(location, dirname(resolve(file)));
  const live = config.live && {
    ...config.live,
    location: liveLocationOf(config.live.location, dirname(resolve(file))),
  };
  const folders = foldersOf(config, registry, dirname(resolve(file)));
  return { backends: config.backends, catalog: at(path), index: at(index), live, folders };
}

function foldersOf(config: SessionConfig, registry: Registry, baseDirectory: string): string[] {
  const { session, storage, backends } = config;
  const roots = Object.values(backends).flatMap(({ use, root }) => {
    const isDisk = registry.has(use) && registry.descriptor(use).key === "disk";
    return isDisk && typeof root === "string" ? [resolve(baseDirectory, root)] : [];
  });
  const runs = storage === undefined ? [] : [locateStorage(storage, session, baseDirectory).basePath];
  // A disk that is the whole machine says nothing of where frames are.
  return [...runs, ...roots].filter((folder) => folder !== parse(folder).root);
}
