/**
 * Storage for scientific imaging: contracts and values, backends by key, and the router that pipelines use. Codecs,
 * acquisition, sessions and test kits are subpaths: `sluice/codecs`, `sluice/acquire`, `sluice/session`,
 * `sluice/testing`.
 *
 * @module sluice
 */

export { type BackendClass, type BackendDeclaration, backend } from "../registry/backend.ts";
export type { AnyBackendDescriptor, BackendInfo, BackendOpens, LazyBackend } from "../registry/backend-info.ts";
export {
  BackendSet,
  type BackendSetOptions,
  defaultInstances,
  type OpenWriterOptions,
} from "../registry/backend-set.ts";
export { builtins, createRegistry } from "../registry/builtin.ts";
export {
  defaultRegistry,
  ensureStorageRegistry,
  getBackend,
  resetMemoryBackend,
  storageRegistry,
} from "../registry/default-set.ts";
export {
  type DiscoveredBackends,
  type DiscoveredPackage,
  type Discovery,
  discoverBackends,
  loadDiscovered,
  registerDiscovered,
} from "../registry/discover.ts";
export { type FromDescriptorOptions, fromDescriptor } from "../registry/from-descriptor.ts";
export { loadPlugins, type PluginOptions } from "../registry/plugins.ts";
export { type RegisterBackendOptions, type RegisterOptions, Registry } from "../registry/registry.ts";
export type { BackendSetDescriptor } from "../registry/set-descriptor.ts";
export { isUri, type ResolvedUri, resolveUri, type SplitUri, splitUri } from "../registry/uri.ts";
export {
  type ArrayTree,
  type ArrayTreeSource,
  isArrayTreeSource,
  type NewTreeArray,
  type NodeAttributes,
  type TreeArray,
  type TreeArrayNode,
  type TreeGroupNode,
} from "./core/array-tree.ts";
export { BackendBase, type BackendOptions, type DirectoryEntry } from "./core/backend.ts";
export { type BatchOptions, DEFAULT_CONCURRENCY, mapBatch } from "./core/batch.ts";
export {
  checkRange,
  type GroupLimits,
  groupRanges,
  type RangeGroup,
  type ResolvedRange,
  resolveRange,
} from "./core/byte-range.ts";
export {
  type ByteRange,
  type ByteSource,
  type ByteStore,
  type ByteWriter,
  type ByteWriterOptions,
  byteSourceLength,
  type Checksum,
  type DeleteResult,
  type DirectoryStore,
  isDirectoryStore,
  joinBytes,
  type ListEntry,
  type ListOptions,
  type ObjectStat,
  type OperationOptions,
  type ReadOptions,
  type StatOptions,
  type TransferOptions,
  type WriteOptions,
  type WriteResult,
} from "./core/byte-store.ts";
export { type Capabilities, type StoreCapabilities, type Support, storageCapabilities } from "./core/capabilities.ts";
export { checkAborted, checkInteger, checkNdArray, checkOpen, checkSameLength, describe } from "./core/checks.ts";
export { DataSink, type IfExists, type SaveOptions, type SaveResult } from "./core/data-sink.ts";
export { DataSource, type EntryStat, type ListFilesOptions, type LoadOptions } from "./core/data-source.ts";
export {
  type BackendDescriptor,
  defineBackend,
  type InstanceConfig,
  type OpenContext,
  type StandardIssue,
  type StandardResult,
  type StandardSchemaV1,
} from "./core/descriptor.ts";
export type {
  DataKey,
  DeviceConfiguration,
  Document,
  EventDescriptor,
  EventDocument,
  IndexRange,
  RunStart,
  RunStop,
  StreamAsset,
  StreamDatum,
  StreamResource,
} from "./core/documents.ts";
export {
  type DType,
  type DTypeInfo,
  dtypeOf,
  dtypes,
  type Endian,
  float16ToNumber,
  fromTypestr,
  isDType,
  nativeEndian,
  numberToFloat16,
  parseDType,
  type TypedArray,
  type TypedArrayConstructor,
  toTypestr,
} from "./core/dtype.ts";
export {
  type ErrorContext,
  isStorageError,
  nearest,
  runAll,
  StorageError,
  type StorageErrorCode,
  type StorageErrorOptions,
  StorageResolutionError,
  seedExceptions,
  storageErrorCodes,
  throwFailures,
  toStorageError,
} from "./core/errors.ts";
export {
  type FrameStack,
  type FrameStackOptions,
  type FrameStackSource,
  isFrameStackSource,
} from "./core/frame-stack.ts";
export type {
  ControllableDataWriter,
  DataWriter,
  FilenameProvider,
  FrameSink,
  FrameWriter,
  HasMetadata,
  HasWriterLogic,
  ObserveOptions,
  PathInfo,
  PathProvider,
  PathProviderOptions,
  PrepareInfo,
  SourceInfo,
  StorageProxy,
} from "./core/frame-writer.ts";
export { escapeGlob, globMatcher } from "./core/glob.ts";
export { type InPlaceReader, type InPlaceValue, inPlaceReader } from "./core/in-place.ts";
export {
  type ByteJournal,
  isJournalling,
  type JournallingStore,
  type UnfinishedSearch,
  type UnfinishedValue,
} from "./core/journalled-write.ts";
export {
  baseName,
  compareKeys,
  encodeKey,
  isInside,
  joinKey,
  type NormalizeOptions,
  normalizeKey,
  parentKey,
} from "./core/key.ts";
export { isLiveFrameSource, type LiveFrameSource, type LiveFrames } from "./core/live-frames.ts";
export { compareNatural, naturalSort } from "./core/natural-sort.ts";
export {
  type AxisSelection,
  arrayFromBytes,
  arraysEqual,
  arrayToBytes,
  byteLengthOf,
  checkShape,
  contiguous,
  contiguousStride,
  copyArray,
  copyInto,
  isContiguous,
  isNdArray,
  type NdArray,
  ndArray,
  sizeOf,
  sliceArray,
  swapBytes,
  zeros,
} from "./core/nd-array.ts";
export { type FieldCheck, field, optionsSchema } from "./core/options-schema.ts";
export {
  type BackendStat,
  type DoStatOptions,
  fileFilter,
  type LoadArraysOptions,
  ReadableBackend,
} from "./core/readable-backend.ts";
export { ReadableStore, readOnlyCapabilities } from "./core/readable-store.ts";
export {
  type ArrayLevel,
  isRegionSource,
  type ReadRegionOptions,
  type RegionRequest,
  type RegionSample,
  type RegionSource,
  type SampledSource,
  type SampleOptions,
  sampleRegion,
} from "./core/region.ts";
export type { KeptBytes, OpenByteWriterOptions, ResumeOptions } from "./core/resumable-write.ts";
export { type ResolvedSelection, resolveSelection } from "./core/selection.ts";
export { ReadOnlyBackend, StreamingBackend, VirtualBackend, type WithContext } from "./core/special-backends.ts";
export { type DoSaveOptions, StorageBackend } from "./core/storage-backend.ts";
export type { CollectOptions, DirectoryTree } from "./io/collect-tree.ts";
export {
  type Backends,
  FileManager,
  type FileManagerOptions,
  type MirrorOptions,
  type MoveOptions,
} from "./io/file-manager.ts";
export { imageExtensions } from "./io/image-extensions.ts";
export {
  Materialization,
  type MaterializeBackends,
  type MaterializedItem,
  type MaterializeOptions,
  type MaterializeReport,
  materialize,
} from "./io/materialize.ts";
export {
  type MergeJsonOptions,
  type MergePolicies,
  type MergePolicy,
  mergeDocuments,
  mergeJson,
} from "./io/merge-json.ts";
export { type JsonMigrated, type JsonMigration, type MigrateJsonOptions, migrateJson } from "./io/migrate-json.ts";
export type { BetweenOptions, TransferEnd } from "./io/transfer.ts";
export type { CopyTreeOptions, SyncOptions, TreeItem, TreeProgress } from "./io/tree-transfer.ts";
export { type JsonUpdate, type UpdateJsonOptions, updateJson } from "./io/update-json.ts";
