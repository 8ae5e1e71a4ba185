/**
 * Streams whose points are scans of the same store: a measurement that is made of others.
 *
 * The info of the scan that has such a stream says `is_scan_sequence: true`; that of each scan in it may have the key of
 * the other as `group`, and its place as `index_in_sequence`.
 *
 * @see blissdata `streams/scan_sequence.py`: JSON points `{"key": …}`
 */
import { StorageError } from "../../core/errors.ts";
import { JsonCodec } from "../encoding/json-points.ts";
import type { EncodedPoints, PointCodec } from "../encoding/point-codec.ts";
import type { CallOptions, Entry } from "../engine.ts";
import { isScanKey } from "../keys.ts";
import type { Scan } from "../scan.ts";
import type { StreamDefinition } from "../stream-definition.ts";
import type { PluginContext, StreamPlugin } from "../stream-plugin.ts";

/** What to create such a stream with. What is sent are scans, or their keys. */
export function scanSequence(): StreamDefinition {
  return { type: "json", info: { plugin: "scan-sequence" } };
}

/** Points are scans, as they are when they are read; a scan that is gone by then is `NOT_FOUND`. */
export class ScanSequenceCodec implements PointCodec<readonly Scan[], Scan> {
  readonly #json = new JsonCodec();
  readonly #loadScan: PluginContext["loadScan"];

  constructor(loadScan: PluginContext["loadScan"]) {
    this.#loadScan = loadScan;
  }

  /**
   * @param data - A scan, or the key of one.
   * @throws A {@link StorageError} `INVALID_DATA`.
   */
  encode(data: unknown): EncodedPoints {
    const key = typeof data === "string" ? data : (data as Partial<Scan> | null)?.key;
    if (typeof key === "string" && isScanKey(key)) return this.#json.encode({ key });
    throw new StorageError("INVALID_DATA", "A scan or the key of one was expected: esrf:scan:…");
  }

  async decode(entry: Entry, from: number, to: number, options: CallOptions = {}): Promise<readonly Scan[]> {
    const keys = this.#json.decode(entry, from, to).map((value) => keyIn(value, entry));
    return await Promise.all(keys.map((key) => this.#loadScan(key, options)));
  }

  concat(parts: readonly (readonly Scan[])[]): readonly Scan[] {
    return parts.flat();
  }

  pick(points: readonly Scan[], indexes: readonly number[]): readonly Scan[] {
    return indexes.map((index) => points[index] as Scan);
  }

  at(points: readonly Scan[], index: number): Scan {
    return points[index] as Scan;
  }

  count(points: readonly Scan[]): number {
    return points.length;
  }
}

/** The plugin `scan-sequence`, which every store has; `scan_sequence` of blissdata is the same. */
export const scanSequencePlugin: StreamPlugin = {
  open: (_stream, { loadScan }) => ({ codec: new ScanSequenceCodec(loadScan) }),
};

function keyIn(value: unknown, { index }: Entry): string {
  const { key } = (typeof value === "object" && value !== null ? value : {}) as { readonly key?: unknown };
  if (typeof key === "string") return key;
  throw new StorageError("CORRUPT", `Entry ${index} of a stream of scans has no key of a scan`);
}
