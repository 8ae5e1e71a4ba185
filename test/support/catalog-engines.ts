/** The engines of the catalogue, for suites that must hold on each of them. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { openZarr } from "../../backends/zarr/index.ts";
import type { ZarrArray } from "../../backends/zarr/reader-types.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { openDatabase } from "../../src/catalog/database.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import type { RunWriterOptions } from "../../src/catalog/run-writer-types.ts";
import type { SampleMetadata } from "../../src/catalog/sample.ts";
import type { InstanceConfig } from "../../src/core/descriptor.ts";
import { hasPostgres, type PostgresServer, startPostgres } from "./postgres-server.ts";

/** One engine. */
export interface CatalogEngine {
  readonly name: "sqlite" | "postgres";
  /** Gets ready what the suite needs; called inside of `describe`. */
  prepare(): void;
  /** Where a database may be made that is not there yet; it is gone after the test. */
  newBeamtime(): Promise<string>;
  /** Where an index may be made: a file in the folder, or a database that goes with its server. */
  newIndex(folder: string): string;
  /** Rows, by a connection of its own. */
  rowsOf<Row = Record<string, unknown>>(location: string, sql: string): Promise<Row[]>;
  /** The folder of the Zarr store with the images, which need not be there; its parent goes with the test. */
  storeOf(location: string): string;
  /** What a catalogue is told of that store; nothing if it finds it. */
  imagesOption(location: string): InstanceConfig | undefined;
  /** An array of the store where {@link CatalogEngine.writer} puts images. */
  arrayOf(location: string, key: string): Promise<ZarrArray>;
  /** A writer that has a place for images. */
  writer(location: string, sample: SampleMetadata, options?: RunWriterOptions): RunWriter;
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-catalog-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function rowsOf<Row>(location: string, sql: string): Promise<Row[]> {
  await using database = await openDatabase(location, { readOnly: true });
  return await database.all<Row>(sql);
}

async function arrayIn(root: string, key: string): Promise<ZarrArray> {
  return (await openZarr(await createRegistry().openStore("disk", { root }), key)) as ZarrArray;
}

const storeBesideFile = (path: string) => path.replace(/\.db$/, ".zarr");

const sqlite: CatalogEngine = {
  name: "sqlite",
  prepare: () => {},
  newBeamtime: async () => join(await temporary(), "bt.db"),
  newIndex: (folder) => join(folder, "index.db"),
  rowsOf,
  storeOf: storeBesideFile,
  imagesOption: () => undefined,
  arrayOf: (path, key) => arrayIn(storeBesideFile(path), key),
  writer: (path, sample, options) => new RunWriter(path, sample, options),
};

/** Stores for images, by location. */
const stores = new Map<string, string>();
const storeFor = (location: string) => stores.get(location) as string;
let server: PostgresServer | undefined;

const postgres: CatalogEngine = {
  name: "postgres",
  prepare: () => {
    beforeAll(async () => {
      server = await startPostgres();
    }, 60_000);
    afterAll(() => server?.stop());
  },
  newBeamtime: async () => {
    const location = newSchema(server?.url ?? "");
    stores.set(location, join(await temporary(), "images.zarr"));
    onTestFinished(() => dropSchema(location));
    return location;
  },
  newIndex: () => newSchema(server?.url ?? ""),
  rowsOf,
  storeOf: storeFor,
  imagesOption: (location) => ({ use: "zarr", root: storeFor(location) }),
  arrayOf: (location, key) => arrayIn(storeFor(location), key),
  writer: (location, sample, options) =>
    new RunWriter(location, sample, { images: { use: "zarr", root: storeFor(location) }, ...options }),
};

/** The engines that can be tested here: in CI both. */
export const catalogEngines: readonly CatalogEngine[] = hasPostgres ? [sqlite, postgres] : [sqlite];

/** A URL with a schema that nobody else has. */
export function newSchema(url: string): string {
  return `${url}?schema=test_${randomBytes(6).toString("hex")}`;
}

/** Removes a schema with all that is in it. */
export async function dropSchema(location: string): Promise<void> {
  const { searchParams } = new URL(location);
  await using database = await openDatabase(location);
  await database.transaction((transaction) => transaction.run(`DROP SCHEMA ${searchParams.get("schema")} CASCADE`));
}
