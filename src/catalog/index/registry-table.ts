/** Researchers and beamtimes of the master index. */
import { describe } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";
import type { CatalogTransaction } from "../database.ts";
import type { SqlSource, SqlValue } from "../dialect.ts";
import type { IndexPaths } from "./index-path.ts";
import { normalizeOrcid } from "./orcid.ts";

/** Somebody who has beamtimes. */
export interface IndexedResearcher {
  readonly id: number;
  readonly name: string;
  readonly email: string | undefined;
  /** Four groups of four, with a right check digit. */
  readonly orcid: string | undefined;
  readonly affiliation: string | undefined;
  /** Folder under which the data lies. */
  readonly rootPath: string;
}

/** A beamtime, with the file that has its runs. */
export interface IndexedBeamtime {
  readonly id: number;
  readonly researcherId: number;
  readonly label: string;
  /** Where the file should be now. */
  readonly path: string;
  /** Seconds since 1970. */
  readonly timeStart: number | undefined;
  /** Seconds since 1970; `undefined` while it goes on. */
  readonly timeStop: number | undefined;
  readonly description: string | undefined;
}

/** What else is known of a researcher. What is given replaces what is there; what is left out stays. */
export interface ResearcherDetails {
  readonly email?: string | null | undefined;
  /** In any spelling; see {@link normalizeOrcid}. */
  readonly orcid?: string | null | undefined;
  readonly affiliation?: string | null | undefined;
}

/** What else is known of a beamtime. What is given replaces what is there; what is left out stays. */
export interface BeamtimeDetails {
  /** Seconds since 1970. */
  readonly timeStart?: number | null | undefined;
  /** Its words find each of its runs, from the next {@link IndexWriter.reindex} on. */
  readonly description?: string | null | undefined;
}

/** Gets or makes a researcher, by name. */
export async function putResearcher(
  transaction: CatalogTransaction,
  name: string,
  rootPath: string,
  { email, orcid, affiliation }: ResearcherDetails,
): Promise<number> {
  const [row] = await transaction.all<{ id: number | string }>(
    `INSERT INTO researchers (name, root_path, email, orcid, affiliation) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET
       root_path = excluded.root_path, email = COALESCE(excluded.email, researchers.email),
       orcid = COALESCE(excluded.orcid, researchers.orcid),
       affiliation = COALESCE(excluded.affiliation, researchers.affiliation)
     RETURNING id`,
    [name, rootPath, email ?? null, orcid == null ? null : normalizeOrcid(orcid), affiliation ?? null],
  );
  return Number(row?.id);
}

/**
 * Gets or makes a beamtime, by the path of its file.
 *
 * @throws A {@link StorageError}: `NOT_FOUND` for an unknown researcher, `CONFLICT` if the file is another one's.
 */
export async function putBeamtime(
  transaction: CatalogTransaction,
  researcherId: number,
  label: string,
  dbPath: string,
  { timeStart, description }: BeamtimeDetails,
): Promise<number> {
  await needResearcher(transaction, researcherId);
  const [row] = await transaction.all<{ id: number | string; researcher_id: number | string }>(
    `INSERT INTO beamtimes (researcher_id, label, db_path, time_start, description) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (db_path) DO UPDATE SET
       label = excluded.label, time_start = COALESCE(excluded.time_start, beamtimes.time_start),
       description = COALESCE(excluded.description, beamtimes.description)
     RETURNING id, researcher_id`,
    [researcherId, label, dbPath, timeStart ?? null, description ?? null],
  );
  const owner = Number(row?.researcher_id);
  if (owner !== researcherId) {
    // Nothing of it is kept: the transaction ends with the error.
    const message = `"${dbPath}" is a beamtime of researcher ${owner}, and cannot be one of ${researcherId} as well`;
    throw new StorageError("CONFLICT", message, { operation: "registerBeamtime", identifier: dbPath });
  }
  return Number(row?.id);
}

/** Throws if there is no researcher of this number. */
export async function needResearcher(source: SqlSource, id: number): Promise<void> {
  checkNumber("researcher", id);
  const rows = await source.all("SELECT 1 FROM researchers WHERE id = ?", [id]);
  if (rows.length > 0) return;
  const message = `The index has no researcher ${id}; registerResearcher gives the number of one`;
  throw new StorageError("NOT_FOUND", message, { identifier: `researcher ${id}` });
}

/** All researchers, by name. */
export async function allResearchers(source: SqlSource, paths: IndexPaths): Promise<IndexedResearcher[]> {
  const rows = await source.all<Record<"id" | "name" | "email" | "orcid" | "affiliation" | "root_path", string | null>>(
    "SELECT id, name, email, orcid, affiliation, root_path FROM researchers ORDER BY name",
  );
  return Promise.all(
    rows.map(async (row) => ({
      id: Number(row.id),
      name: row.name as string,
      email: row.email ?? undefined,
      orcid: row.orcid ?? undefined,
      affiliation: row.affiliation ?? undefined,
      rootPath: await paths.toLocation(row.root_path as string),
    })),
  );
}

interface BeamtimeRow {
  id: number | string;
  researcher_id: number | string;
  label: string;
  db_path: string;
  time_start: number | null;
  time_stop: number | null;
  description: string | null;
}

/** Beamtimes in the order in which they were registered: the one with a number or of a file, those of a name or a file. */
export async function beamtimesWhere(
  source: SqlSource,
  paths: IndexPaths,
  where: { id?: number; path?: string; name?: string; runUid?: string } = {},
): Promise<IndexedBeamtime[]> {
  const { id, path, name, runUid } = where;
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  const add = (sql: string, ...values: (SqlValue | undefined)[]) => {
    const given = values.filter((value) => value !== undefined);
    if (given.length < values.length) return;
    conditions.push(sql);
    params.push(...given);
  };
  add("id = ?", id);
  if (name === undefined) add("db_path = ?", path);
  else add("(label = ? OR db_path = ?)", name, path);
  add("id = (SELECT beamtime_id FROM runs_index WHERE uid = ?)", runUid);
  const rows = await source.all<BeamtimeRow>(
    `SELECT id, researcher_id, label, db_path, time_start, time_stop, description FROM beamtimes
     ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""} ORDER BY id`,
    params,
  );
  return Promise.all(
    rows.map(async (row) => ({
      id: Number(row.id),
      researcherId: Number(row.researcher_id),
      label: row.label,
      path: await paths.toLocation(row.db_path),
      timeStart: row.time_start ?? undefined,
      timeStop: row.time_stop ?? undefined,
      description: row.description ?? undefined,
    })),
  );
}

/** The beamtime with a number. */
export async function needBeamtime(source: SqlSource, paths: IndexPaths, id: number): Promise<IndexedBeamtime> {
  checkNumber("beamtime", id);
  const [beamtime] = await beamtimesWhere(source, paths, { id });
  if (beamtime !== undefined) return beamtime;
  const message = `The index has no beamtime ${id}; registerBeamtime gives the number of one`;
  throw new StorageError("NOT_FOUND", message, { identifier: `beamtime ${id}` });
}

/** A name as it is kept: one spelling of each, without blanks around it. */
export function checkName(what: string, name: string): string {
  const kept = typeof name === "string" ? name.trim().normalize("NFC") : "";
  if (kept !== "") return kept;
  throw new StorageError("INVALID_DATA", `A ${what} is a text that is not empty, not ${describe(name)}`);
}

/** A time in seconds, or nothing. */
export function checkTime(what: string, time: number | null | undefined): number | undefined {
  if (time === undefined || time === null) return undefined;
  if (typeof time === "number" && Number.isFinite(time)) return time;
  throw new StorageError("INVALID_DATA", `${what} is in seconds since 1970, not ${describe(time)}`);
}

function checkNumber(what: string, id: number): void {
  if (Number.isSafeInteger(id)) return;
  throw new StorageError("INVALID_DATA", `A ${what} is given by its number, not by ${describe(id)}`);
}
