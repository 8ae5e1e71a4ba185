/** Finding runs in the master index, newest first. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import type { CatalogDatabase } from "../database.ts";
import { type DialectName, dialects, type SqlValue } from "../dialect.ts";
import { parseWords } from "../row-json.ts";
import { decodeCursor, encodeCursor } from "../run-cursor.ts";
import { checkFilter, type RunFilter, type RunStatus, seconds } from "../run-query.ts";
import { type TextQuestion, textDialects } from "./index-dialect.ts";
import { facet } from "./index-entry.ts";
import type { IndexPaths } from "./index-path.ts";
import { lastPositionAt, positionAt } from "./run-position.ts";
import { parseSearchText } from "./search-text.ts";

/** Which runs to find, in all beamtimes. What is left out does not matter; what is given must all hold. */
export interface IndexFilter extends Omit<RunFilter, "text"> {
  /** A researcher, by number or by name. */
  readonly researcher?: number | string | undefined;
  /** A beamtime, by number, by label (which several may have), or by the path of its file. */
  readonly beamtime?: number | string | undefined;
  /**
   * Words that all occur in the names of plan and sample, the tags, the texts of the metadata, the description of the
   * sample or that of the beamtime. `"two words"` stand next to each other, `poly*` is the beginning of a word. Case and
   * accents do not matter; all other characters only part words.
   */
  readonly text?: string | undefined;
}

/** What to search for, and how much of it. */
export interface IndexSearchOptions extends IndexFilter, OperationOptions {
  /** Most runs of one page, 1 to 10,000. Default 100. */
  readonly limit?: number | undefined;
  /** Where the page before this one ended: its `cursor`. */
  readonly cursor?: string | undefined;
}

/** A run that was found. */
export interface IndexedRun {
  readonly uid: string;
  readonly planName: string;
  readonly sampleName: string | undefined;
  /** Seconds since 1970. */
  readonly timeStart: number;
  /** Seconds since 1970; `undefined` if the run had not ended when it was indexed. */
  readonly timeStop: number | undefined;
  /** How it ended, or `running` if it had not when it was indexed. */
  readonly status: RunStatus;
  /** As `RunSummary.numEvents`; `undefined` if the run had not ended when it was indexed. */
  readonly numEvents: number | undefined;
  readonly tags: readonly string[];
  readonly researcher: { readonly id: number; readonly name: string };
  /** `path` is where its file should be now. */
  readonly beamtime: { readonly id: number; readonly label: string; readonly path: string };
}

/** One page. */
export interface IndexPage {
  /** Newest first; of one millisecond, those that were indexed later. */
  readonly runs: readonly IndexedRun[];
  /** For the next page; `undefined` on the last. */
  readonly cursor: string | undefined;
}

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** A question of more is no question; and the time that it takes grows with the square of their number. */
const MAX_PHRASES = 1000;

interface FoundRow {
  uid: string;
  plan_name: string;
  sample_name: string | null;
  time_start: number;
  time_stop: number | null;
  exit_status: RunStatus | null;
  num_events: number | string | null;
  tags: string | null;
  position: string;
  beamtime_id: number | string;
  label: string;
  db_path: string;
  researcher_id: number | string;
  researcher: string;
}

/**
 * One page of the runs that a filter finds. A run that is indexed between two pages moves no other from one page to the
 * next.
 *
 * @throws A {@link StorageError}: `INVALID_DATA` for a filter that makes no sense or a cursor of another search,
 * `OUT_OF_RANGE` for a limit, or more than a thousand words.
 */
export async function searchIndex(
  database: CatalogDatabase,
  paths: IndexPaths,
  { limit = DEFAULT_LIMIT, cursor, signal, ...filter }: IndexSearchOptions,
): Promise<IndexPage> {
  checkIndexFilter(filter);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new StorageError("OUT_OF_RANGE", `A page has 1 to ${MAX_LIMIT} runs, not ${limit}`, { operation: "search" });
  }
  // In a cursor of the index, the place of the run stands where other catalogues have its uid.
  const after = cursor === undefined ? undefined : decodeCursor(cursor, filter).uid;
  const question = await questionOf(database, paths, filter, signal);
  if (question === undefined) return { runs: [], cursor: undefined };
  const { sql, params } = searchStatement(database.dialect, question, filter, after, limit + 1);
  const rows = await database.all<FoundRow>(sql, params, { signal });
  const found = rows.slice(0, limit);
  const last = rows.length > limit ? found.at(-1) : undefined;
  const locations = new Map<string, string>();
  for (const stored of new Set(found.map((row) => row.db_path))) locations.set(stored, await paths.toLocation(stored));
  return {
    runs: found.map((row) => runOf(row, locations.get(row.db_path) as string)),
    cursor: last && encodeCursor({ time: Number(last.time_start), uid: last.position }, filter),
  };
}

/**
 * The SQL of a page, and its parameters.
 *
 * @param after - The position behind which the page begins.
 */
export function searchStatement(
  dialect: DialectName,
  question: TextQuestion,
  { from, to }: IndexFilter,
  after: string | undefined,
  limit: number,
): { sql: string; params: SqlValue[] } {
  const { integer } = dialects[dialect];
  const text = textDialects[dialect];
  const hasText = question.phrases.length > 0 || question.facets.length > 0;
  // Rows come in the order of what is looked through first, so that the search ends with the page.
  const key = hasText ? `t.${text.key}` : "r.position";
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  const add = (sql: string, ...values: SqlValue[]) => {
    conditions.push(sql);
    params.push(...values);
  };
  if (hasText) add(text.condition, text.question(question));
  else add("r.position IS NOT NULL");
  if (after !== undefined) add(`${key} < CAST(? AS ${integer})`, after);
  // Positions know the time to the millisecond; the time itself is exact.
  if (from !== undefined) {
    const time = seconds(from, "from");
    add(`${key} >= CAST(? AS ${integer})`, String(positionAt(time)));
    add("r.time_start >= ?", time);
  }
  if (to !== undefined) {
    const time = seconds(to, "to");
    add(`${key} <= CAST(? AS ${integer})`, String(lastPositionAt(time)));
    add("r.time_start < ?", time);
  }
  const tables = hasText ? `runs_text t JOIN runs_index r ON r.position = t.${text.key}` : "runs_index r";
  const sql = `
    SELECT r.uid, r.plan_name, r.sample_name, r.time_start, r.time_stop, r.exit_status, r.num_events, r.tags,
      CAST(r.position AS TEXT) AS position, r.beamtime_id, b.label, b.db_path, r.researcher_id, s.name AS researcher
    FROM ${tables} JOIN beamtimes b ON b.id = r.beamtime_id JOIN researchers s ON s.id = r.researcher_id
    WHERE ${conditions.join(" AND ")} ORDER BY ${key} DESC LIMIT ?`;
  return { sql, params: [...params, limit] };
}

async function questionOf(
  database: CatalogDatabase,
  paths: IndexPaths,
  filter: IndexFilter,
  signal: AbortSignal | undefined,
): Promise<TextQuestion | undefined> {
  const { researcher, beamtime, plan, sample, status, tags, text } = filter;
  const phrases = text === undefined ? [] : (parseSearchText(text) ?? []);
  // Something was asked for that no text has.
  if (text !== undefined && text.trim() !== "" && phrases.length === 0) return undefined;
  if (phrases.length > MAX_PHRASES) {
    const message = `A search takes up to ${MAX_PHRASES} words, not ${phrases.length}`;
    throw new StorageError("OUT_OF_RANGE", message, { operation: "search", identifier: "text" });
  }
  const facets: string[][] = [];
  if (researcher !== undefined) {
    const ids = typeof researcher === "number" ? [researcher] : await researchersNamed(database, researcher, signal);
    facets.push(ids.map((id) => facet("researcher", id)));
  }
  if (beamtime !== undefined) {
    const ids = typeof beamtime === "number" ? [beamtime] : await beamtimesNamed(database, paths, beamtime, signal);
    facets.push(ids.map((id) => facet("beamtime", id)));
  }
  if (plan !== undefined) facets.push(listOf(plan).map((name) => facet("plan", name)));
  if (sample !== undefined) facets.push([facet("sample", sample)]);
  if (status !== undefined) facets.push(listOf(status).map((name) => facet("status", name)));
  for (const tag of tags?.all ?? []) facets.push([facet("tag", tag)]);
  if (tags?.any !== undefined) facets.push(tags.any.map((tag) => facet("tag", tag)));
  return facets.some((any) => any.length === 0) ? undefined : { phrases, facets };
}

async function researchersNamed(
  database: CatalogDatabase,
  name: string,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const rows = await database.all<{ id: number }>("SELECT id FROM researchers WHERE name = ?", [name], { signal });
  return rows.map(({ id }) => Number(id));
}

async function beamtimesNamed(
  database: CatalogDatabase,
  paths: IndexPaths,
  name: string,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const stored = await paths.toStored(name);
  const sql = "SELECT id FROM beamtimes WHERE label = ? OR db_path = ?";
  const rows = await database.all<{ id: number }>(sql, [name, stored], { signal });
  return rows.map(({ id }) => Number(id));
}

function checkIndexFilter({ researcher, beamtime, ...filter }: IndexFilter): void {
  checkFilter(filter);
  for (const [name, value] of Object.entries({ researcher, beamtime })) {
    if (value === undefined || typeof value === "string" || Number.isSafeInteger(value)) continue;
    const message = `A search takes as ${name} a number or a name, not ${String(value)}`;
    throw new StorageError("INVALID_DATA", message, { operation: "search", identifier: name });
  }
}

function runOf(row: FoundRow, path: string): IndexedRun {
  return {
    uid: row.uid,
    planName: row.plan_name,
    sampleName: row.sample_name ?? undefined,
    timeStart: Number(row.time_start),
    timeStop: row.time_stop === null ? undefined : Number(row.time_stop),
    status: row.exit_status ?? "running",
    numEvents: row.num_events === null ? undefined : Number(row.num_events),
    tags: parseWords(row.tags, `tags of run ${row.uid}`),
    researcher: { id: Number(row.researcher_id), name: row.researcher },
    beamtime: { id: Number(row.beamtime_id), label: row.label, path },
  };
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
