/** With the packages of OpenTelemetry themselves: what an application sees that collects with them. */
import * as api from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { LatencyStore } from "../../src/layers/latency.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { bridgeToOpenTelemetry, type TelemetryApi } from "../../src/layers/open-telemetry.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

const traced = new InMemorySpanExporter();
let measured: InMemoryMetricExporter;
let provider: MeterProvider;
let stop: () => void;

beforeEach(async () => {
  traced.reset();
  measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // Exported only when it is flushed.
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 2 ** 31 - 1 });
  provider = new MeterProvider({ readers: [reader] });
  api.metrics.setGlobalMeterProvider(provider);
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(traced)] }));
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  stop = await bridgeToOpenTelemetry();
});

afterEach(async () => {
  stop();
  await provider.shutdown();
  for (const part of [api.metrics, api.trace, api.context]) part.disable();
});

/** Every point of a metric, with its attributes. */
async function points(name: string) {
  await provider.forceFlush();
  const scopes = measured.getMetrics().at(-1)?.scopeMetrics ?? [];
  const metric = scopes
    .filter(({ scope }) => scope.name === "sluice")
    .flatMap(({ metrics }) => metrics)
    .find(({ descriptor }) => descriptor.name === name);
  const data = (metric?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }));
  return { unit: metric?.descriptor.unit, data };
}

function slowStore(delayMs: number) {
  const clock = new FakeClock({ automatic: true });
  return new MeterStore(new LatencyStore(new MemoryStore(), { delayMs, clock }), { clock, name: "m" });
}

const of = (operation: string) => ({ "sluice.store.name": "m", "sluice.store.operation": operation });

describe("metrics", () => {
  it("count calls by duration in seconds, failures by their code, and never by key", async () => {
    const store = slowStore(20);
    for (const key of ["a", "b"]) await store.write(key, new Uint8Array(3));
    await store.read("missing").catch(() => {});
    const { unit, data } = await points("sluice.store.operation.duration");
    expect(unit).toBe("s");
    expect(data).toMatchObject([
      { attributes: of("write"), value: { count: 2, sum: 0.04, max: 0.02 } },
      { attributes: { ...of("read"), "error.type": "NOT_FOUND" }, value: { count: 1, sum: 0.02 } },
    ]);
    const { buckets } = (data[0] as { value: { buckets: { boundaries: number[]; counts: number[] } } }).value;
    expect(buckets.counts[buckets.boundaries.indexOf(0.05)]).toBe(2);
    expect(JSON.stringify(data)).not.toContain("missing");
  });

  it("count the bytes of both directions, of streams and writers as well, and none of what failed", async () => {
    const store = slowStore(0);
    const writer = await store.openWriter("a");
    await writer.write(new Uint8Array(700));
    await writer.close();
    await store.read("a", { range: { offset: 100 } });
    for await (const _ of (await store.readStream("a")) as unknown as AsyncIterable<Uint8Array>);
    await store.write("a", new Uint8Array(9), { ifAbsent: true }).catch(() => {});
    const { unit, data } = await points("sluice.store.io");
    expect(unit).toBe("By");
    const direction = (way: string) => ({ "sluice.store.io.direction": way });
    expect(data).toEqual([
      { attributes: { ...of("writeChunk"), ...direction("write") }, value: 700 },
      { attributes: { ...of("read"), ...direction("read") }, value: 600 },
      { attributes: { ...of("streamChunk"), ...direction("read") }, value: 700 },
    ]);
  });
});

describe("spans", () => {
  it("are children of the caller's, also of callers at the same time, with times, key and failure", async () => {
    const store = slowStore(20);
    const tracer = api.trace.getTracer("pipeline");
    const pipeline = (name: string) =>
      tracer.startActiveSpan(name, async (span) => {
        await store.write(name, new Uint8Array(1));
        await store.read(`no ${name}`).catch(() => {});
        span.end();
        return span.spanContext();
      });
    const [one, two] = await Promise.all([pipeline("one"), pipeline("two")]);
    const ours = traced.getFinishedSpans().filter(({ name }) => name.endsWith(" m"));
    const seen = ours.map(({ name, kind, status, attributes, duration, parentSpanContext }) => ({
      name,
      isClient: kind === api.SpanKind.CLIENT,
      isError: status.code === api.SpanStatusCode.ERROR,
      error: attributes["error.type"],
      key: attributes["sluice.store.key"],
      ms: Math.round(duration[0] * 1e3 + duration[1] / 1e6),
      parent: parentSpanContext?.spanId,
    }));
    const common = { isClient: true, ms: 20 };
    const written = { ...common, name: "write m", isError: false, error: undefined };
    const failed = { ...common, name: "read m", isError: true, error: "NOT_FOUND" };
    expect(seen).toHaveLength(4);
    for (const [key, parent] of [
      ["one", one.spanId],
      ["two", two.spanId],
    ] as const) {
      expect(seen).toContainEqual({ ...written, key, parent });
      expect(seen).toContainEqual({ ...failed, key: `no ${key}`, parent });
    }
  });

  it("are not made where the caller has none, nor for each chunk and each step of a listing", async () => {
    const store = slowStore(0);
    await store.write("a", new Uint8Array(1));
    expect(traced.getFinishedSpans()).toEqual([]);
    await api.trace.getTracer("pipeline").startActiveSpan("listing", async (span) => {
      for await (const { key } of store.list()) await (await store.readStream(key)).cancel();
      span.end();
    });
    expect(traced.getFinishedSpans().map(({ name }) => name)).toEqual(["readStream m", "listing"]);
  });
});

it("nothing arrives once the bridge is down", async () => {
  stop();
  await slowStore(0).write("a", new Uint8Array(1));
  expect((await points("sluice.store.operation.duration")).data).toEqual([]);
});

it("an application with metrics alone needs no tracer, and the package fits the type", async () => {
  const whole: TelemetryApi = api;
  const end = await bridgeToOpenTelemetry({ metrics: whole.metrics });
  await api.trace.getTracer("pipeline").startActiveSpan("run", async (span) => {
    stop();
    await slowStore(0).write("a", new Uint8Array(1));
    span.end();
  });
  end();
  expect(traced.getFinishedSpans().map(({ name }) => name)).toEqual(["run"]);
  expect((await points("sluice.store.operation.duration")).data).toHaveLength(1);
});
