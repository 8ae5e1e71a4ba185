/** The messages that sender and receiver exchange. See docs/stream-wire-format.md. */
import { isStorageError, StorageError, type StorageErrorCode, storageErrorCodes } from "../../src/core/errors.ts";
import { corrupt, readFrame, startFrame, type UnknownFields } from "./frame.ts";
import { decodeItem, isId, type StreamItem } from "./item.ts";

/** Longest text of an error on its way. */
const MAX_ERROR_CHARACTERS = 2000;

/** What was wrong, as it travels: a code of {@link storageErrorCodes} and a sentence. */
export interface WireError {
  readonly code: StorageErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** A message, read and checked. */
export type Message =
  /** The first of each side. A receiver says how long messages may be, a sender who it is. */
  | { readonly type: "hello"; readonly maxMessageBytes?: number | undefined; readonly sender?: string | undefined }
  | { readonly type: "item"; readonly item: StreamItem }
  /** What became of an item, said once. No error: it was processed. */
  | { readonly type: "ack"; readonly id: number; readonly error?: WireError | undefined }
  /** Why the connection is about to end. */
  | { readonly type: "error"; readonly error: WireError };

/** A message other than an item, as bytes. */
export function encodeMessage(message: Exclude<Message, { readonly type: "item" }>): Uint8Array<ArrayBuffer> {
  if (message.type !== "ack") return startFrame(message, 0).bytes;
  const { id, error } = message;
  const outcome = error === undefined ? { status: "ok" } : { status: "error", error };
  return startFrame({ type: "ack", id, ...outcome }, 0).bytes;
}

/** An item whose number can be read and nothing else: its sender can be told. */
export class BadItemError extends StorageError {
  /** Number of the item. */
  readonly id: number;

  constructor(id: number, cause: StorageError) {
    super(cause.code, cause.message, { cause });
    this.id = id;
  }
}

/**
 * Reads a message.
 *
 * @throws A {@link StorageError} `CORRUPT`; a {@link BadItemError} where it is one item that is wrong.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const { header, payload } = readFrame(bytes);
  if (header.type === "item") return { type: "item", item: readItem(header, payload) };
  if (payload.byteLength > 0) throw corrupt(`${payload.byteLength} bytes follow a header that announces none`);
  switch (header.type) {
    case "hello":
      return decodeHello(header);
    case "ack":
      if (!isId(header.id)) throw corrupt("an acknowledgement has no id");
      if (header.status === "ok") return { type: "ack", id: header.id };
      if (header.status === "error") return { type: "ack", id: header.id, error: decodeError(header.error) };
      throw corrupt(`an acknowledgement says ${JSON.stringify(header.status)}`);
    case "error":
      return { type: "error", error: decodeError(header.error) };
    default:
      throw corrupt(`no message is of the type ${JSON.stringify(header.type)}`);
  }
}

/** An error as it travels: code and message, no stack, no cause. */
export function toWireError(error: unknown): WireError {
  const code = isStorageError(error) ? error.code : "UNEXPECTED";
  const message = error instanceof Error ? error.message : String(error);
  return { code, message: message.slice(0, MAX_ERROR_CHARACTERS), retryable: isStorageError(error) && error.retryable };
}

function readItem(header: UnknownFields, payload: Uint8Array): StreamItem {
  try {
    return decodeItem(header, payload);
  } catch (error) {
    if (isId(header.id) && isStorageError(error)) throw new BadItemError(header.id, error);
    throw error;
  }
}

function decodeHello({ maxMessageBytes, sender }: UnknownFields): Message {
  if (maxMessageBytes !== undefined && !isId(maxMessageBytes)) throw corrupt("a hello limits messages to no number");
  if (sender !== undefined && (typeof sender !== "string" || sender === "" || sender.length > 200)) {
    throw corrupt("a hello comes from nobody");
  }
  return { type: "hello", maxMessageBytes, sender };
}

function decodeError(error: unknown): WireError {
  const { code, message, retryable } = (error ?? {}) as UnknownFields;
  if (typeof message !== "string") throw corrupt("an error does not say what went wrong");
  const isKnown = typeof code === "string" && Object.hasOwn(storageErrorCodes, code);
  return {
    code: isKnown ? (code as StorageErrorCode) : "UNEXPECTED",
    message: message.slice(0, MAX_ERROR_CHARACTERS),
    retryable: retryable === true,
  };
}
