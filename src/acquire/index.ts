/**
 * `sluice/acquire`: from the device to the store. The abstract writer and what belongs to it.
 */

export type { Timers } from "./index-observer.ts";
export { storeLocation } from "./location.ts";
export { type JsonObject, type JsonValue, toJson } from "./metadata.ts";
export { checkSourceName } from "./source.ts";
export { dataKeyOf, dimensionNames } from "./stream-docs.ts";
export { Writer, type WriterOptions } from "./writer.ts";
