/** The database of an index, and the beamtime files that are open through it. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { runAll, StorageError } from "../../core/errors.ts";
import type { Catalog } from "../catalog.ts";
import { type CatalogDatabase, type CatalogTransaction, type OpenDatabaseOptions, openDatabase } from "../database.ts";
import { publicLocation } from "../location.ts";
import { migrate, readAsLatest } from "../migrations.ts";
import { Passwords } from "../passwords.ts";
import { BeamtimeRuns } from "./beamtime-runs.ts";
import { indexSchema } from "./index-schema.ts";
import type { IndexedBeamtime } from "./registry-table.ts";

/** Opens with the first use, and is shared by all that ask at the same time. */
export class IndexConnection {
  readonly #location: string;
  readonly #options: OpenDatabaseOptions;
  readonly #passwords = new Passwords();
  readonly #catalogs = new Map<string, Promise<Catalog>>();
  #database: Promise<CatalogDatabase> | undefined;
  #isClosed = false;

  /** Opens nothing yet. */
  constructor(location: string, options: OpenDatabaseOptions) {
    this.#location = location;
    this.#options = options;
  }

  /** Takes notice of where a beamtime is: the password of its URL is written nowhere, and good as long as this lives. */
  note(location: string): void {
    this.#passwords.note(location);
  }

  /**
   * The runs of a beamtime, for reading only. Close them.
   *
   * @throws A {@link StorageError} as {@link BeamtimeRuns.open}.
   */
  runsOf({ path, description }: IndexedBeamtime): Promise<BeamtimeRuns> {
    return BeamtimeRuns.open(path, description, this.#fileOptions(path));
  }

  /** The database, with its tables. A failure is forgotten, so that the next call tries again. */
  async open(): Promise<CatalogDatabase> {
    this.#checkOpen();
    this.#database ??= this.#openNew().catch((error: unknown) => {
      this.#database = undefined;
      throw error;
    });
    return this.#database;
  }

  /** Runs a transaction. */
  async write<T>(run: (transaction: CatalogTransaction) => Promise<T>, options: OperationOptions = {}): Promise<T> {
    const database = await this.open();
    return database.transaction(run, options);
  }

  /** The catalogue in a beamtime file. A failure is forgotten. */
  catalog(path: string): Promise<Catalog> {
    this.#checkOpen();
    const opened = this.#catalogs.get(path) ?? this.#openCatalog(path);
    this.#catalogs.set(path, opened);
    return opened;
  }

  /** Closes everything. Harmless when repeated. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opened: (Promise<AsyncDisposable> | undefined)[] = [...this.#catalogs.values(), this.#database];
    this.#catalogs.clear();
    this.#database = undefined;
    const close = async (opening: Promise<AsyncDisposable> | undefined) => {
      // What failed to open has told whoever opened it.
      const resource = await opening?.catch(() => undefined);
      await resource?.[Symbol.asyncDispose]();
    };
    await runAll(
      opened.map((opening) => () => close(opening)),
      `Closing "${publicLocation(this.#location)}"`,
    );
  }

  async #openNew(): Promise<CatalogDatabase> {
    const database = await openDatabase(this.#location, this.#options);
    try {
      if (database.readOnly) await readAsLatest(database, indexSchema);
      else await migrate(database, indexSchema);
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  async #openCatalog(path: string): Promise<Catalog> {
    try {
      const { Catalog } = await import("../catalog.ts");
      return await Catalog.open(path, this.#fileOptions(path));
    } catch (error) {
      this.#catalogs.delete(path);
      throw error;
    }
  }

  /** How the database of a beamtime is opened: as the index is, with what is known of the password. */
  #fileOptions(path: string): OpenDatabaseOptions {
    this.#passwords.note(this.#location);
    return { ...this.#options, readOnly: true, password: this.#options.password ?? this.#passwords.of(path) };
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    const location = publicLocation(this.#location);
    throw new StorageError("NOT_OPEN", `The index "${location}" is closed`, { identifier: location });
  }
}
