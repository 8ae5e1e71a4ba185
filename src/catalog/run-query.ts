/** What runs to find, as SQL that both engines take. */
import { describe } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import type { DialectName, SqlValue } from "./dialect.ts";
import type { RunPosition } from "./run-cursor.ts";

/** How a run has ended, or that it has not. */
export type RunStatus = "running" | "success" | "aborted" | "failed" | "lost";

/** Which runs to find. What is left out does not matter; what is given must all hold. */
export interface RunFilter {
  /** Runs that started at this moment or later: a date, or seconds since 1970-01-01 UTC. */
  readonly from?: Date | number | undefined;
  /** Runs that started before this moment. */
  readonly to?: Date | number | undefined;
  /** Exact name of the plan, or several of which any will do. */
  readonly plan?: string | readonly string[] | undefined;
  /** Exact name of the sample. */
  readonly sample?: string | undefined;
  /** How it ended; several: any of them. */
  readonly status?: RunStatus | readonly RunStatus[] | undefined;
  /** Tags of the run (`metadata.tags`) and of its sample: all of `all`, and at least one of `any`. */
  readonly tags?:
    | { readonly all?: readonly string[] | undefined; readonly any?: readonly string[] | undefined }
    | undefined;
  /**
   * Words, each of which must be part of the plan's name, of the operator, of the sample's name, formula or serial number, or
   * of the metadata. Letters of ASCII are found in either case.
   */
  readonly text?: string | undefined;
}

/** A piece of SQL with its parameters. */
interface Piece {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

/** What differs between the engines in a search. */
interface SearchWords {
  /** Compares without regard to case. */
  readonly like: string;
  /** True if the list in a column of JSON has the parameter. */
  hasItem(column: string): string;
  /** True if any text in a column of JSON is like the parameter; takes it `jsonParams` times. */
  jsonLike(column: string): string;
  readonly jsonParams: number;
}

const ESCAPED = "ESCAPE '\\'";

const words: Readonly<Record<DialectName, SearchWords>> = {
  sqlite: {
    like: "LIKE",
    // Not all that stands in such a column of somebody else's file is JSON, and one such row must not fail the search.
    hasItem: (column) =>
      `EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(${column}) THEN ${column} ELSE '[]' END) j WHERE j.value = ?)`,
    // Python writes é as \u00e9: the text itself is not what to look at.
    jsonLike: (column) =>
      `CASE WHEN json_error_position(${column}) = 0 THEN EXISTS (SELECT 1 FROM json_tree(${column}) j ` +
      `WHERE j.atom LIKE ? ${ESCAPED} OR (typeof(j.key) = 'text' AND j.key LIKE ? ${ESCAPED})) ` +
      `ELSE ${column} LIKE ? ${ESCAPED} END`,
    jsonParams: 3,
  },
  postgres: {
    like: "ILIKE",
    hasItem: (column) =>
      `COALESCE(jsonb_typeof(sluice_json(${column})) = 'array' AND EXISTS (SELECT 1 FROM ` +
      `jsonb_path_query(sluice_json(${column}), '$[*]') j(item) WHERE j.item = to_jsonb(CAST(? AS TEXT))), FALSE)`,
    jsonLike: (column) =>
      `CASE WHEN sluice_json(${column}) IS NOT NULL THEN EXISTS (SELECT 1 FROM ` +
      `jsonb_path_query(sluice_json(${column}), 'strict $.**') j(item) WHERE CASE jsonb_typeof(j.item) ` +
      `WHEN 'object' THEN EXISTS (SELECT 1 FROM jsonb_object_keys(j.item) k(name) WHERE k.name ILIKE ? ${ESCAPED}) ` +
      `WHEN 'array' THEN FALSE ELSE j.item #>> '{}' ILIKE ? ${ESCAPED} END) ` +
      `ELSE ${column} ILIKE ? ${ESCAPED} END`,
    jsonParams: 3,
  },
};

/** Runs with their samples, under the names of `RunRow`. */
function selectRuns(living: readonly string[]): Piece {
  const isWritten = living.length === 0 ? "1 = 0" : `r.writer IN (${living.map(() => "?").join(", ")})`;
  const sql =
    "SELECT q.* FROM (SELECT r.uid, r.plan_name, r.time_start, r.time_stop, r.exit_status, r.num_events, r.operator, " +
    "r.metadata, r.extra, s.id AS sample_id, s.name AS sample_name, s.formula, s.serial, s.tags AS sample_tags, " +
    "s.beamline_pos, s.extra AS sample_extra, " +
    `CASE WHEN r.exit_status IS NOT NULL THEN r.exit_status WHEN ${isWritten} THEN 'running' ELSE 'lost' END AS status ` +
    "FROM runs r LEFT JOIN samples s ON s.id = r.sample_id) q";
  return { sql, params: living };
}

/** Options of {@link runQuery}. */
export interface RunQuery {
  readonly filter: RunFilter;
  /** Only runs behind this one. */
  readonly after?: RunPosition | undefined;
  /** Most runs to answer. */
  readonly limit: number;
  /** The writers that live: an unfinished run of any other is lost. */
  readonly living: readonly string[];
}

/**
 * The query for the newest runs that a filter finds, newest first.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for a filter that makes no sense.
 */
export function runQuery(dialect: DialectName, { filter, after, limit, living }: RunQuery): Piece {
  const pieces = [...conditions(dialect, filter)];
  if (after !== undefined) {
    pieces.push({
      sql: "(q.time_start < ? OR (q.time_start = ? AND q.uid < ?))",
      params: [after.time, after.time, after.uid],
    });
  }
  const where = pieces.length === 0 ? "" : ` WHERE ${pieces.map(({ sql }) => sql).join(" AND ")}`;
  const select = selectRuns(living);
  return {
    sql: `${select.sql}${where} ORDER BY q.time_start DESC, q.uid DESC LIMIT ?`,
    params: [...select.params, ...pieces.flatMap(({ params }) => params), limit],
  };
}

/** The query for one run. */
export function oneRunQuery(uid: string, living: readonly string[]): Piece {
  const { sql, params } = selectRuns(living);
  return { sql: `${sql} WHERE q.uid = ?`, params: [...params, uid] };
}

function* conditions(dialect: DialectName, filter: RunFilter): Generator<Piece> {
  const { like, hasItem, jsonLike, jsonParams } = words[dialect];
  const { from, to, plan, sample, status, tags, text } = checkFilter(filter);
  if (from !== undefined) yield { sql: "q.time_start >= ?", params: [seconds(from, "from")] };
  if (to !== undefined) yield { sql: "q.time_start < ?", params: [seconds(to, "to")] };
  if (plan !== undefined) yield anyOf("q.plan_name", plan);
  if (status !== undefined) yield anyOf("q.status", status);
  if (sample !== undefined) yield { sql: "q.sample_name = ?", params: [sample] };
  const hasTag = `(EXISTS (SELECT 1 FROM run_tags g WHERE g.run_uid = q.uid AND g.tag = ?) OR ${hasItem("q.sample_tags")})`;
  for (const tag of tags?.all ?? []) yield { sql: hasTag, params: [tag, tag] };
  if (tags?.any !== undefined) {
    const sql = tags.any.length === 0 ? "1 = 0" : `(${tags.any.map(() => hasTag).join(" OR ")})`;
    yield { sql, params: tags.any.flatMap((tag) => [tag, tag]) };
  }
  const columns = ["q.plan_name", "q.operator", "q.sample_name", "q.formula", "q.serial"];
  for (const word of text?.split(/\s+/).filter((part) => part !== "") ?? []) {
    const pattern = `%${word.replace(/[\\%_]/g, "\\$&")}%`;
    const plain = columns.map((column) => `${column} ${like} ? ${ESCAPED}`);
    yield {
      sql: `(${[...plain, jsonLike("q.metadata")].join(" OR ")})`,
      params: new Array<SqlValue>(columns.length + jsonParams).fill(pattern),
    };
  }
}

function anyOf(column: string, values: string | readonly string[]): Piece {
  const list = typeof values === "string" ? [values] : values;
  if (list.length === 0) return { sql: "1 = 0", params: [] };
  return { sql: `${column} IN (${list.map(() => "?").join(", ")})`, params: list };
}

/** A moment as seconds since 1970. */
export function seconds(moment: Date | number, name: string): number {
  const value = moment instanceof Date ? moment.getTime() / 1000 : moment;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw invalid(name, "a date, or seconds since 1970-01-01 UTC", moment);
}

const isText = (value: unknown) => typeof value === "string";
const isTexts = (value: unknown) => isText(value) || isList(value);
const isList = (value: unknown) => Array.isArray(value) && value.every(isText);

const rules: Readonly<Record<keyof RunFilter, readonly [what: string, isRight: (value: unknown) => boolean]>> = {
  from: ["a date, or seconds since 1970-01-01 UTC", () => true],
  to: ["a date, or seconds since 1970-01-01 UTC", () => true],
  plan: ["a name or a list of names", isTexts],
  sample: ["a name", isText],
  status: ["running, success, aborted, failed, lost, or a list of these", isTexts],
  tags: ["{ all: […] }, { any: […] } or both", (value) => isTags(value)],
  text: ["a text", isText],
};

function isTags(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([name, list]) => ["all", "any"].includes(name) && (list === undefined || isList(list)),
  );
}

export function checkFilter(filter: RunFilter): RunFilter {
  for (const [name, value] of Object.entries(filter)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(rules, name)) {
      const message = `Runs cannot be searched by "${name}"; they can by ${Object.keys(rules).join(", ")}`;
      throw new StorageError("INVALID_DATA", message, { operation: "search", identifier: name });
    }
    const [what, isRight] = rules[name as keyof RunFilter];
    if (!isRight(value)) throw invalid(name, what, value);
  }
  return filter;
}

function invalid(name: string, what: string, value: unknown): StorageError {
  const message = `A search takes as ${name} ${what}, not ${describe(value)}`;
  return new StorageError("INVALID_DATA", message, { operation: "search", identifier: name });
}
