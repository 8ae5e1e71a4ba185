/**
 * Layers: byte stores around byte stores. Each adds one thing and passes on the rest; a stack in an order that cannot
 * work is refused when it is built.
 *
 * @module sluice/layers
 */

export { type CacheCounts, type CacheOptions, CacheStore } from "./cache.ts";
export { type ChaosOptions, ChaosStore } from "./chaos.ts";
export { type ChecksumOptions, ChecksumStore } from "./checksum.ts";
export { type Clock, type Random, seededRandom, systemClock } from "./clock.ts";
export type { Fault, FaultHit, FaultKind } from "./fault-script.ts";
export { type LatencyOptions, LatencyStore } from "./latency.ts";
export type { LayerContext, StoreReference } from "./layer-table.ts";
export { LimitStore } from "./limit.ts";
export { METER_CHANNEL, type MeterEvent, type MeterOptions, MeterStore, type OperationCount } from "./meter.ts";
export {
  bridgeToOpenTelemetry,
  type TelemetryApi,
  type TelemetryAttributes,
  type TelemetryCounter,
  type TelemetryHistogram,
  type TelemetryInstrument,
  type TelemetrySpan,
} from "./open-telemetry.ts";
export { type LayerKind, layerKinds, type OrderRule, orderRules } from "./order.ts";
export { type Materialized, type MaterializeOptions, type OverlayOptions, OverlayStore } from "./overlay.ts";
export { PartwiseStore } from "./partwise-store.ts";
export { PermitPool, type PermitPoolOptions } from "./permit-pool.ts";
export { PrefixStore } from "./prefix.ts";
export { ReadOnlyStore } from "./read-only.ts";
export { Retrier, RetryBudget, type RetryCall, type RetryOptions } from "./retrier.ts";
export { RetryStore } from "./retry.ts";
export { RouteStore } from "./route.ts";
export { checkLayers, type LayerConfig, stack } from "./stack.ts";
export { type TimeoutOptions, TimeoutStore } from "./timeout.ts";
export { layersOf, type StoreCall, type StoreOperation, WrappedStore } from "./wrapped-store.ts";
