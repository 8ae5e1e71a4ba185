/**
 * Viewers as a backend: values as messages over WebSockets and message ports, and the receiver that viewers are built on.
 * Light: what sends and listens is loaded when it is needed.
 *
 * @module sluice/backends/stream
 */
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import { streamCapabilities } from "./capabilities.ts";
import type { BackPressure, ReconnectPolicy, SomeViewerSettings } from "./viewer-settings.ts";

export {
  type PerItem,
  StreamBackend,
  type StreamBackendOptions,
  type StreamBatchOptions,
  type StreamSaveOptions,
  type ViewerConfig,
} from "./backend.ts";
export { Grouping, type GroupingOptions } from "./grouping.ts";
export type { BatchPlace, Producer, StreamItem, StreamMetadata } from "./item.ts";
export { messagePortTransport, type PortLike } from "./message-port.ts";
export { type ReceivedItem, Receiver, type ReceiverOptions, type ServeOptions } from "./receiver.ts";
export type { Connection, ConnectionEvents, PausableConnection, StreamTransport } from "./transport.ts";
export type {
  BackPressure,
  ReconnectPolicy,
  SomeViewerSettings,
  ViewerLoss,
  ViewerReport,
  ViewerSettings,
} from "./viewer-settings.ts";
export { type WebSocketOptions, webSocketTransport } from "./websocket.ts";
export type { ListenOptions } from "./websocket-listener.ts";

/** Options of the stream backend. Those of {@link ViewerSettings} hold for every viewer that does not say otherwise. */
export interface StreamOptions extends Omit<SomeViewerSettings, "reconnect"> {
  /** Where the viewer listens: `ws://127.0.0.1:7590`. Short for one entry of `viewers`. */
  readonly url?: string | undefined;
  /** What the viewer wants to see before it listens. */
  readonly token?: string | undefined;
  /** File with the certificates, as PEM, that those of `wss:` viewers may be signed by. Default: those that Node trusts. */
  readonly caFile?: string | undefined;
  /** How often a viewer is asked whether it is there. Default 10 000. */
  readonly pingMs?: number | undefined;
  /** Several viewers: addresses, or addresses with settings of their own. */
  readonly viewers?: readonly (string | StreamViewerOptions)[] | undefined;
  /** Who makes the values. Default: the name of the instance. */
  readonly producer?: string | undefined;
  /** When to connect again; what is left out keeps its default. */
  readonly reconnect?: Partial<ReconnectPolicy> | undefined;
}

/** One of several viewers. */
export interface StreamViewerOptions {
  readonly url: string;
  /** Name in messages and reports. Default: host and port. */
  readonly name?: string | undefined;
  readonly token?: string | undefined;
  readonly policy?: BackPressure | undefined;
  /** Bytes that may wait for this viewer. */
  readonly bufferBytes?: number | undefined;
}

const policy = field.oneOf("block", "dropOldest", "error");
const isObject = (value: unknown) => typeof value === "object" && value !== null;

const optionsOfStream = optionsSchema<StreamOptions>({
  url: field.text,
  token: field.text,
  caFile: field.text,
  pingMs: field.wholeNumber,
  viewers: (value) =>
    Array.isArray(value) && value.every((each) => typeof each === "string" || typeof each?.url === "string")
      ? undefined
      : "a list of addresses, or of objects with a url",
  producer: field.text,
  policy,
  bufferBytes: field.wholeNumber,
  windowBytes: field.wholeNumber,
  connectTimeoutMs: field.wholeNumber,
  ackTimeoutMs: field.wholeNumber,
  reconnect: (value) => (isObject(value) ? undefined : "{ attempts, delayMs, maxDelayMs }"),
});

/** The stream backend, key `"stream"`, also `"websocket"`. Write-only. */
export const stream: BackendDescriptor<StreamOptions> = defineBackend<StreamOptions>({
  key: "stream",
  aliases: ["websocket"],
  summary: "Viewers: values as messages over WebSockets, acknowledged when they were processed",
  capabilities: streamCapabilities,
  options: async () => optionsOfStream,
  open: async ({ url, token, caFile, pingMs, viewers = [], reconnect, ...settings }, { instance, baseDirectory }) => {
    const all = [
      ...(url === undefined ? [] : [{ url }]),
      ...viewers.map((each) => (isObject(each) ? each : { url: each })),
    ];
    if (all.length === 0) {
      throw new StorageError("CONFIG_INVALID", `${instance}.url is missing, for example ws://127.0.0.1:7590`, {
        backend: instance,
        operation: "open",
        identifier: "url",
      });
    }
    const [{ StreamBackend }, { webSocketTransport }, { defaultViewerSettings }] = await Promise.all([
      import("./backend.ts"),
      import("./websocket.ts"),
      import("./viewer-settings.ts"),
    ]);
    const ca = caFile === undefined ? undefined : await readCertificates(caFile, baseDirectory, instance);
    return new StreamBackend({
      ...settings,
      instance,
      reconnect: { ...defaultViewerSettings.reconnect, ...reconnect },
      viewers: (all as StreamViewerOptions[]).map(({ url, name, token: own = token, ...more }) => ({
        ...more,
        transport: webSocketTransport({ url, name, token: own, ca, pingMs }),
      })),
    });
  },
});

async function readCertificates(path: string, folder: string | undefined, instance: string): Promise<string> {
  const [{ readFile }, { resolve }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
  const file = resolve(folder ?? ".", path);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new StorageError("CONFIG_INVALID", `${instance}.caFile: no certificates can be read from ${file}`, {
      backend: instance,
      operation: "open",
      identifier: "caFile",
      cause: error,
    });
  }
}

export default stream;
