/** Meters for those who collect with OpenTelemetry. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { StorageError } from "../core/errors.ts";
import { METER_CHANNEL, type MeterEvent } from "./meter.ts";

/** The part of `@opentelemetry/api` that is used here; the package is the caller's to install. */
export interface TelemetryApi {
  readonly metrics: {
    /** The meter of a library. */
    getMeter(name: string): {
      /** An instrument for durations. */
      createHistogram(name: string, options: { description: string; unit: string }): TelemetryHistogram;
      /** An instrument for amounts. */
      createCounter(name: string, options: { description: string; unit: string }): TelemetryCounter;
    };
  };
}

/** Takes durations. */
export interface TelemetryHistogram {
  /** Takes one, with what it was of. */
  record(value: number, attributes: Record<string, string>): void;
}

/** Takes amounts. */
export interface TelemetryCounter {
  /** Adds an amount, with what it was of. */
  add(value: number, attributes: Record<string, string>): void;
}

/** Not a literal in the `import()`: the package is optional, and compilers and bundlers must not ask for it. */
const PACKAGE = "@opentelemetry/api";

/**
 * Sends every event of every {@link MeterStore} in this process to OpenTelemetry: `sluice.store.duration` (ms), with
 * `store`, `operation` and, for failures, `error`; `sluice.store.bytes`, with `direction` `in` or `out`. Keys are left
 * out: there are too many of them.
 *
 * @param api - Default: the installed `@opentelemetry/api`, loaded now.
 * @returns What ends it.
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` if the package is not installed.
 */
export async function bridgeToOpenTelemetry(api?: TelemetryApi): Promise<() => void> {
  const { metrics } = api ?? (await load());
  const meter = metrics.getMeter("sluice");
  const duration = meter.createHistogram("sluice.store.duration", { description: "Time of a call", unit: "ms" });
  const bytes = meter.createCounter("sluice.store.bytes", { description: "Bytes moved", unit: "By" });
  const listen = (message: unknown) => {
    const { store, operation, durationMs, bytesIn, bytesOut, error } = message as MeterEvent;
    const attributes = { store, operation };
    duration.record(durationMs, error === undefined ? attributes : { ...attributes, error });
    if (error !== undefined) return;
    if (bytesIn > 0) bytes.add(bytesIn, { ...attributes, direction: "in" });
    if (bytesOut > 0) bytes.add(bytesOut, { ...attributes, direction: "out" });
  };
  subscribe(METER_CHANNEL, listen);
  return () => {
    unsubscribe(METER_CHANNEL, listen);
  };
}

async function load(): Promise<TelemetryApi> {
  try {
    return (await import(PACKAGE)) as TelemetryApi;
  } catch (cause) {
    throw new StorageError("MISSING_DEPENDENCY", `${PACKAGE} is not installed: npm install ${PACKAGE}`, { cause });
  }
}
