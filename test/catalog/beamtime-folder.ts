/** Folders for beamtime files of a test, and the side doors into them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openZarr } from "../../backends/zarr/index.ts";
import type { ZarrArray } from "../../backends/zarr/reader-types.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { openSqlite } from "../../src/sqlite/open.ts";

/** A new folder, removed after the test. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-catalog-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Path of a beamtime file that is not there yet, in a folder of its own. */
export async function newBeamtime(): Promise<string> {
  return join(await newFolder(), "bt.db");
}

/** Rows of a file, by a connection of its own. */
export async function rowsOf<Row = Record<string, unknown>>(path: string, sql: string): Promise<Row[]> {
  const driver = await openSqlite(path, { readOnly: true });
  try {
    return driver.all<Row>(sql);
  } finally {
    driver.close();
  }
}

/** An array of the Zarr store beside a beamtime file. */
export async function arrayBeside(path: string, key: string): Promise<ZarrArray> {
  const store = await createRegistry().openStore("disk", { root: path.replace(/\.db$/, ".zarr") });
  return (await openZarr(store, key)) as ZarrArray;
}
