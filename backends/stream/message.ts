/** The messages that sender and receiver exchange. See docs/stream-wire-format.md. */
import { corrupt, readFrame, startFrame, type UnknownFields } from "../../src/codecs/message-frame.ts";
import { readWireError, type WireError } from "../../src/codecs/wire-error.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { decodeItem, isId, type StreamItem } from "./item.ts";

/** Longest message unless somebody asks for more. */
export const DEFAULT_MESSAGE_BYTES = 256 * 2 ** 20;

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
      if (header.status === "error") return { type: "ack", id: header.id, error: readWireError(header.error) };
      throw corrupt(`an acknowledgement says ${JSON.stringify(header.status)}`);
    case "error":
      return { type: "error", error: readWireError(header.error) };
    default:
      throw corrupt(`no message is of the type ${JSON.stringify(header.type)}`);
  }
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
