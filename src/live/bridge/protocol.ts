/**
 * What a bridge and its clients say to each other. See docs/live-bridge.md.
 *
 * Requests are JSON text; answers are messages of the form that {@link startFrame} writes, so that a page can look at
 * arrays in place. Nothing here needs Node.
 */
import { corrupt, isFields, readFrame, startFrame, type UnknownFields } from "../../codecs/message-frame.ts";
import { readWireError, type WireError } from "../../codecs/wire-error.ts";
import { type DType, dtypes, isDType } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { sizeOf } from "../../core/nd-array.ts";
import type { HistoryTag } from "../engine.ts";
import type { StreamEncoding } from "../header.ts";
import type { JsonObject } from "../json.ts";
import type { FieldPattern } from "../scan-query.ts";
import type { ScanStateName } from "../scan-state.ts";

/** Version of the conversation, and the only one that is spoken. */
export const BRIDGE_VERSION = 1;

/** Where the WebSocket is. */
export const SOCKET_PATH = "/v1/socket";

/** Longest request of a client, in bytes. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** Why the server ends a connection: codes of WebSocket's private range. */
export const closeCodes = {
  /** A request that nobody can read. */
  badRequest: 4400,
  /** No token, or another one. */
  unauthenticated: 4401,
  /** There are as many clients as there may be. */
  full: 4429,
} as const;

/** Where a subscription to scans begins: `"latest"` is the newest one, then those after it. */
export type ScansSince = HistoryTag | "oldest" | "now" | "latest";

/** Asks for scans as they are created. */
export interface ScansRequest {
  readonly since?: ScansSince | undefined;
  /** Fields of the identity that must match; see `ScanQuery`. */
  readonly identity?: Readonly<Record<string, FieldPattern>> | undefined;
}

/** Asks for one scan, and again each time that it changes. */
export interface ScanRequest {
  /** Key of the scan. */
  readonly key: string;
  /** The revision that is known already. */
  readonly revision?: number | undefined;
}

/** Asks for the points of a stream. */
export interface StreamRequest {
  /** Key of the scan. */
  readonly scan: string;
  /** Name of the stream. */
  readonly stream: string;
  /** The first point, `"now"`, or `"latest"`: the newest one, then those after it. Default `"latest"`. */
  readonly from?: "start" | "now" | "latest" | number | undefined;
  /** `"all"`; `"latest"`: the newest one whenever the client is ready for one; `{ every: n }`. Default `"all"`. */
  readonly mode?: "all" | "latest" | { readonly every: number } | undefined;
  /** So many points behind, the rest is passed over, with a gap that says so. Default: never. */
  readonly maxLag?: number | undefined;
  /** Bytes that may be under way before the client has said that it is done with them. */
  readonly windowBytes?: number | undefined;
}

/** What clients say. */
export type ClientMessage =
  | { readonly type: "hello"; readonly version: number; readonly token?: string | undefined }
  | ({ readonly type: "scans"; readonly id: number } & ScansRequest)
  | ({ readonly type: "scan"; readonly id: number } & ScanRequest)
  | ({ readonly type: "stream"; readonly id: number } & StreamRequest)
  /** The client is done with so many bytes of messages of this subscription, counted from its first. */
  | { readonly type: "ack"; readonly id: number; readonly bytes: number }
  | { readonly type: "unsubscribe"; readonly id: number };

/** Limits of a bridge that clients should know. */
export interface BridgeLimits {
  /** Subscriptions of one client at once. */
  readonly subscriptions: number;
  /** Points longer than this come by URL. */
  readonly inlineBytes: number;
  /** The largest window of a subscription. */
  readonly windowBytes: number;
}

/** A scan as clients see it. */
export interface ScanDocument {
  readonly key: string;
  readonly identity: JsonObject;
  readonly info: JsonObject;
  readonly state: ScanStateName;
  readonly revision: number;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly endReason?: string | undefined;
  /** Names and encodings; none before it is PREPARED. */
  readonly streams: Readonly<Record<string, StreamDocument>>;
}

/** A stream as clients see it. */
export interface StreamDocument {
  readonly encoding: StreamEncoding;
  readonly info: JsonObject;
}

/** How far a stream goes, as of one moment. */
export interface StreamPlace {
  readonly length: number;
  readonly floor: number;
  readonly sealed: boolean;
  /** The index that the subscription begins at. */
  readonly next: number;
}

/** Points of a stream: `index`, `index + step`, …, `count` of them. */
export interface PointsPlace {
  readonly index: number;
  readonly step: number;
  readonly count: number;
  /** The index to go on from. */
  readonly next: number;
}

/** Points as they travel. */
export type PointsValue =
  /** In C order, little-endian; the first axis counts points. */
  | { readonly value: "array"; readonly dtype: DType; readonly shape: readonly number[]; readonly payload: Uint8Array }
  /** A JSON list with a member for each point. */
  | { readonly value: "json"; readonly payload: Uint8Array }
  /** To be fetched: `<url>/<index>`, or `<url>/<start>:<stop>:<step>`. */
  | { readonly value: "url"; readonly url: string };

/** What a bridge says of one subscription. */
export type SubscriptionMessage =
  /** The first of a subscription to scans from now on, or from the newest: where that is. */
  | { readonly type: "scans"; readonly tag: HistoryTag }
  | {
      readonly type: "scan";
      /** Where to go on after it; only for a subscription to scans. */
      readonly tag?: HistoryTag | undefined;
      readonly scan: ScanDocument;
    }
  /** The first of a subscription to a stream. */
  | { readonly type: "stream"; readonly name: string; readonly stream: StreamDocument & StreamPlace }
  | ({ readonly type: "points" } & PointsPlace & PointsValue)
  /** Points that will not come, from `from` up to `to`. */
  | {
      readonly type: "gap";
      readonly reason: "expired" | "lag";
      readonly from: number;
      readonly to: number;
      readonly next: number;
    }
  /** Scans that will not come: the history has forgotten them. */
  | { readonly type: "gap"; readonly reason: "history" }
  /** The last of a subscription. */
  | { readonly type: "end"; readonly reason: EndReason };

/** Why a subscription ended. */
export type EndReason = "sealed" | "lost" | "closed" | "deleted";

/** What a bridge says. */
export type ServerMessage =
  | {
      readonly type: "hello";
      readonly version: number;
      /** Name of the live engine. */
      readonly engine: string;
      /** Something is said at least so often. */
      readonly heartbeatMs: number;
      readonly limits: BridgeLimits;
    }
  | { readonly type: "heartbeat" }
  | ({ readonly id: number } & SubscriptionMessage)
  /** With an id: this subscription has ended so; without: the connection ends. */
  | { readonly type: "error"; readonly id?: number | undefined; readonly error: WireError };

/** A message of a bridge as bytes. */
export function encodeServerMessage(message: ServerMessage): Uint8Array<ArrayBuffer> {
  if (message.type === "scan") {
    const { scan, ...header } = message;
    return withPayload(header, toBytes(scan));
  }
  if (message.type === "stream") {
    const { stream, ...header } = message;
    return withPayload(header, toBytes(stream));
  }
  if (message.type === "points" && message.value !== "url") {
    const { payload, ...header } = message;
    return withPayload(message.value === "array" ? { ...header, byteOrder: "little" } : header, payload);
  }
  return startFrame(message, 0).bytes;
}

/**
 * Reads a message of a bridge. Fields that nobody knows are passed over.
 *
 * @returns `undefined` for a message of a type that nobody knows: later versions may have more.
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function decodeServerMessage(bytes: Uint8Array): ServerMessage | undefined {
  const { header, payload } = readFrame(bytes);
  switch (header.type) {
    case "hello":
      if (header.version !== BRIDGE_VERSION || !isFields(header.limits)) throw corrupt("a hello of another version");
      return header as unknown as ServerMessage;
    case "heartbeat":
      return { type: "heartbeat" };
    case "error":
      return { type: "error", id: isCount(header.id) ? header.id : undefined, error: readWireError(header.error) };
    case "scan":
      return { ...subscription(header), scan: fromBytes(payload) } as unknown as ServerMessage;
    case "stream":
      return { ...subscription(header), stream: fromBytes(payload) } as unknown as ServerMessage;
    case "points":
      return readPoints(subscription(header), payload);
    case "scans":
    case "gap":
    case "end":
      return subscription(header) as unknown as ServerMessage;
    default:
      return undefined;
  }
}

/**
 * Reads a request.
 *
 * @throws A {@link StorageError} `INVALID_DATA` that names the field.
 */
export function decodeClientMessage(text: string): ClientMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (cause) {
    throw new StorageError("INVALID_DATA", "A request is no JSON", { cause });
  }
  if (!isFields(message)) throw refused("a request is no object");
  const { type, id } = message;
  if (type === "hello") {
    if (message.version !== BRIDGE_VERSION) throw refused(`version must be ${BRIDGE_VERSION}`);
    need(message.token === undefined || typeof message.token === "string", "token", "a text");
    return message as unknown as ClientMessage;
  }
  need(isCount(id), "id", "a whole number from 0");
  switch (type) {
    case "ack":
      need(isCount(message.bytes), "bytes", "a whole number from 0");
      return message as unknown as ClientMessage;
    case "unsubscribe":
      return message as unknown as ClientMessage;
    case "scans":
      need(message.since === undefined || typeof message.since === "string", "since", "a text");
      need(message.identity === undefined || isPatterns(message.identity), "identity", "an object of patterns");
      return message as unknown as ClientMessage;
    case "scan":
      need(typeof message.key === "string", "key", "a text");
      need(message.revision === undefined || isCount(message.revision), "revision", "a whole number from 0");
      return message as unknown as ClientMessage;
    case "stream":
      checkStreamRequest(message);
      return message as unknown as ClientMessage;
    default:
      throw refused(`no request is of the type ${JSON.stringify(type)?.slice(0, 100)}`);
  }
}

function checkStreamRequest({ scan, stream, from, mode, maxLag, windowBytes }: UnknownFields): void {
  need(typeof scan === "string", "scan", "a text");
  need(typeof stream === "string", "stream", "a text");
  const isPlace = from === undefined || from === "start" || from === "now" || from === "latest" || isCount(from);
  need(isPlace, "from", '"start", "now", "latest" or a whole number from 0');
  const isMode =
    mode === undefined || mode === "all" || mode === "latest" || (isFields(mode) && isAtLeast1(mode.every));
  need(isMode, "mode", '"all", "latest" or { "every": n }');
  need(maxLag === undefined || isAtLeast1(maxLag), "maxLag", "a whole number from 1");
  need(windowBytes === undefined || isAtLeast1(windowBytes), "windowBytes", "a whole number from 1");
}

function need(isRight: boolean, field: string, what: string): void {
  if (!isRight) throw refused(`${field} must be ${what}`);
}

function refused(problem: string): StorageError {
  return new StorageError("INVALID_DATA", `Live bridge: ${problem}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAtLeast1(value: unknown): boolean {
  return isCount(value) && value > 0;
}

function isPatterns(value: unknown): boolean {
  return isFields(value) && Object.values(value).every((each) => /^(string|number|boolean)$/.test(typeof each));
}

function withPayload(header: object, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const { bytes, offset } = startFrame(header, payload.byteLength);
  bytes.set(payload, offset);
  return bytes;
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function fromBytes(payload: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch (cause) {
    throw corrupt("a payload is no JSON", cause);
  }
  if (!isFields(value)) throw corrupt("a payload is no object");
  return value;
}

function subscription(header: UnknownFields): UnknownFields {
  if (!isCount(header.id)) throw corrupt("a message belongs to no subscription");
  return header;
}

function readPoints(header: UnknownFields, payload: Uint8Array): ServerMessage {
  const { index, step, count, next, value, dtype, shape, byteOrder } = header;
  if (![index, step, count, next].every(isCount)) throw corrupt("points do not say where they are");
  if (value === "array") {
    const isArray = isDType(dtype) && Array.isArray(shape) && shape.every(isCount) && byteOrder === "little";
    if (!isArray) throw corrupt("points do not say what they are");
    const expected = sizeOf(shape) * dtypes[dtype].itemSize;
    if (payload.byteLength !== expected) throw corrupt(`points of ${expected} bytes have ${payload.byteLength}`);
  }
  return { ...header, payload } as unknown as ServerMessage;
}
