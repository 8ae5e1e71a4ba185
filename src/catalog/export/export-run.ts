/** A run as the bytes of a file. */
import type { OperationOptions } from "../../core/byte-store.ts";
import { StorageError } from "../../core/errors.ts";
import type { CatalogRun } from "../run.ts";
import type { PageOptions } from "../run-table.ts";
import { arrowOf } from "./arrow.ts";
import { csvOf } from "./csv.ts";
import { jsonOf, ndjsonOf } from "./json.ts";
import { plainJson } from "./plain-json.ts";

/** What `CatalogRun.export` writes. */
export type ExportFormat = "documents" | "csv" | "json" | "ndjson" | "arrow";

/** Options of `CatalogRun.export`. */
export interface ExportOptions extends PageOptions {
  /** The stream of which the table is written. Default `primary`. */
  readonly stream?: string | undefined;
}

/** Characters that are written at once. */
const CHUNK_LENGTH = 65_536;

type Exporter = (run: CatalogRun, options: ExportOptions) => AsyncIterable<Uint8Array>;

const exporters: Readonly<Record<ExportFormat, Exporter>> = {
  documents: documentLines,
  csv: (run, options) => csvOf(run.pages(options.stream, options)),
  json: wholeRun,
  ndjson: (run, options) => ndjsonOf(run.pages(options.stream, options)),
  arrow: (run, options) => arrowOf(() => run.pages(options.stream, options), schemaMetadata(run, options)),
};

/** Writes a run; see `CatalogRun.export`. */
export function exportRun(run: CatalogRun, format: ExportFormat, options: ExportOptions): AsyncIterable<Uint8Array> {
  if (Object.hasOwn(exporters, format)) return exporters[format](run, options);
  const message = `Runs are not written as "${format}"; they are as ${Object.keys(exporters).join(", ")}`;
  throw new StorageError("UNSUPPORTED", message, { operation: "export", identifier: format });
}

async function* documentLines(run: CatalogRun, { signal }: OperationOptions): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let lines = "";
  for await (const [name, doc] of run.documents({ signal })) {
    lines += `${plainJson({ name, doc })}\n`;
    if (lines.length < CHUNK_LENGTH) continue;
    yield encoder.encode(lines);
    lines = "";
  }
  if (lines !== "") yield encoder.encode(lines);
}

async function* wholeRun(run: CatalogRun, options: ExportOptions): AsyncGenerator<Uint8Array> {
  const { fields: _, ...pages } = options;
  const streams = (await run.streams(options)).map(({ name, dataKeys }) => {
    return { name, dataKeys, pages: run.pages(name, pages) };
  });
  yield* jsonOf(summaryOf(run), streams);
}

function summaryOf(run: CatalogRun): Record<string, unknown> {
  const { uid, planName, timeStart, timeStop, status, numEvents, operator, sample, metadata } = run;
  return { uid, planName, timeStart, timeStop, status, numEvents, operator, sample, metadata };
}

function schemaMetadata(run: CatalogRun, { stream = "primary" }: ExportOptions): Record<string, string> {
  return { run: plainJson(summaryOf(run)), stream };
}
