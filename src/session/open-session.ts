/** From a session file to a session: everything is checked, then opened, then handed to the devices. */
import "reflect-metadata";
import { dirname, resolve } from "node:path";
import { BackendSet, createRegistry, type Registry } from "../../registry/index.ts";
import { checkAborted } from "../core/checks.ts";
import { StorageError, toStorageError } from "../core/errors.ts";
import { FileManager } from "../io/file-manager.ts";
import { DeviceBuilder } from "./build-devices.ts";
import { type CheckedParts, checkParts, type Sections } from "./check-parts.ts";
import { childContainer } from "./container.ts";
import { configError } from "./mistakes.ts";
import { closeAll, type Opened } from "./opened.ts";
import { writersOf } from "./plans/gather.ts";
import { readConfig } from "./read-config.ts";
import { checkSession, type SessionConfig, type SessionInput } from "./schema.ts";
import { Session } from "./session.ts";
import type { SessionCatalog } from "./session-catalog.ts";
import type { SessionLive } from "./session-live.ts";
import { locateStorage } from "./storage.ts";
import { BACKENDS, CATALOG, FILES, LIVE, PATH_PROVIDER } from "./tokens.ts";

/** Options of {@link openSession}. */
export interface OpenSessionOptions {
  /** Backends to choose from. Default: the built-in ones. Not changed by the session's plugins. */
  readonly registry?: Registry | undefined;
  /** Folder that relative paths are relative to. Default: that of the session file, else the working directory. */
  readonly baseDirectory?: string | undefined;
  /**
   * Folder whose `node_modules` is looked through for packages that say they bring backends; all of those are imported.
   * Default: none. The caller alone can ask for it, no session file can.
   */
  readonly discover?: string | undefined;
  /** More values that constructors may ask for, by token. */
  readonly provide?: Iterable<readonly [token: unknown, value: unknown]> | undefined;
  /**
   * `false`: the session opens without its catalogue, for what records nothing. Default `true`.
   */
  readonly catalog?: boolean | undefined;
  /**
   * Told of what the catalogue could not take while a run goes on; the run goes on all the same. Told too if a catalogue
   * that is not essential cannot be opened. Default: a warning of the process.
   */
  readonly onCatalogError?: ((error: StorageError) => void) | undefined;
  /**
   * `false`: the session opens without live scans, for what runs nothing. Default `true`.
   */
  readonly live?: boolean | undefined;
  /**
   * Told of what could not be made live while a run goes on; the run goes on all the same. Told too if live scans that are
   * not essential cannot be opened. Default: a warning of the process.
   */
  readonly onLiveError?: ((error: StorageError) => void) | undefined;
  /** Gives up opening; what is open by then is closed again. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a session: reads and checks the file, opens backends and writers, and builds the devices in the order of the
 * file. Every resource is ready before a device is constructed.
 *
 * A device that declares nothing is made as `new Device(name, options)`. One that declares a list of tokens (a static
 * `inject`, or `@inject` on its constructor's parameters) gets those instead. Writers reach devices by the token
 * `WRITER` and by storage slots, one writer for each group; a group that nobody uses is not opened.
 *
 * A session file cannot run code that it does not name: only modules under `use` and `plugins` are loaded, unless the
 * caller asks to `discover` more. A discovered package that is broken fails no session but one that needs its key.
 *
 * @param source - Path of a YAML or JSON file, or the same as an object.
 * @returns The session; the caller closes it.
 * @throws A `StorageError`: `NOT_FOUND` (no file), `CONFIG_INVALID` with every mistake and its path, `ABORTED`, or
 * the code of the essential device, writer or backend that failed, with the original error as its cause. What was open
 * by then is closed, last first.
 * @example
 * ```ts
 * import { openSession } from "sluice/session";
 * await using session = await openSession("session.yaml");
 * const summary = await session.run();
 * ```
 * @see redsun 0.8, application container
 */
export async function openSession(source: string | SessionInput, options: OpenSessionOptions = {}): Promise<Session> {
  const where = typeof source === "string" ? source : "The session";
  const raw = typeof source === "string" ? await readConfig(source) : source;
  const fileFolder = typeof source === "string" ? dirname(resolve(source)) : process.cwd();
  const baseDirectory = resolve(options.baseDirectory ?? fileFolder);
  const { config, mistakes } = checkSession(raw);
  const registry = options.registry ?? createRegistry();
  const parts = await checkParts(sectionsOf(raw, config), registry, baseDirectory, options.discover);
  // What is wrong in form already is said once.
  const told = new Set(mistakes.map(({ path }) => path));
  const all = [...mistakes, ...parts.mistakes.filter(({ path }) => !told.has(path))];
  if (config === undefined || all.length > 0) throw configError(where, all);
  const opened: Opened[] = [];
  try {
    return await open(config, parts, baseDirectory, opened, options);
  } catch (error) {
    await closeAll(opened, error);
    throw error;
  }
}

async function open(
  config: SessionConfig,
  { registry, devices, discovery }: CheckedParts,
  baseDirectory: string,
  opened: Opened[],
  options: OpenSessionOptions,
): Promise<Session> {
  const { signal, provide = [] } = options;
  const context = { operation: "openSession", identifier: config.session };
  checkAborted(signal, context);
  const backends = new BackendSet(registry, config.backends, { baseDirectory });
  opened.push({ close: () => backends.close() });
  const files = new FileManager(backends);
  const located = config.storage && locateStorage(config.storage, config.session, baseDirectory);
  const catalog = options.catalog === false ? undefined : await openCatalog(config, backends, baseDirectory, options);
  if (catalog !== undefined) opened.push({ close: () => catalog.close() });
  const whole: { session?: Session } = {};
  const live = options.live === false ? undefined : await openLive(config, backends, baseDirectory, whole, options);
  if (live !== undefined) opened.push({ close: () => live.close() });
  const location = located && live ? live.following(located) : located;
  const container = childContainer([
    [BACKENDS, backends],
    [FILES, files],
    ...(location ? [[PATH_PROVIDER, location.pathProvider] as const] : []),
    ...(catalog ? [[CATALOG, catalog] as const] : []),
    ...(live ? [[LIVE, live.store] as const] : []),
    ...provide,
  ]);
  opened.push({ close: () => container.dispose() });
  const builder = new DeviceBuilder(config.storage, backends, container, opened, signal);
  for (const part of devices) {
    checkAborted(signal, context);
    await builder.add(part);
  }
  whole.session = new Session({
    ...{ config, baseDirectory, backends, files, catalog, live, container },
    ...{ location, builder, opened, discovery },
  });
  return whole.session;
}

async function openCatalog(
  { session, metadata, catalog }: SessionConfig,
  backends: BackendSet,
  baseDirectory: string,
  { onCatalogError: onError = warnOf }: OpenSessionOptions,
): Promise<SessionCatalog | undefined> {
  if (catalog === undefined) return undefined;
  try {
    const { SessionCatalog } = await import("./session-catalog.ts");
    return await SessionCatalog.open(catalog, { session, metadata, baseDirectory, backends, onError });
  } catch (error) {
    const { code, message } = toStorageError(error, {});
    const context = { operation: "openSession", identifier: "catalog", cause: error };
    const failure = new StorageError(code, `catalog: ${message}`, context);
    if (catalog.essential ?? true) throw failure;
    onError(failure);
    return undefined;
  }
}

async function openLive(
  { session, live }: SessionConfig,
  backends: BackendSet,
  baseDirectory: string,
  whole: { readonly session?: Session },
  { onLiveError: onError = warnOfLive }: OpenSessionOptions,
): Promise<SessionLive | undefined> {
  if (live === undefined) return undefined;
  const devices = () => whole.session?.devices ?? new Map<string, object>();
  const writers = () => (whole.session ? writersOf(whole.session) : []);
  try {
    const { SessionLive } = await import("./session-live.ts");
    return await SessionLive.open(live, { session, baseDirectory, backends, devices, writers, onError });
  } catch (error) {
    const { code, message } = toStorageError(error, {});
    const failure = new StorageError(code, `live: ${message}`, {
      operation: "openSession",
      identifier: "live",
      cause: error,
    });
    if (live.essential ?? true) throw failure;
    onError(failure);
    return undefined;
  }
}

function warnOfLive({ code, message }: StorageError): void {
  process.emitWarning(`The live scans of the session: ${code}: ${message}`, "SluiceLiveWarning");
}

function warnOf({ code, message }: StorageError): void {
  process.emitWarning(`The catalogue of the session: ${code}: ${message}`, "SluiceCatalogWarning");
}

/** The sections of a file that may be wrong elsewhere: entries of the wrong form are left to the schema's report. */
function sectionsOf(raw: unknown, config: SessionConfig | undefined): Sections {
  if (config) return { ...config, writers: config.storage?.writers };
  const file = isRecord(raw) ? raw : {};
  const storage = isRecord(file.storage) ? file.storage : {};
  return {
    plugins: Array.isArray(file.plugins) ? file.plugins.filter((plugin) => typeof plugin === "string") : [],
    backends: entriesWithUse(file.backends),
    writers: file.storage === undefined ? undefined : entriesWithUse(storage.writers ?? { default: { use: "zarr" } }),
    devices: entriesWithUse(file.devices),
  };
}

function entriesWithUse(section: unknown): Record<string, { use: string }> {
  const entries = Object.entries(isRecord(section) ? section : {});
  return Object.fromEntries(
    entries.filter(
      (entry): entry is [string, { use: string }] => isRecord(entry[1]) && typeof entry[1].use === "string",
    ),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
