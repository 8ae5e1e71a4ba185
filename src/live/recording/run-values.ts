/** Values of events, read back from the documents of their run. */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { findStore } from "../../../registry/find-store.ts";
import { splitUri } from "../../../registry/uri.ts";
import type { ByteStore } from "../../core/byte-store.ts";
import type { EventDescriptor, EventDocument } from "../../core/documents.ts";
import { StorageError } from "../../core/errors.ts";
import type { CallOptions } from "../engine.ts";

/** Files that are kept, those that were used last. */
const KEPT_FILES = 4;

type Values = Pick<EventDocument, "time" | "data">;

/** Events that follow each other and have the same descriptor. */
interface EventRun {
  readonly descriptor: EventDescriptor;
  readonly events: Values[];
}

/** The events of one file, by the name of their bluesky stream. */
type RunEvents = ReadonlyMap<string, readonly EventRun[]>;

/** Reads files of documents, one JSON line each, as `DocumentFile` writes them. */
export class RunValues {
  readonly #backends: BackendSet;
  readonly #files = new Map<string, { readonly version: string; readonly events: RunEvents }>();

  constructor(backends: BackendSet) {
    this.#backends = backends;
  }

  /**
   * Values of one data key.
   *
   * @param field - `undefined`: the times of the events.
   * @throws A {@link StorageError} `NOT_FOUND` if the file is not there, or has not so many events; `CORRUPT`.
   */
  async read(
    uri: string,
    stream: string,
    field: string | undefined,
    [from, to]: readonly [number, number],
    options: CallOptions,
  ): Promise<unknown[]> {
    const runs = (await this.#events(uri, options)).get(stream) ?? [];
    const points: unknown[] = [];
    let length = 0;
    for (const { descriptor, events } of runs) {
      // A later descriptor may have more keys: their points begin with its events.
      if (field !== undefined && !Object.hasOwn(descriptor.data_keys, field)) continue;
      for (const { time, data } of events.slice(Math.max(from - length, 0), Math.max(to - length, 0))) {
        points.push(field === undefined ? time : data[field]);
      }
      length += events.length;
    }
    if (length >= to) return points;
    const message = `${uri} has ${length} points of "${field ?? "time"}" in "${stream}", not ${to}`;
    throw new StorageError("NOT_FOUND", message, { operation: "read", identifier: uri });
  }

  async #events(uri: string, options: CallOptions): Promise<RunEvents> {
    const { store, key } = await this.#place(uri);
    const { byteLength, etag } = await store.stat(key, options);
    const version = `${byteLength} ${etag}`;
    const known = this.#files.get(uri);
    const events = known?.version === version ? known.events : parse(await store.read(key, options), uri);
    this.#files.delete(uri);
    this.#files.set(uri, { version, events });
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= KEPT_FILES) break;
      this.#files.delete(oldest);
    }
    return events;
  }

  async #place(uri: string): Promise<{ readonly store: ByteStore; readonly key: string }> {
    // A file needs no credentials, and a disk of the set may have any root.
    const named = /^file:/i.test(uri) ? undefined : await findStore(this.#backends, uri);
    const { store, key } = named === undefined ? splitUri(uri) : { store: named.name, key: named.key };
    return { store: await this.#backends.store(store), key };
  }
}

function parse(bytes: Uint8Array, file: string): RunEvents {
  // A process that was killed may have left a part of a line, which nobody was told of.
  const lines = new TextDecoder().decode(bytes).split("\n").slice(0, -1);
  const descriptors = new Map<string, EventDescriptor>();
  const events = new Map<string, EventRun[]>();
  for (const [i, line] of lines.entries()) {
    const { name, doc } = documentOf(line, `Line ${i + 1} of ${file}`);
    if (name === "descriptor") descriptors.set((doc as EventDescriptor).uid, doc as EventDescriptor);
    if (name !== "event") continue;
    const { descriptor: uid, time, data } = doc as EventDocument;
    const descriptor = descriptors.get(uid);
    if (descriptor === undefined) throw corrupt(`The event of line ${i + 1} of ${file} has no descriptor before it`);
    const runs = events.get(descriptor.name) ?? [];
    events.set(descriptor.name, runs);
    const last = runs.at(-1);
    if (last?.descriptor === descriptor) last.events.push({ time, data });
    else runs.push({ descriptor, events: [{ time, data }] });
  }
  return events;
}

function documentOf(line: string, what: string): { readonly name: unknown; readonly doc: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw corrupt(`${what} is no document`, cause);
  }
  if (typeof value === "object" && value !== null && "name" in value && "doc" in value) return value;
  throw corrupt(`${what} is no document`);
}

function corrupt(message: string, cause?: unknown): StorageError {
  return new StorageError("CORRUPT", message, { operation: "read", cause });
}
