/**
 * From the device to the store: the abstract writer, devices, providers of names and paths, documents.
 *
 * @module sluice/acquire
 */
export * from "./device.ts";
export { DocumentFile } from "./document-file.ts";
export { documentKey } from "./document-rules.ts";
export {
  AutoIncrementFilenameProvider,
  type AutoIncrementOptions,
  StaticFilenameProvider,
  UUIDFilenameProvider,
} from "./filename-providers.ts";
export type { Timers } from "./index-observer.ts";
export { storeLocation } from "./location.ts";
export { type JsonObject, type JsonValue, toJson } from "./metadata.ts";
export {
  type DocumentCallback,
  RunDocuments,
  type RunDocumentsOptions,
  type StreamDescription,
} from "./run-documents.ts";
export { type SessionPathOptions, SessionPathProvider } from "./session-path-provider.ts";
export { checkSourceName } from "./source.ts";
export { StaticPathProvider } from "./static-path-provider.ts";
export { Status } from "./status.ts";
export {
  type DeviceClass,
  injectStorage,
  StorageDescriptor,
  storageSlot,
  storageSlotsOf,
} from "./storage-descriptor.ts";
export { dataKeyOf, dimensionNames } from "./stream-docs.ts";
export { Writer, type WriterOptions } from "./writer.ts";
export {
  type AvailableWriters,
  type Devices,
  getAvailableWriters,
  handleDescriptorMetadata,
  hasMetadata,
  hasWriterLogic,
} from "./writer-discovery.ts";
