/** Full text, where the two engines differ: tables, and questions to them. */
import type { DialectName, SqlValue } from "../dialect.ts";
import type { SearchPhrase } from "./search-text.ts";

/** What is found by one run. */
export interface IndexedText {
  /** Words of each field. Phrases do not reach from one field into the next. */
  readonly fields: readonly (readonly string[])[];
  /** Exact values, as words that no text has; see `facets`. */
  readonly facets: readonly string[];
}

/** What is asked. All of it must hold. */
export interface TextQuestion {
  readonly phrases: readonly SearchPhrase[];
  /** Of each list at least one. */
  readonly facets: readonly (readonly string[])[];
}

/** Full text of one engine. The table is `runs_text`, one row for each row of `runs_index`. */
export interface TextDialect {
  /** Makes the table, and what empties it of runs that go. */
  readonly create: readonly string[];
  /** Takes what {@link TextDialect.row} gives. */
  readonly insert: string;
  /** Takes a position. */
  readonly remove: string;
  /** The column of positions. */
  readonly key: string;
  /** Takes what {@link TextDialect.question} gives. */
  readonly condition: string;
  row(position: string, text: IndexedText): SqlValue[];
  question(question: TextQuestion): string;
}

/**
 * Stands between fields, so that no phrase goes from one into the next. Not a character of any word; and SQLite's
 * tokenizer for ASCII, which takes all that is not ASCII for letters, sees a word in it.
 */
const FIELD_END = "\uE000";

/**
 * FTS5, with the words as they are: the tokenizer for ASCII splits at spaces alone, as there is nothing else to split at.
 * The table keeps no text (`content=''`): a run's row and its beamtime file have it. All facets begin with the same four
 * letters, so that they cost the prefix indexes next to nothing.
 *
 * @see SQLite, "FTS5 Extension", contentless-delete tables and prefix indexes
 */
const sqlite: TextDialect = {
  create: [
    `CREATE VIRTUAL TABLE IF NOT EXISTS runs_text USING fts5(
      words, facets, content='', contentless_delete=1, tokenize='ascii', prefix='1 2 3 4'
    )`,
    `CREATE TRIGGER IF NOT EXISTS runs_index_removed AFTER DELETE ON runs_index WHEN old.position IS NOT NULL BEGIN
      DELETE FROM runs_text WHERE rowid = old.position;
    END`,
  ],
  insert: "INSERT INTO runs_text (rowid, words, facets) VALUES (CAST(? AS INTEGER), ?, ?)",
  remove: "DELETE FROM runs_text WHERE rowid = CAST(? AS INTEGER)",
  key: "rowid",
  condition: "runs_text MATCH ?",
  row: (position, { fields, facets }) => [
    position,
    fields.map((words) => words.join(" ")).join(` ${FIELD_END} `),
    facets.join(" "),
  ],
  question: ({ phrases, facets }) =>
    [
      ...phrases.map(({ words, isPrefix }) => `words:"${words.join(" ")}"${isPrefix ? "*" : ""}`),
      ...facets.map((any) => `facets:(${any.map((facet) => `"${facet}"`).join(" OR ")})`),
    ].join(" AND "),
};

/** No more than this is kept of a run: PostgreSQL takes no higher place of a word. */
const LAST_PLACE = 16_000;

/**
 * A `tsvector` and a `tsquery`, both written out: PostgreSQL's own parser would take words apart again.
 *
 * @see PostgreSQL, "Text Search Types"
 */
const postgres: TextDialect = {
  create: [
    `CREATE TABLE IF NOT EXISTS runs_text (
      position BIGINT PRIMARY KEY REFERENCES runs_index (position) ON DELETE CASCADE,
      document TSVECTOR NOT NULL
    )`,
    "CREATE INDEX IF NOT EXISTS idx_runs_text_document ON runs_text USING GIN (document)",
  ],
  insert: "INSERT INTO runs_text (position, document) VALUES (CAST(? AS BIGINT), CAST(? AS TSVECTOR))",
  remove: "DELETE FROM runs_text WHERE position = CAST(? AS BIGINT)",
  key: "position",
  condition: "t.document @@ CAST(? AS TSQUERY)",
  row: (position, { fields, facets }) => {
    const lexemes: string[] = facets.map(lexemeOf);
    let place = 0;
    for (const words of fields) {
      for (const word of words) if (++place <= LAST_PLACE) lexemes.push(`'${word}':${place}`);
      place++;
    }
    return [position, lexemes.join(" ")];
  },
  question: ({ phrases, facets }) =>
    [
      ...phrases.map(({ words, isPrefix }) => {
        const lexemes = words.map((word) => `'${word}'`);
        return `(${lexemes.join(" <-> ")}${isPrefix ? ":*" : ""})`;
      }),
      ...facets.map((any) => `(${any.map(lexemeOf).join(" | ")})`),
    ].join(" & "),
};

/** Facets are in one column with the words there: the sign keeps them apart. */
function lexemeOf(facet: string): string {
  return `'=${facet}'`;
}

/** Full text by engine. */
export const textDialects = { sqlite, postgres } as const satisfies Record<DialectName, TextDialect>;
