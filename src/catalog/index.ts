/**
 * The catalogue: every run is found again, in its beamtime file and across all of them.
 *
 * @module sluice/catalog
 */
export {
  type ArrayCompression,
  type CompressedArray,
  compressArray,
  type DecompressArrayOptions,
  decompressArray,
} from "./array-compression.ts";
export {
  type CatalogDatabase,
  type CatalogTransaction,
  type DialectName,
  type OpenDatabaseOptions,
  openDatabase,
  type SqlSource,
  type SqlValue,
} from "./database.ts";
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
