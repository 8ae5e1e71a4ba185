/** Viewers as a backend: what is saved is shown. */
import type { BackendOptions } from "../../src/core/backend.ts";
import { type BatchOptions, mapBatch } from "../../src/core/batch.ts";
import type { Capabilities } from "../../src/core/capabilities.ts";
import { checkAborted, checkInteger, checkOpen, checkSameLength } from "../../src/core/checks.ts";
import type { SaveOptions, SaveResult } from "../../src/core/data-sink.ts";
import { runAll, StorageError, toStorageError } from "../../src/core/errors.ts";
import { isNdArray } from "../../src/core/nd-array.ts";
import { StreamingBackend } from "../../src/core/special-backends.ts";
import { type Clock, systemClock } from "../../src/layers/clock.ts";
import { streamCapabilities } from "./capabilities.ts";
import { type BatchPlace, canonical, checkItem, encodeItem, type Producer, type StreamMetadata } from "./item.ts";
import type { StreamTransport } from "./transport.ts";
import { Viewer } from "./viewer.ts";
import {
  defaultViewerSettings,
  type SomeViewerSettings,
  type ViewerLoss,
  type ViewerReport,
  type ViewerSettings,
} from "./viewer-settings.ts";

/** A viewer: how to reach it, and how it is treated where that differs from the others. */
export interface ViewerConfig extends SomeViewerSettings {
  /** From `webSocketTransport` or `messagePortTransport`, or of your own. */
  readonly transport: StreamTransport;
}

/** Options of a {@link StreamBackend}. */
export interface StreamBackendOptions extends BackendOptions, SomeViewerSettings {
  /** At least one. */
  readonly viewers: readonly (StreamTransport | ViewerConfig)[];
  /** Who makes the values, unless a call says otherwise. Default: the name of the backend. */
  readonly producer?: string | Producer | undefined;
  /** Hears of each value that did not arrive and for which no `save` waits. */
  readonly onLoss?: ((loss: ViewerLoss) => void) | undefined;
  /** Default: that of this machine. */
  readonly clock?: Clock | undefined;
}

/** Options of {@link StreamBackend.save}. */
export interface StreamSaveOptions extends SaveOptions {
  /** About this value: plain JSON. Default `{}`. */
  readonly metadata?: StreamMetadata | undefined;
  /** Names of the axes of an array, slowest first. */
  readonly axes?: readonly string[] | undefined;
  /** Who made it. */
  readonly producer?: Producer | undefined;
}

/** Something for each item of a batch: by index, or by identifier. Each item must have its entry. */
export type PerItem<T> = readonly T[] | Readonly<Record<string, T>>;

/** Options of {@link StreamBackend.saveBatch}. */
export interface StreamBatchOptions extends SaveOptions, BatchOptions {
  /** About each value. Default: `{}` for all. */
  readonly itemMetadata?: PerItem<StreamMetadata> | undefined;
  /** About the batch as a whole. Default `{}`. */
  readonly batchMetadata?: StreamMetadata | undefined;
  /** Names of the axes of every array. */
  readonly axes?: readonly string[] | undefined;
  /** Who made each value. Default: the producer of the backend. */
  readonly producers?: PerItem<Producer> | undefined;
}

/**
 * Sends values to viewers.
 *
 * - A value is copied once, into the message that all viewers get; the caller's memory is free when `save` resolves.
 * - `save` resolves when every viewer with the policy `block` has processed the value. The others never slow it down:
 *   {@link StreamBackend.report} counts what became of their values, and `onLoss` hears of what they did not get.
 * - A failure of one viewer keeps a value from no other. One that `save` waits for is thrown.
 * - Values of one path replace each other in a viewer, so that `ifExists` means nothing here.
 *
 * @see OpenHCS `io/streaming`, `StreamingBackend`
 */
export class StreamBackend extends StreamingBackend {
  readonly key = "stream";
  readonly capabilities: Capabilities = streamCapabilities;
  readonly #viewers: readonly Viewer[];
  readonly #producer: Producer;
  #nextId = 0;

  /** @throws A {@link StorageError} `CONFIG_INVALID` or `INVALID_DATA` for options that cannot be. */
  constructor(options: StreamBackendOptions) {
    super(options);
    const {
      viewers,
      producer = this.name,
      onLoss,
      clock = systemClock,
      instance: _,
      ifExists: __,
      ...shared
    } = options;
    if (viewers.length === 0)
      throw new StorageError("CONFIG_INVALID", `Backend "${this.name}" has no viewer to send to`);
    this.#producer = typeof producer === "string" ? { name: producer } : producer;
    const sender = crypto.randomUUID();
    const report = (loss: ViewerLoss) => {
      // A turn later: what a listener throws must not end what is being done here.
      if (onLoss !== undefined) queueMicrotask(() => onLoss(loss));
    };
    this.#viewers = viewers.map((viewer) => {
      const { transport, ...own } = "transport" in viewer ? viewer : { transport: viewer };
      const settings = checkSettings(mergeSettings(shared, own));
      return new Viewer({ ...settings, transport, sender, clock, onLoss: report });
    });
  }

  /** What became of everything, viewer by viewer. */
  report(): ViewerReport[] {
    return this.#viewers.map((viewer) => viewer.report);
  }

  /** Resolves when nothing waits for any viewer: all was answered, dropped, or given up. */
  async flush(): Promise<void> {
    await Promise.all(this.#viewers.map((viewer) => viewer.drained()));
  }

  /**
   * Sends one value.
   *
   * @param data - An array with at least one element, JSON, text or bytes.
   * @param identifier - The slot of the viewer: a path.
   * @throws A {@link StorageError}: `INVALID_DATA` for what cannot be shown; what a viewer with `block` answered, or
   * `TIMED_OUT`; `RATE_LIMITED` if a viewer with `error` has no room.
   */
  override save(data: unknown, identifier: string, options: StreamSaveOptions = {}): Promise<SaveResult> {
    return super.save(data, identifier, options);
  }

  /**
   * Sends several values that belong together. Everything is checked before the first is sent.
   *
   * @throws A {@link StorageError}: as {@link StreamBackend.save}; `INVALID_DATA` if an item has no entry in
   * `itemMetadata` or `producers`, or an entry has no item; `CONFLICT` if two producers share an identifier. One failure
   * as it is, several as an `AggregateError`.
   */
  override async saveBatch(
    dataList: readonly unknown[],
    identifiers: readonly string[],
    options: StreamBatchOptions = {},
  ): Promise<SaveResult[]> {
    const context = { backend: this.name, operation: "saveBatch" };
    checkOpen(this.isOpen, `Backend "${this.name}"`, context);
    checkAborted(options.signal, context);
    checkSameLength(dataList, identifiers, context);
    const paths = identifiers.map((identifier) => this.resolveKey(identifier));
    const { itemMetadata, batchMetadata = {}, axes, producers, ...rest } = options;
    const metadata = perItem(itemMetadata, identifiers, "itemMetadata", {});
    const makers = perItem(producers, identifiers, "producers", this.#producer);
    const id = crypto.randomUUID();
    const places = paths.map((_, index): BatchPlace => ({ id, index, count: paths.length, metadata: batchMetadata }));
    const items = dataList.map((data, i) => ({
      path: paths[i] as string,
      data,
      axes: isNdArray(data) ? axes : undefined,
      metadata: metadata[i] as StreamMetadata,
      producer: makers[i] as Producer,
      batch: places[i] as BatchPlace,
    }));
    for (const item of items) checkItem(item);
    checkSlots(items);
    return mapBatch<string, SaveResult>(
      identifiers,
      (identifier, i) =>
        this.perform("save", identifier, rest, async () => {
          await this.#send(items[i] as (typeof items)[number], rest);
          return { status: "created", identifier };
        }),
      rest,
      (error, identifier) => ({ status: "failed", identifier, error }),
    );
  }

  protected async doSend(data: unknown, path: string, options: StreamSaveOptions): Promise<void> {
    const { metadata = {}, axes, producer = this.#producer } = options;
    await this.#send({ path, data, axes, metadata, producer }, options);
  }

  protected override async doClose(): Promise<void> {
    await runAll([() => Promise.all(this.#viewers.map((viewer) => viewer.close()))], `Closing "${this.name}" failed`);
  }

  /** One message for all viewers; each gets it in its own time. */
  async #send(item: Parameters<typeof checkItem>[0], { format, codecOptions, signal }: SaveOptions): Promise<void> {
    if (format !== undefined || codecOptions !== undefined) {
      throw new StorageError("INVALID_DATA", `"${item.path}": values travel as they are, without a codec`);
    }
    const id = this.#nextId++;
    const bytes = encodeItem({ ...item, id });
    const isLast = this.#viewers.length === 1;
    const outgoing = { id, path: item.path, message: bytes, byteLength: bytes.byteLength, isLast };
    const outcomes = await Promise.allSettled(this.#viewers.map((viewer) => viewer.offer(outgoing, signal)));
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    if (failures.length === 0) return;
    const { code, message, retryable } = toStorageError(failures[0], {});
    throw new StorageError(code, failures.length === 1 ? message : `${failures.length} viewers: ${message}`, {
      backend: this.name,
      operation: "save",
      identifier: item.path,
      retryable,
      cause: failures.length === 1 ? failures[0] : new AggregateError(failures),
    });
  }
}

function mergeSettings(shared: SomeViewerSettings, own: SomeViewerSettings): ViewerSettings {
  const said = (settings: object) =>
    Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return { ...defaultViewerSettings, ...said(shared), ...said(own) };
}

function checkSettings(settings: ViewerSettings): ViewerSettings {
  const { policy, bufferBytes, windowBytes, connectTimeoutMs, ackTimeoutMs, reconnect } = settings;
  if (!["block", "dropOldest", "error"].includes(policy)) {
    throw new StorageError("CONFIG_INVALID", `The policy of a viewer is block, dropOldest or error, not "${policy}"`);
  }
  const numbers = { bufferBytes, windowBytes, connectTimeoutMs, ackTimeoutMs };
  for (const [name, value] of Object.entries(numbers)) checkInteger(value, name, 1);
  for (const [name, value] of Object.entries(reconnect)) checkInteger(value, `reconnect.${name}`, 0);
  return settings;
}

/** One entry for each identifier, whichever way they were given. */
function perItem<T>(given: PerItem<T> | undefined, identifiers: readonly string[], name: string, otherwise: T): T[] {
  if (given === undefined) return identifiers.map(() => otherwise);
  if (Array.isArray(given)) {
    if (given.length === identifiers.length && !given.includes(undefined)) return [...given];
    throw new StorageError("INVALID_DATA", `${name} has ${given.length} entries for ${identifiers.length} items`);
  }
  const entries = given as Readonly<Record<string, T>>;
  const missing = identifiers.find((identifier) => !Object.hasOwn(entries, identifier));
  if (missing !== undefined) throw new StorageError("INVALID_DATA", `${name} has no entry for "${missing}"`);
  const left = Object.keys(entries).find((key) => !identifiers.includes(key));
  if (left !== undefined)
    throw new StorageError("INVALID_DATA", `${name} has an entry for "${left}", which is not sent`);
  return identifiers.map((identifier) => entries[identifier] as T);
}

/** One slot, one producer. Across batches and senders the receiver sees to it. */
function checkSlots(items: readonly { readonly path: string; readonly producer: Producer }[]): void {
  const makers = new Map<string, string>();
  for (const { path, producer } of items) {
    const maker = canonical(producer);
    if ((makers.get(path) ?? maker) !== maker) {
      throw new StorageError("CONFLICT", `Two producers send "${path}" in one batch`, { identifier: path });
    }
    makers.set(path, maker);
  }
}
