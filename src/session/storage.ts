/** Where the runs of a session go, by its `storage` section. */
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  AutoIncrementFilenameProvider,
  SessionPathProvider,
  StaticFilenameProvider,
  StaticPathProvider,
  UUIDFilenameProvider,
} from "../acquire/index.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import type { FilenameProvider, PathProvider } from "../core/frame-writer.ts";
import type { StorageConfig } from "./schema.ts";

/** A folder that belongs to one run. */
export interface RunFolder {
  /** Path of the folder. It exists and was made for this run. */
  readonly path: string;
  /** The same as a URI, for writers. */
  readonly uri: string;
  /** The same, relative to {@link StorageLocation.basePath}, with slashes, for writers with a store of their own. */
  readonly relativePath: string;
}

/** Where runs go. */
export interface StorageLocation {
  /** Folder that all runs are below. Made by the first run. */
  readonly basePath: string;
  /** Names the runs. */
  readonly pathProvider: PathProvider;
  /**
   * Makes the folder of the next run.
   *
   * @param plan - Name of the plan.
   * @throws A {@link StorageError} `ALREADY_EXISTS`: the static provider gives every run the same folder.
   */
  reserve(plan: string, options?: OperationOptions): Promise<RunFolder>;
}

/**
 * Reads a `storage` section. Touches nothing.
 *
 * @param baseDirectory - Folder of the session file; a relative `basePath` begins there.
 */
export function locateStorage(config: StorageConfig, session: string, baseDirectory: string): StorageLocation {
  const home = join(homedir(), "sluice-storage");
  const given = config.basePath?.replace(/^~(?=\/|$)/, homedir());
  if (config.filenameProvider === "session") {
    const basePath = given === undefined ? home : resolve(baseDirectory, given);
    const pathProvider = new SessionPathProvider({ baseDir: basePath, session });
    const reserve: StorageLocation["reserve"] = async (plan, options) => {
      const { storeUri } = await pathProvider(plan, options); // which has made it
      return runFolder(basePath, fileURLToPath(storeUri), storeUri);
    };
    return { basePath, pathProvider, reserve };
  }
  const basePath = given === undefined ? join(home, session) : resolve(baseDirectory, given);
  const names = filenameProvider(config);
  const pathProvider = new StaticPathProvider(names, `file://localhost${pathToFileURL(basePath).pathname}`);
  const reserve: StorageLocation["reserve"] = async () => {
    for (;;) {
      const { storeUri } = await pathProvider();
      const path = fileURLToPath(storeUri);
      if (await makeFolder(path)) return runFolder(basePath, path, storeUri);
      // A number that an earlier session used: take the next. A fixed name has no next.
      if (config.filenameProvider === "auto_increment") continue;
      throw new StorageError(
        "ALREADY_EXISTS",
        `The run folder ${path} exists; the static provider needs a new filename`,
        {
          operation: "reserve",
          identifier: path,
        },
      );
    }
  };
  return { basePath, pathProvider, reserve };
}

function runFolder(basePath: string, path: string, uri: string): RunFolder {
  return { path, uri, relativePath: relative(basePath, path).split(sep).join("/") };
}

function filenameProvider({ filenameProvider, filename }: StorageConfig): FilenameProvider {
  if (filenameProvider === "uuid") return new UUIDFilenameProvider();
  if (filenameProvider === "static") return new StaticFilenameProvider(filename as string);
  return new AutoIncrementFilenameProvider({ base: filename });
}

/** Makes one folder, and those above it; false if it is there already. */
async function makeFolder(path: string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
