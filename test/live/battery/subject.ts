import type { NdArray } from "../../../src/core/nd-array.ts";
import { DataStore, type DataStoreOptions } from "../../../src/live/data-store.ts";
import type { LiveEngine } from "../../../src/live/engine.ts";
import type { Stream } from "../../../src/live/stream.ts";
import type { StreamDefinition } from "../../../src/live/stream-definition.ts";
import type { StreamWriter } from "../../../src/live/stream-writer.ts";
import type { WritableScan } from "../../../src/live/writable-scan.ts";

/** A fresh store of an engine, for one test. */
export interface Subject {
  connect(): Promise<LiveEngine>;
  /** How many wait, in the process or at the server; absent where nobody can say. */
  waiting?(): Promise<number>;
  dispose(): Promise<void>;
}

/** An engine that the battery runs on. */
export interface BatteryEngine {
  readonly name: string;
  readonly make: () => Promise<Subject>;
  /** A store that takes some megabytes and no more; absent where nothing limits an engine. */
  readonly makeLimited?: () => Promise<Subject>;
}

/** Runs the body with a store of its own: one to write, one to read. */
export async function withStores(
  { make }: BatteryEngine,
  body: (writing: DataStore, reading: DataStore, subject: Subject) => Promise<void>,
  options: DataStoreOptions = {},
): Promise<void> {
  const subject = await make();
  try {
    const [writing, reading] = [await subject.connect(), await subject.connect()];
    await body(new DataStore(writing, options), new DataStore(reading, options), subject);
  } finally {
    await subject.dispose();
  }
}

/** A writer and a reader of one stream of numbers. */
export interface StreamPair {
  readonly scan: WritableScan;
  readonly writer: StreamWriter;
  readonly stream: Stream<NdArray, number>;
}

/** A stream that is written here and read there; the scan is STARTED. */
export async function makeStream(
  writing: DataStore,
  reading: DataStore,
  definition: StreamDefinition = { dtype: "float64" },
): Promise<StreamPair> {
  const scan = await writing.createScan({ name: "scan", number: 1 });
  const writer = await scan.createStream("data", definition);
  await scan.prepare();
  await scan.start();
  const stream = (await reading.loadScan(scan.key)).stream<NdArray, number>("data");
  return { scan, writer, stream };
}

/** The numbers from one up to another. */
export function numbers(from: number, to: number): Float64Array {
  return Float64Array.from({ length: to - from }, (_, i) => from + i);
}

/** What a promise rejects with. */
export async function failureOf(
  work: Promise<unknown>,
): Promise<{ code?: string; name?: string; [member: string]: unknown }> {
  try {
    await work;
  } catch (error) {
    return error as { code?: string };
  }
  throw new Error("It did not fail");
}

/** Time for an answer that comes too early to come. */
export function moment(ms = 20): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
