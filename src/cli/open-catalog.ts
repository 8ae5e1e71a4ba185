/** The catalogue and the master index that commands read. Heavy: opens databases. */
import { Catalog, type CatalogRun, type IndexedBeamtime, IndexWriter, type RunFilter } from "../catalog/index.ts";
import { publicLocation } from "../catalog/location.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { type LocationOptions, Locations } from "./location.ts";
import type { Terminal } from "./terminal.ts";

/** Options of commands that read a catalogue. */
export interface CatalogOptions extends LocationOptions {
  /** Beamtime file, or the session file that names it. */
  readonly catalog?: string | undefined;
}

/** Options of commands that use a master index. */
export interface IndexOptions extends LocationOptions {
  /** Index file, or the session file that names it. */
  readonly index?: string | undefined;
}

/** Options of commands that search. */
export interface FilterOptions {
  readonly plan?: readonly string[] | undefined;
  readonly status?: NonNullable<RunFilter["status"]> | undefined;
  readonly sample?: string | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly anyTag?: readonly string[] | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** An open catalogue, with the backends that its images may lie in. */
export class OpenCatalog implements AsyncDisposable {
  readonly catalog: Catalog;
  readonly locations: Locations;

  private constructor(catalog: Catalog, locations: Locations) {
    this.catalog = catalog;
    this.locations = locations;
  }

  /**
   * Opens the catalogue of the options for reading, through the backends of the session file if there is one.
   *
   * @throws A {@link StorageError}: `CONFIG_INVALID` if nothing says where it is; otherwise as `Catalog.open`.
   */
  static async open(options: CatalogOptions, terminal: Terminal): Promise<OpenCatalog> {
    const { catalog: given, session } = options;
    const file = isSessionFile(given) ? given : session;
    const locations = await Locations.open({ ...options, session: file }, terminal);
    try {
      const location = isSessionFile(given) ? locations.databases.catalog : (given ?? locations.databases.catalog);
      if (location === undefined) throw nowhere("catalogue", "catalog", "beamtime.db", file);
      return new OpenCatalog(await Catalog.open(location, { backends: locations.backends }), locations);
    } catch (error) {
      await locations[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * A run by its uid, by the beginning of one, or as `last`: the one that started last.
   *
   * @throws A {@link StorageError}: `NOT_FOUND`; `CONFLICT` if several begin so.
   */
  async run(uid: string, signal: AbortSignal): Promise<CatalogRun> {
    const { catalog } = this;
    const context = { operation: "get", identifier: uid };
    if (uid === "last") {
      const [newest] = await catalog.recent(1, { signal });
      if (newest !== undefined) return newest;
      throw new StorageError("NOT_FOUND", `No run in "${catalog.location}"`, context);
    }
    const uids = await catalog.complete(uid, { limit: 2, signal });
    if (uids.length <= 1 || uids.includes(uid))
      return catalog.get(uids.length === 1 ? (uids[0] as string) : uid, { signal });
    throw new StorageError("CONFLICT", `Several runs begin with "${uid}", ${uids.join(" and ")} among them`, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.catalog.close();
    } finally {
      await this.locations[Symbol.asyncDispose]();
    }
  }
}

/**
 * The master index of the options, for reading only unless told otherwise: asking for one that is not there makes none,
 * and who may not write to it may search it.
 *
 * @param use - `write` changes one that is there, `make` also makes it.
 * @throws A {@link StorageError}: `CONFIG_INVALID` if nothing says where it is; `NOT_FOUND`; otherwise as `Locations.open`.
 */
export async function openIndex(
  { index: given, session }: IndexOptions,
  terminal: Terminal,
  use: "read" | "write" | "make" = "read",
): Promise<IndexWriter> {
  const file = isSessionFile(given) ? given : session;
  await using locations = await Locations.open({ session: file }, terminal);
  const location = isSessionFile(given) ? locations.databases.index : (given ?? locations.databases.index);
  if (location === undefined) throw nowhere("master index", "index", "index.db", file);
  if (use === "write") await checkIndex(location);
  return new IndexWriter(location, { readOnly: use === "read" });
}

/** Throws if there is no index. One of an older version is brought up to date by whoever writes. */
async function checkIndex(location: string): Promise<void> {
  await using index = new IndexWriter(location, { readOnly: true });
  await index.ensureSchema().catch((error: unknown) => {
    if (!isStorageError(error, "UNSUPPORTED")) throw error;
  });
}

/**
 * The beamtime of an index that has a label, or a file.
 *
 * @throws A {@link StorageError}: `NOT_FOUND`; `CONFLICT` if several have the label.
 */
export async function beamtimeNamed(index: IndexWriter, name: string): Promise<IndexedBeamtime> {
  const found = await index.beamtimes(name);
  const [beamtime] = found;
  const context = { operation: "index", identifier: publicLocation(name) };
  if (beamtime === undefined) {
    throw new StorageError("NOT_FOUND", `The index has no beamtime "${publicLocation(name)}"`, context);
  }
  if (found.length === 1) return beamtime;
  const files = found.map(({ path }) => path).join(" and ");
  throw new StorageError(
    "CONFLICT",
    `Several beamtimes are called "${name}": say which by its file, ${files}`,
    context,
  );
}

/** The filter that options of a command make. */
export function filterOf(words: readonly string[], options: FilterOptions): RunFilter {
  const { plan, status, sample, tag, anyTag, from, to } = options;
  const tags = tag === undefined && anyTag === undefined ? undefined : { all: tag, any: anyTag };
  return { plan, status, sample, tags, from, to, text: words.length === 0 ? undefined : words.join(" ") };
}

function isSessionFile(file: string | undefined): boolean {
  return file !== undefined && /\.(ya?ml|json)$/i.test(file);
}

function nowhere(what: string, option: string, example: string, file: string | undefined): StorageError {
  const message =
    file === undefined
      ? `Say which ${what}: --${option} ${example}, or --${option} session.yaml for the one of a session`
      : `The session file "${file}" names no ${what}; --${option} ${example} does`;
  return new StorageError("CONFIG_INVALID", message, { operation: "open", identifier: option });
}
