/** Writers for streams that another process began. */
import { randomUUID } from "node:crypto";
import type { Bounds, CallOptions } from "./engine.ts";
import type { ScanHeader } from "./header.ts";
import type { ScanContext } from "./scan.ts";
import { openStream } from "./stream-plugin.ts";
import { StreamWriter, type StreamWriterOptions } from "./stream-writer.ts";
import type { TakenStreams } from "./writable-scan.ts";

/** A writer for each stream of a scan, at its length; a stream whose plugin fails leaves the others writable. */
export async function takeStreams(
  scan: ScanHeader,
  context: ScanContext,
  options: StreamWriterOptions & CallOptions,
): Promise<TakenStreams> {
  const { engine } = context;
  // From now on the one before appends nothing more: what is there stays as long as it is.
  const claim = randomUUID();
  const streams = Object.values(scan.streams);
  const keys = streams.map(({ key }) => key);
  const bounds = await engine.claim(keys, claim, { signal: options.signal });
  const writers = new Map<string, StreamWriter>();
  const failures = new Map<string, unknown>();
  for (const [i, stream] of streams.entries()) {
    try {
      const { codec } = await openStream(stream, context);
      writers.set(stream.name, new StreamWriter(engine, stream, codec, (bounds[i] as Bounds).length, options, claim));
    } catch (error) {
      failures.set(stream.name, error);
    }
  }
  return { writers, failures };
}
