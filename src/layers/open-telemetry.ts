/** Meters for those who collect with OpenTelemetry. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { StorageError } from "../core/errors.ts";
import { METER_CHANNEL, type MeterEvent } from "./meter.ts";

/** What a measurement or a span was of. */
export type TelemetryAttributes = Record<string, string | number>;

/** The part of `@opentelemetry/api` that is used here; the package is the caller's to install. */
export interface TelemetryApi {
  readonly metrics: {
    /** The meter of a library. */
    getMeter(name: string): {
      /** An instrument for durations. */
      createHistogram(name: string, options: TelemetryInstrument): TelemetryHistogram;
      /** An instrument for amounts. */
      createCounter(name: string, options: TelemetryInstrument): TelemetryCounter;
    };
  };
  /** Absent: no spans. */
  readonly trace?: {
    /** The tracer of a library. */
    getTracer(name: string): {
      /** Begins a span; it may lie in the past. */
      startSpan(
        name: string,
        options: { startTime: number; kind: number; attributes: TelemetryAttributes },
        context: unknown,
      ): TelemetrySpan;
    };
    /** The span of a context, if it has one. */
    getSpan(context: unknown): unknown;
  };
  readonly context?: {
    /** What is going on where the code stands. */
    active(): unknown;
  };
}

/** How an instrument is described. */
export interface TelemetryInstrument {
  description: string;
  unit: string;
  advice?: { explicitBucketBoundaries?: number[] };
}

/** Takes durations. */
export interface TelemetryHistogram {
  /** Takes one, with what it was of. */
  record(value: number, attributes: TelemetryAttributes): void;
}

/** Takes amounts. */
export interface TelemetryCounter {
  /** Adds an amount, with what it was of. */
  add(value: number, attributes: TelemetryAttributes): void;
}

/** A span that has been begun. */
export interface TelemetrySpan {
  /** Says how it went. */
  setStatus(status: { code: number; message?: string }): unknown;
  /** Ends it, at a moment in milliseconds since 1970. */
  end(endTime: number): void;
}

/** Not a literal in the `import()`: the package is optional, and compilers and bundlers must not ask for it. */
const PACKAGE = "@opentelemetry/api";

/** From a tenth of a millisecond, since a store may be memory; in seconds, as the conventions have it. */
const SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** Values of the enumerations `SpanKind` and `SpanStatusCode`, which structural types cannot name. */
const CLIENT = 2;
const ERROR = 2;

/** Parts of an operation. They are measured, and as spans would bury their trace. */
const parts: ReadonlySet<string> = new Set<MeterEvent["operation"]>(["streamChunk", "writeChunk", "list"]);

/**
 * Sends every event of every {@link MeterStore} in this process to OpenTelemetry:
 *
 * - `sluice.store.operation.duration`, a histogram in seconds; its count is the number of calls.
 * - `sluice.store.io`, bytes, with `sluice.store.io.direction` `read` or `write`; only of calls that succeeded.
 * - A span for each whole call that was made inside a span of the caller, as its child. Chunks and steps of listings get
 *   none. Of two meters in one stack each makes its own, side by side.
 *
 * All have `sluice.store.name`, `sluice.store.operation` and, of failures, `error.type`: the code. Only spans have the
 * key (`sluice.store.key`): for metrics there are too many.
 *
 * @param api - Default: the installed `@opentelemetry/api`, loaded now.
 * @returns What ends it.
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` if the package is not installed.
 * @see OpenTelemetry, "Semantic conventions", for names, units and `error.type`
 */
export async function bridgeToOpenTelemetry(api?: TelemetryApi): Promise<() => void> {
  const { metrics, trace, context } = api ?? (await load());
  const meter = metrics.getMeter("sluice");
  const duration = meter.createHistogram("sluice.store.operation.duration", {
    description: "Duration of calls to a byte store",
    unit: "s",
    advice: { explicitBucketBoundaries: SECONDS },
  });
  const io = meter.createCounter("sluice.store.io", { description: "Bytes moved by a byte store", unit: "By" });
  const tracer = trace?.getTracer("sluice");
  const listen = (message: unknown) => {
    const { store, operation, key, durationMs, bytesIn, bytesOut, error } = message as MeterEvent;
    const of = { "sluice.store.name": store, "sluice.store.operation": operation };
    const attributes = error === undefined ? of : { ...of, "error.type": error };
    duration.record(durationMs / 1000, attributes);
    if (error === undefined && bytesIn > 0) io.add(bytesIn, { ...of, "sluice.store.io.direction": "write" });
    if (error === undefined && bytesOut > 0) io.add(bytesOut, { ...of, "sluice.store.io.direction": "read" });
    if (tracer === undefined || parts.has(operation)) return;
    // Channels call in the context of the call that has just ended, which is that of whoever made it.
    const caller = context?.active();
    if (caller === undefined || trace?.getSpan(caller) === undefined) return;
    const endTime = Date.now();
    const span = tracer.startSpan(
      `${operation} ${store}`,
      { startTime: endTime - durationMs, kind: CLIENT, attributes: { ...attributes, "sluice.store.key": key } },
      caller,
    );
    if (error !== undefined) span.setStatus({ code: ERROR });
    span.end(endTime);
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
