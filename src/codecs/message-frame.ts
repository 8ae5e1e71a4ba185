/** How a message lies in bytes: a fixed start, a JSON header, a payload. See docs/stream-wire-format.md. */
import { StorageError } from "../core/errors.ts";

/** Version of the format that this code writes, and the only one that it reads. */
export const WIRE_VERSION = 1;

/** Longest header. What does not belong to every item belongs into a value of its own. */
export const MAX_HEADER_BYTES = 2 ** 20;

/** `SLW`, then the version. */
const MAGIC = [0x53, 0x4c, 0x57] as const;
/** Magic, version, and the length of the header. */
const START_BYTES = 8;
/** The payload begins at a multiple of this, so that elements of every dtype can be looked at in place. */
const ALIGNMENT = 8;

/** A JSON object whose fields nobody has looked at. */
export type UnknownFields = { readonly [name: string]: unknown };

/** A message in its two parts. */
export interface Frame {
  /** An object; what is in it has not been checked. */
  readonly header: UnknownFields;
  /** A view of the message's own memory. */
  readonly payload: Uint8Array;
}

/**
 * A message of which the header is written and the payload is still zeros.
 *
 * @param header - Must be plain JSON.
 * @returns The whole message, in memory of its own, and where its payload begins: a multiple of 8.
 * @throws A {@link StorageError} `INVALID_DATA` for a header above {@link MAX_HEADER_BYTES}.
 */
export function startFrame(
  header: object,
  payloadBytes: number,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly offset: number } {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const offset = Math.ceil((START_BYTES + text.byteLength) / ALIGNMENT) * ALIGNMENT;
  if (offset - START_BYTES > MAX_HEADER_BYTES) {
    throw new StorageError(
      "INVALID_DATA",
      `A header of ${text.byteLength} bytes is too long; metadata, axes and producer share ${MAX_HEADER_BYTES}`,
    );
  }
  const bytes = new Uint8Array(offset + payloadBytes);
  bytes.set([...MAGIC, WIRE_VERSION]);
  new DataView(bytes.buffer).setUint32(4, offset - START_BYTES, true);
  bytes.set(text, START_BYTES);
  // JSON may end in spaces.
  bytes.fill(0x20, START_BYTES + text.byteLength, offset);
  return { bytes, offset };
}

/**
 * Takes a message apart. Reads nothing outside its bytes, whatever they claim.
 *
 * @throws A {@link StorageError} `CORRUPT`: too short, not of this format, of another version, a header that is too
 * long, is not UTF-8, is not JSON, or is no object.
 */
export function readFrame(bytes: Uint8Array): Frame {
  if (bytes.byteLength < START_BYTES) throw corrupt(`a message of ${bytes.byteLength} bytes has no room for its start`);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw corrupt("a message does not begin with SLW");
  if (bytes[3] !== WIRE_VERSION) {
    throw corrupt(`a message is of version ${bytes[3]}, and this is version ${WIRE_VERSION}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(4, true);
  const offset = START_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES)
    throw corrupt(`a header claims ${headerBytes} bytes; most is ${MAX_HEADER_BYTES}`);
  if (offset > bytes.byteLength) throw corrupt(`a header of ${headerBytes} bytes ends behind its message`);
  if (offset % ALIGNMENT !== 0)
    throw corrupt(`a payload begins at byte ${offset}, which is no multiple of ${ALIGNMENT}`);
  return { header: parseHeader(bytes.subarray(START_BYTES, offset)), payload: bytes.subarray(offset) };
}

/** The error of bytes that are not what they claim to be. */
export function corrupt(problem: string, cause?: unknown): StorageError {
  return new StorageError("CORRUPT", `Stream: ${problem}`, cause === undefined ? {} : { cause });
}

/** True for an object that is no list. */
export function isFields(value: unknown): value is UnknownFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array): UnknownFields {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw corrupt("a header is not JSON in UTF-8", error);
  }
  if (!isFields(header)) throw corrupt("a header is no JSON object");
  return header;
}
