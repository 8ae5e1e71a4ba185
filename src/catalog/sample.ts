/** What runs were made on. */
import { StorageError } from "../core/errors.ts";
import type { CatalogTransaction } from "./database.ts";
import { toJsonText } from "./json-text.ts";

/**
 * A sample.
 *
 * @see resonance `models.py`, `SampleMetadata`
 */
export interface SampleMetadata {
  /** Number in the beamtime database. Given, that sample is used; else it is found, or made, by its name. */
  readonly id?: number | undefined;
  /** Name on the label. One sample for each. */
  readonly name: string;
  /** Chemical formula. */
  readonly formula?: string | undefined;
  /** Serial number. */
  readonly serial?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Where it is mounted on the beamline. */
  readonly beamlinePos?: string | undefined;
  /** Anything else, as JSON. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Finds or makes a sample. What is said of one that is there already replaces what was known; what is not said stays.
 * Two writers of one name at the same time get the same sample.
 *
 * @returns Its number.
 * @throws A {@link StorageError}: `NOT_FOUND` for a number that is nobody's; `INVALID_DATA` for a sample without a name.
 */
export async function upsertSample(transaction: CatalogTransaction, sample: SampleMetadata): Promise<number> {
  const { name } = (sample ?? {}) as Partial<SampleMetadata>;
  if (typeof name !== "string" || name === "") {
    throw new StorageError("INVALID_DATA", 'A sample needs a name, as in { name: "PS" }', {
      operation: "open",
      identifier: "sample",
    });
  }
  const columns = columnsOf(sample);
  const found = await find(transaction, sample);
  const id = found ?? (await insert(transaction, name));
  const assignments = columns.map(([column]) => `${column} = ?`);
  if (assignments.length > 0) {
    const values = columns.map(([, value]) => value);
    await transaction.run(`UPDATE samples SET ${assignments.join(", ")} WHERE id = ?`, [...values, id]);
  }
  return id;
}

function columnsOf({ formula, serial, tags, beamlinePos, extra }: SampleMetadata): [column: string, value: string][] {
  const given: [string, string | undefined][] = [
    ["formula", formula],
    ["serial", serial],
    ["tags", tags && toJsonText(tags, "tags of the sample")],
    ["beamline_pos", beamlinePos],
    ["extra", extra && toJsonText(extra, "extra of the sample")],
  ];
  return given.filter((column): column is [string, string] => column[1] !== undefined);
}

async function find(transaction: CatalogTransaction, { id, name }: SampleMetadata): Promise<number | undefined> {
  if (id !== undefined) {
    const rows = await transaction.all("SELECT id FROM samples WHERE id = ?", [id]);
    if (rows.length > 0) return id;
    throw new StorageError("NOT_FOUND", `No sample has the number ${id}`, {
      operation: "open",
      identifier: String(id),
    });
  }
  const [oldest] = await transaction.all<{ id: number; unique_name: string | null }>(
    // Of several the one that stands for the name; a row of resonance stands for it from now on.
    "SELECT id, unique_name FROM samples WHERE name = ? ORDER BY unique_name IS NULL, id LIMIT 1",
    [name],
  );
  if (oldest?.unique_name === null) {
    await transaction.run("UPDATE samples SET unique_name = name WHERE id = ?", [oldest.id]);
  }
  return oldest === undefined ? undefined : Number(oldest.id);
}

async function insert(transaction: CatalogTransaction, name: string): Promise<number> {
  const [row] = await transaction.all<{ id: number }>(
    // Where several transactions write at the same time, the second of two waits for the first and finds its row.
    "INSERT INTO samples (name, unique_name, tags, extra) VALUES (?, ?, '[]', '{}') " +
      "ON CONFLICT (unique_name) DO UPDATE SET name = excluded.name RETURNING id",
    [name, name],
  );
  return Number(row?.id);
}
