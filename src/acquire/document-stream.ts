/** One stream of a run: its descriptor, and how far its events and frames have come. Internal to `RunDocuments`. */
import type { EventDescriptor, IndexRange, StreamAsset, StreamDatum, StreamResource } from "../core/documents.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";

interface ResourceState {
  readonly dataKey: string;
  /** Rows announced so far. */
  rows: number;
}

/** The bookkeeping of one stream. */
export class DocumentStream {
  readonly descriptor: EventDescriptor;
  readonly #resources = new Map<string, ResourceState>();
  readonly #framesEvents = new Map<string, number>();
  readonly #scalarKeys: readonly string[];
  #events = 0;

  constructor(descriptor: EventDescriptor) {
    this.descriptor = descriptor;
    const keys = Object.entries(descriptor.data_keys);
    this.#scalarKeys = keys.filter(([, key]) => key.external === undefined).map(([name]) => name);
    for (const [name, key] of keys) if (key.external === "STREAM:") this.#framesEvents.set(name, 0);
  }

  /** Events so far, whether they have a row of readings, frames, or both. */
  get eventCount(): number {
    return Math.max(this.#events, ...this.#framesEvents.values());
  }

  /** Counts an event with readings, which must be those of the descriptor. */
  nextEvent(data: Readonly<Record<string, unknown>>, context: ErrorContext): number {
    const given = Object.keys(data);
    const wrong = [
      ...given.filter((key) => !this.#scalarKeys.includes(key)),
      ...this.#scalarKeys.filter((key) => !Object.hasOwn(data, key)),
    ];
    if (wrong.length > 0) {
      const message = `An event of stream "${this.descriptor.name}" has the keys ${this.#scalarKeys.join(", ")}; wrong or missing: ${wrong.join(", ")}`;
      throw new StorageError("INVALID_DATA", message, context);
    }
    return ++this.#events;
  }

  /**
   * Fills what the devices left empty in the documents of one collection. All or nothing: they are checked together
   * before any is counted.
   */
  fill(assets: readonly StreamAsset[], context: ErrorContext): StreamAsset[] {
    const added = new Map<string, ResourceState>();
    const ends = new Map<string, number>();
    for (const [kind, document] of assets) {
      if (kind === "stream_resource") this.#addResource(document, added, context);
      else this.#checkDatum(document, added, ends, context);
    }
    this.#checkWidths(assets, added, context);
    for (const [uid, state] of added) this.#resources.set(uid, state);
    return assets.map((asset) =>
      asset[0] === "stream_datum" ? ["stream_datum", this.#count(asset[1])] : this.#withRun(asset[1]),
    );
  }

  #withRun(resource: StreamResource): StreamAsset {
    return ["stream_resource", { ...resource, run_start: this.descriptor.run_start }];
  }

  #addResource(resource: StreamResource, added: Map<string, ResourceState>, context: ErrorContext): void {
    if (!this.#framesEvents.has(resource.data_key)) {
      throw new StorageError(
        "INVALID_DATA",
        `Stream "${this.descriptor.name}" describes no key "${resource.data_key}" with external "STREAM:"`,
        context,
      );
    }
    if (this.#resources.has(resource.uid) || added.has(resource.uid)) {
      throw new StorageError("CONFLICT", `stream_resource ${resource.uid} was announced already`, context);
    }
    added.set(resource.uid, { dataKey: resource.data_key, rows: 0 });
  }

  #checkDatum(
    datum: StreamDatum,
    added: ReadonlyMap<string, ResourceState>,
    ends: Map<string, number>,
    context: ErrorContext,
  ): void {
    const uid = datum.stream_resource;
    const resource = this.#resources.get(uid) ?? added.get(uid);
    if (resource === undefined) {
      throw new StorageError("INVALID_DATA", `stream_datum ${datum.uid} refers to an unknown stream_resource`, context);
    }
    const { start, stop } = datum.indices;
    const expected = ends.get(uid) ?? resource.rows;
    // Readers sum the rows up: a gap would shift every frame behind it.
    if (start !== expected || stop <= start) {
      const message = `stream_datum ${datum.uid} has rows ${start} to ${stop}; the next row is ${expected}`;
      throw new StorageError("INVALID_DATA", message, context);
    }
    ends.set(uid, stop);
  }

  /** Readers give each event of a collection a value from every key: the same number for all, or none at all. */
  #checkWidths(assets: readonly StreamAsset[], added: ReadonlyMap<string, ResourceState>, context: ErrorContext): void {
    const widths = new Map<string, number>();
    for (const [kind, document] of assets) {
      if (kind !== "stream_datum") continue;
      const resource = this.#resources.get(document.stream_resource) ?? added.get(document.stream_resource);
      const key = (resource as ResourceState).dataKey;
      widths.set(key, (widths.get(key) ?? 0) + document.indices.stop - document.indices.start);
    }
    if (widths.size === 0) return;
    const events = [...this.#framesEvents.keys()].map((key) => widths.get(key) ?? 0);
    if (events.every((count) => count === events[0])) return;
    const counts = [...this.#framesEvents.keys()].map((key, i) => `${key}: ${events[i]}`).join(", ");
    throw new StorageError(
      "CONFLICT",
      `One collection of stream "${this.descriptor.name}" has different numbers of events (${counts}); collect up to the smallest`,
      context,
    );
  }

  #count(datum: StreamDatum): StreamDatum {
    const resource = this.#resources.get(datum.stream_resource) as ResourceState;
    const width = datum.indices.stop - datum.indices.start;
    const before = this.#framesEvents.get(resource.dataKey) ?? 0;
    resource.rows = datum.indices.stop;
    this.#framesEvents.set(resource.dataKey, before + width);
    const seqNums: IndexRange = { start: before + 1, stop: before + width + 1 };
    return { ...datum, descriptor: this.descriptor.uid, seq_nums: seqNums };
  }
}
