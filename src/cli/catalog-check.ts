/** Whether the catalogue of a session can be opened. Heavy: opens databases. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { Catalog, openDatabase } from "../catalog/index.ts";
import { isStorageError, type StorageError, toStorageError } from "../core/errors.ts";
import { isUrl, locationOf } from "../session/catalog-location.ts";
import type { Session } from "../session/session.ts";

/** What {@link checkCatalog} found. */
export interface CatalogCheck {
  readonly location: string;
  /** `new`: there is none yet, and one can be made. */
  readonly state: "ready" | "new" | "unusable";
  /** Why it is unusable. */
  readonly error?: ReturnType<StorageError["toJSON"]>;
}

/** Looks at the catalogue that a session file names, and changes nothing; `undefined` if it names none. */
export async function checkCatalog({ config, baseDirectory }: Session): Promise<CatalogCheck | undefined> {
  if (config.catalog === undefined) return undefined;
  const location = locationOf(config.catalog.path, baseDirectory);
  try {
    // Without a library there is neither a file to look at nor one to make.
    if (!isUrl(location)) await (await openDatabase(":memory:")).close();
    await (await Catalog.open(location)).close();
    if (!isUrl(location)) await access(location, constants.W_OK);
    return { location, state: "ready" };
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return { location, state: "new" };
    return { location, state: "unusable", error: toStorageError(error, {}).toJSON() };
  }
}
