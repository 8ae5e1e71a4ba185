/** The live scans that commands read. Heavy: opens engines. */
import { StorageError } from "../core/errors.ts";
import type { DataStore } from "../live/data-store.ts";
import { frameReader, openLive, type Scan, sharedFrames } from "../live/index.ts";
import { withRedisPassword } from "../session/live-location.ts";
import { type LocationOptions, Locations } from "./location.ts";
import type { SessionLive } from "./session-places.ts";
import type { Terminal } from "./terminal.ts";

/** Options of commands that read live scans. */
export interface LiveOptions extends LocationOptions {
  /** Folder, URL, or the session file that names them. */
  readonly live?: string | undefined;
  /** Begins the keys in Redis. */
  readonly prefix?: string | undefined;
}

/** What a command does with the scans. */
export interface LiveUse {
  /** True: a store that is not there is made. */
  readonly creates?: boolean | undefined;
  /** True: frames are read once for all who follow them. */
  readonly sharesFrames?: boolean | undefined;
  /** Further folders that frames may be read from: nothing else is, but what the live scans and the session file name. */
  readonly framesIn?: readonly string[] | undefined;
}

/** Live scans, with the backends that their frames may lie in. */
export class OpenLive implements AsyncDisposable {
  readonly store: DataStore;
  readonly locations: Locations;
  /** The location, without what is secret in it. */
  readonly shown: string;
  /** What the session file lets leave. */
  readonly retention: SessionLive["retention"];

  private constructor(store: DataStore, locations: Locations, { location, retention }: SessionLive) {
    this.store = store;
    this.locations = locations;
    this.shown = location.replace(/\/\/[^/?#]*@/, "//***@");
    this.retention = retention;
  }

  /**
   * Opens the live scans of the options, through the backends of the session file if there is one.
   *
   * @throws A {@link StorageError}: `CONFIG_INVALID` if nothing says where they are; `UNSUPPORTED` for those in the
   * memory of a process; otherwise as `openLive`.
   */
  static async open(
    options: LiveOptions,
    terminal: Terminal,
    { creates = false, sharesFrames = false, framesIn }: LiveUse = {},
  ): Promise<OpenLive> {
    const { live: given, session } = options;
    const file = isSessionFile(given) ? given : session;
    const locations = await Locations.open({ ...options, session: file }, terminal);
    try {
      const ofSession = locations.databases.live;
      const live = given === undefined || isSessionFile(given) ? ofSession : { location: given };
      if (live === undefined) throw nowhere(file);
      const { location } = live;
      if (/^mem(ory)?:/i.test(location)) throw inMemory();
      if (!creates) await checkThere(location);
      const isFolder = !/^rediss?:/i.test(location);
      const roots = framesIn && [...(isFolder ? [location] : []), ...(locations.databases.folders ?? []), ...framesIn];
      const { backends } = locations;
      const store = await openLive(withRedisPassword(location), {
        redis: { prefix: options.prefix ?? live.prefix },
        ...{ backends, roots },
        ...(sharesFrames && { readFrames: sharedFrames(frameReader(backends, { roots })) }),
      });
      return new OpenLive(store, locations, live);
    } catch (error) {
      await locations[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * A scan by its key, by the beginning of its ULID, or as `last`: the newest.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`; `CONFLICT` if several begin so.
   */
  async scan(name: string, signal: AbortSignal): Promise<Scan> {
    const { store } = this;
    if (name === "last") return await store.loadScan((await store.lastScan({ signal })).key, { signal });
    const key = name.startsWith("esrf:scan:") ? name : `esrf:scan:${name.toUpperCase()}`;
    if (key.length === "esrf:scan:".length + 26) return await store.loadScan(key, { signal });
    const { keys } = await store.search({}, { signal });
    const found = keys.filter((each) => each.startsWith(key));
    const [only, other] = found;
    const context = { operation: "scan", identifier: name };
    if (only === undefined) throw new StorageError("NOT_FOUND", `No scan "${name}" in ${this.shown}`, context);
    if (other === undefined) return await store.loadScan(only, { signal });
    throw new StorageError("CONFLICT", `Several scans begin with "${name}", ${only} and ${other} among them`, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.store[Symbol.asyncDispose]();
    } finally {
      await this.locations[Symbol.asyncDispose]();
    }
  }
}

function isSessionFile(file: string | undefined): boolean {
  return file !== undefined && /\.(ya?ml|json)$/i.test(file);
}

/** A folder that is misspelt must not become a store that is empty. */
async function checkThere(location: string): Promise<void> {
  if (/^(?!file:)[a-z][a-z\d+.-]+:/i.test(location)) return;
  const { access } = await import("node:fs/promises");
  const { fileURLToPath } = await import("node:url");
  const folder = /^file:/i.test(location) ? fileURLToPath(location) : location;
  try {
    await access(folder);
  } catch (cause) {
    const context = { operation: "open", identifier: folder, cause };
    throw new StorageError("NOT_FOUND", `No live scans at "${folder}": there is no such folder`, context);
  }
}

function nowhere(file: string | undefined): StorageError {
  const message =
    file === undefined
      ? "Say which live scans: --live FOLDER, --live redis://host, or --live session.yaml for those of a session"
      : `The session file "${file}" names no live scans; --live FOLDER does`;
  return new StorageError("CONFIG_INVALID", message, { operation: "open", identifier: "live" });
}

function inMemory(): StorageError {
  const message =
    "Live scans in memory are those of one process, and no other reaches them; keep them in a folder or in redis, or let that process serve them with LiveBridge";
  return new StorageError("UNSUPPORTED", message, { operation: "open", identifier: "live" });
}
