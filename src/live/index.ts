/**
 * Live scans: read any stream while it is written, at any time, at any speed.
 *
 * @module sluice/live
 */

export { type BlobFrames, type BlobPlace, BlobTier, type BlobTierOptions } from "./blobs/blob-tier.ts";
export { frameReader } from "./blobs/frame-reader.ts";
export type { FrameRootsOptions } from "./blobs/frame-roots.ts";
export { type OpenBlobTierOptions, openBlobTier } from "./blobs/open-blob-tier.ts";
export type { SegmentBlobsOptions } from "./blobs/segment-blobs.ts";
export { type SharedFramesOptions, sharedFrames } from "./blobs/shared-frames.ts";
export { type StoredPlace, storedPoints } from "./blobs/stored-points.ts";
export { LiveBridge, type LiveBridgeOptions } from "./bridge/bridge.ts";
export { Cursor, type CursorOptions, type ReadOptions } from "./cursor.ts";
export { CursorGroup, type GroupViews } from "./cursor-group.ts";
export {
  type CreateScanOptions,
  DataStore,
  type DataStoreOptions,
  type ResumeScanOptions,
  type ScanSighting,
} from "./data-store.ts";
export { type FrameKind, type FrameReference, FramesCodec, type ReadFrames, referencesOf } from "./encoding/frames.ts";
export { JsonCodec } from "./encoding/json-points.ts";
export { NumericCodec, type NumericPoint } from "./encoding/numeric.ts";
export type { EncodedPoints, EntryPart, PointCodec } from "./encoding/point-codec.ts";
export { VaryingCodec } from "./encoding/varying.ts";
export {
  BEFORE_ALL,
  type Bounds,
  type CallOptions,
  type Entry,
  type HistoryEntry,
  type HistoryPage,
  type HistoryTag,
  type LiveCapabilities,
  type LiveEngine,
  type LiveUsage,
  type NewScan,
  type Page,
  type Transition,
  type WaitOptions,
} from "./engine.ts";
export { type FileEngineOptions, type MachineTime, openFileEngine } from "./engines/file/index.ts";
export { MemoryEngine } from "./engines/memory.ts";
export { MemoryLiveStore, type MemoryLiveStoreOptions } from "./engines/memory-store.ts";
export { openRedisEngine, type RedisEngineOptions } from "./engines/redis/index.ts";
export type { Waiters } from "./engines/waiters.ts";
export {
  EndOfStreamError,
  IndexConflictError,
  IndexNoMoreThereError,
  IndexNotYetThereError,
  IndexWontBeThereError,
  NoScanAvailableError,
  ScanNotFoundError,
  StateConflictError,
  StreamSealedError,
  WriterLostError,
} from "./errors.ts";
export type {
  FramesEncoding,
  JsonEncoding,
  NumericEncoding,
  ScanHeader,
  ScanLease,
  StreamEncoding,
  StreamHeader,
} from "./header.ts";
export type { JsonObject, JsonValue } from "./json.ts";
export { isScanKey, newScanKey, newStreamKey } from "./keys.ts";
export { type OpenLiveOptions, openLive } from "./open.ts";
export { ScanSequenceCodec, scanSequence } from "./plugins/scan-sequence.ts";
export type { PointRange, PointReader } from "./point-reader.ts";
export type { RecordedPoints } from "./recording/recorded-stream.ts";
export type { ScanPlace } from "./recording/scan-info.ts";
export type { DeviceClasses } from "./recording/scan-layout.ts";
export type { RetentionPolicy } from "./retention/policy.ts";
export type { RetentionEvent, RetentionReport } from "./retention/report.ts";
export { Retention, type RetentionOptions } from "./retention/retention.ts";
export type { RetainedBlobs } from "./retention/scan-cleaner.ts";
export { Scan, type ScanContext } from "./scan.ts";
export { type FieldPattern, matchesQuery, patternParts, type ScanQuery } from "./scan-query.ts";
export { type RunFacts, ScanRecorder, type ScanRecorderOptions, type ScanReport } from "./scan-recorder.ts";
export { endReasons, type ScanState, type ScanStateName, scanStateNames, scanStates } from "./scan-state.ts";
export type { JsonSchema, SchemaProblem } from "./schemas/json-schema.ts";
export type {
  AcquisitionChain,
  CurveItem,
  ScanChannel,
  ScanDevice,
  ScanInfo,
  ScanPlot,
  ScatterItem,
} from "./schemas/scan-info.ts";
export { scanInfoSchema } from "./schemas/scan-info-schema.ts";
export { ScanInfoError, validateScanInfo } from "./schemas/validate-scan-info.ts";
export { type StreamFallback, storedFallback } from "./stored-fallback.ts";
export { type PointLocation, Stream, type StreamContext } from "./stream.ts";
export type { StreamDefinition } from "./stream-definition.ts";
export type {
  ColdPoints,
  OpenedStream,
  OpenFallback,
  PluginContext,
  StreamPlugin,
  StreamPlugins,
} from "./stream-plugin.ts";
export { type BackPressure, StreamWriter, type StreamWriterOptions } from "./stream-writer.ts";
export type { Attributes } from "./view/attributes.ts";
export {
  type CompoundValue,
  type ExternalBinaryFile,
  h5maps,
  type InlineBase64Value,
  type InlineValue,
  type Layout,
  type LayoutAttributes,
  type LayoutDataset,
  type LayoutExternalBinary,
  type LayoutExternalLink,
  type LayoutGroup,
  type LayoutItem,
  type LayoutNode,
  type LayoutSoftLink,
  type LayoutVirtual,
  RAW,
  type RawValue,
  type SpaceSelection,
  STREAM,
  type StaticValue,
  type StreamValue,
  type TupleDataset,
  type TupleGroup,
  type VirtualSource,
} from "./view/layout.ts";
export { layoutSchema } from "./view/layout-schema.ts";
export { LiveDataset, type SelectOptions } from "./view/live-dataset.ts";
export { LiveFile, type LiveFileOptions } from "./view/live-file.ts";
export { LiveGroup } from "./view/live-group.ts";
export { checkLayout, readLayout } from "./view/read-layout.ts";
export type { AxisPart, AxisSlice, Selection } from "./view/selection.ts";
export type {
  ComplexArray,
  CompoundArray,
  PlainValue,
  RaggedArray,
  TextArray,
  ValueArray,
} from "./view/value-array.ts";
export type { ValueDType } from "./view/value-types.ts";
export { type WriteHdf5Options, writeHdf5 } from "./view/write-hdf5.ts";
export { type WriteZarrOptions, writeZarr } from "./view/write-zarr.ts";
export { View, type ViewRange } from "./view-of-points.ts";
export { type LeaseHolder, type TakenStreams, WritableScan } from "./writable-scan.ts";
