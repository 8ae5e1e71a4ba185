/**
 * The catalogue: every run is found again, in its beamtime file and across all of them.
 *
 * @module sluice/catalog
 */

export type { SqliteLibrary } from "../sqlite/driver.ts";
export {
  type ArrayCompression,
  type CompressedArray,
  compressArray,
  type DecompressArrayOptions,
  decompressArray,
} from "./array-compression.ts";
export { Catalog, type CatalogOptions, type RunPage, type SearchOptions } from "./catalog.ts";
export {
  type CatalogDatabase,
  type CatalogTransaction,
  type DialectName,
  type OpenDatabaseOptions,
  openDatabase,
  type SqlSource,
  type SqlValue,
} from "./database.ts";
export { DocumentRecorder } from "./document-recorder.ts";
export type { CatalogEvent } from "./event-reader.ts";
export type { ExportFormat, ExportOptions } from "./export/export-run.ts";
export type { FollowOptions, WatchOptions, WatchRunsOptions } from "./follow.ts";
export type { SyncCounts } from "./index/beamtime-sync.ts";
export type { IndexedRun, IndexFilter, IndexPage, IndexSearchOptions } from "./index/index-search.ts";
export { type AttachOptions, IndexWriter, type IndexWriterOptions, type RunEnds } from "./index/index-writer.ts";
export { normalizeOrcid } from "./index/orcid.ts";
export type {
  BeamtimeDetails,
  IndexedBeamtime,
  IndexedResearcher,
  ResearcherDetails,
} from "./index/registry-table.ts";
export type { RepairOptions, RepairReport } from "./index/repair.ts";
export type { IndexRunDetails } from "./index/run-indexing.ts";
export type { FileProblem, IndexProblem } from "./index/verify.ts";
export { LazyImageSequence } from "./lazy-image-sequence.ts";
export { CatalogRun } from "./run.ts";
export type { RunFilter, RunStatus } from "./run-query.ts";
export type { CatalogSample, RunSummary } from "./run-row.ts";
export type { PageOptions, TableOptions } from "./run-table.ts";
export { RunWriter } from "./run-writer.ts";
export type {
  CloseRunOptions,
  DataKeys,
  ExitStatus,
  OpenRunOptions,
  OpenStreamOptions,
  RunWriterOptions,
  WriteEventOptions,
} from "./run-writer-types.ts";
export type { SampleMetadata } from "./sample.ts";
export type { CatalogStream } from "./stream-row.ts";
export { RunTable, type TableRow } from "./table.ts";
export { type Column, type ColumnData, type ColumnOf, type ColumnType, stackColumn } from "./table-column.ts";
