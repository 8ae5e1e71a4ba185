/** One value on its way to a viewer, and how it lies in a message. */
import { checkJson } from "../../src/codecs/json.ts";
import { corrupt, isFields, startFrame, type UnknownFields } from "../../src/codecs/message-frame.ts";
import { describe } from "../../src/core/checks.ts";
import { dtypes, isDType, nativeEndian, type TypedArray, type TypedArrayConstructor } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";
import { arrayFromBytes, copyInto, isNdArray, sizeOf } from "../../src/core/nd-array.ts";

/** Plain JSON about a value: a channel, a well, a display setting. */
export type StreamMetadata = Readonly<Record<string, unknown>>;

/**
 * Who made a value. Two producers are the same if all their fields are equal; a viewer shows each path from one producer
 * only.
 */
export interface Producer {
  /** For example the name of a pipeline. */
  readonly name: string;
  /** Anything that tells two producers of one name apart: a step, a position. */
  readonly [field: string]: string | number;
}

/** Where an item stands in its batch. */
export interface BatchPlace {
  /** Equal in all items of one batch, and in no others. */
  readonly id: string;
  /** From 0. */
  readonly index: number;
  /** Items in the batch. */
  readonly count: number;
  /** About all of them. */
  readonly metadata: StreamMetadata;
}

/** A value with everything that goes along. */
export interface StreamItem {
  /** Number within its sender. */
  readonly id: number;
  /** A normalised key: the slot of the viewer that the value goes to. */
  readonly path: string;
  /** An array, JSON, text or bytes. */
  readonly data: unknown;
  /** Names of an array's axes, slowest first; absent if nobody said. */
  readonly axes?: readonly string[] | undefined;
  readonly metadata: StreamMetadata;
  readonly producer: Producer;
  /** Absent for a value that was sent alone. */
  readonly batch?: BatchPlace | undefined;
}

/** Most axes that an array on its way has. */
const MAX_RANK = 32;

/**
 * The item as one message.
 *
 * @returns Memory of its own: the item's data is copied once.
 * @throws A {@link StorageError} `INVALID_DATA`: see {@link checkItem}.
 */
export function encodeItem(item: StreamItem): Uint8Array<ArrayBuffer> {
  checkItem(item);
  const { data, id, path, axes, metadata, producer, batch } = item;
  const about = { metadata, producer, ...(batch === undefined ? {} : { batch }) };
  if (isNdArray(data)) {
    const { dtype, shape } = data;
    const layout = { value: "array", dtype, shape, ...(axes === undefined ? {} : { axes }), byteOrder: nativeEndian };
    const size = sizeOf(shape);
    const { bytes, offset } = startFrame(
      { type: "item", id, path, ...layout, ...about },
      size * dtypes[dtype].itemSize,
    );
    const Elements: TypedArrayConstructor = dtypes[dtype].array;
    const target: TypedArray = new Elements(bytes.buffer, offset, size);
    copyInto(data, target, 0);
    return bytes;
  }
  const [value, payload] = plainPayload(data);
  const { bytes, offset } = startFrame({ type: "item", id, path, value, ...about }, payload.byteLength);
  bytes.set(payload, offset);
  return bytes;
}

/**
 * Refuses what cannot be sent or shown, before anything is.
 *
 * @throws A {@link StorageError}: `INVALID_KEY` for no path; `INVALID_DATA` for an array without elements or of more
 * than 32 axes, axes that do not fit it, and data or metadata that JSON would change.
 */
export function checkItem({ path, data, axes, metadata, producer, batch }: Omit<StreamItem, "id">): void {
  const context = { identifier: path, options: {} };
  if (path === "") throw new StorageError("INVALID_KEY", "A value needs a path: the root is no slot of a viewer");
  if (isNdArray(data)) {
    const problem = layoutProblem(data.shape, axes);
    if (problem !== undefined) throw new StorageError("INVALID_DATA", `"${path}": ${problem}`, { identifier: path });
  } else {
    if (axes !== undefined) {
      throw new StorageError("INVALID_DATA", `"${path}" has axes, and ${describe(data)} has none`, context);
    }
    if (typeof data !== "string" && !(data instanceof Uint8Array)) checkJson(data, "$", new Set(), context);
  }
  if (!isFields(metadata))
    throw new StorageError("INVALID_DATA", `Metadata of "${path}" must be a plain object`, context);
  checkJson(metadata, "metadata", new Set(), context);
  if (batch !== undefined) checkJson(batch.metadata, "batchMetadata", new Set(), context);
  const problem = producerProblem(producer);
  if (problem !== undefined) throw new StorageError("INVALID_DATA", `"${path}": ${problem}`, { identifier: path });
}

/**
 * The item in a message.
 *
 * @param header - From `readFrame`; unknown fields are passed over.
 * @returns An array shares the memory of the payload where its alignment and byte order allow it.
 * @throws A {@link StorageError} `CORRUPT` that names the field.
 */
export function decodeItem(header: UnknownFields, payload: Uint8Array): StreamItem {
  const { id, path, metadata = {}, producer } = header;
  if (!isId(id)) throw corrupt("an item has no id that is a whole number");
  if (typeof path !== "string" || path === "") throw corrupt(`item ${id} has no path`);
  if (!isFields(metadata)) throw corrupt(`the metadata of item ${id} is no object`);
  const problem = producerProblem(producer);
  if (problem !== undefined) throw corrupt(`item ${id}: ${problem}`);
  return {
    id,
    path: safePath(path, id),
    metadata,
    producer: producer as Producer,
    ...decodeData(header, payload, id),
    ...(header.batch === undefined ? {} : { batch: decodeBatch(header.batch, id) }),
  };
}

/** True for a whole number of at least 0. */
export function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** One text for all producers, objects or contexts that are equal, whatever the order of their fields. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isFields(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

/** The path comes from another program, and a receiver may store by it. */
function safePath(path: string, id: number): string {
  try {
    const key = normalizeKey(path, { absolute: "refuse" });
    if (key !== "") return key;
  } catch (error) {
    throw corrupt(`the path of item ${id} is none: ${(error as Error).message}`, error);
  }
  throw corrupt(`the path of item ${id} is the root`);
}

function plainPayload(data: unknown): [value: "json" | "text" | "bytes", payload: Uint8Array] {
  if (data instanceof Uint8Array) return ["bytes", data];
  if (typeof data === "string") return ["text", new TextEncoder().encode(data)];
  return ["json", new TextEncoder().encode(JSON.stringify(data))];
}

function decodeData(header: UnknownFields, payload: Uint8Array, id: number): Pick<StreamItem, "data" | "axes"> {
  switch (header.value) {
    case "array":
      return decodeArray(header, payload, id);
    case "bytes":
      return { data: payload };
    case "text":
      return { data: decodeText(payload, id) };
    case "json":
      try {
        return { data: JSON.parse(decodeText(payload, id)) as unknown };
      } catch (error) {
        throw corrupt(`the payload of item ${id} is not JSON`, error);
      }
    default:
      throw corrupt(`item ${id} is of no known kind: ${JSON.stringify(header.value)}`);
  }
}

function decodeArray(header: UnknownFields, payload: Uint8Array, id: number): Pick<StreamItem, "data" | "axes"> {
  const { dtype, shape, axes, byteOrder } = header;
  if (!isDType(dtype)) throw corrupt(`item ${id} has the dtype ${JSON.stringify(dtype)}`);
  if (!isLengths(shape)) throw corrupt(`item ${id} has the shape ${JSON.stringify(shape)}`);
  if (byteOrder !== "little" && byteOrder !== "big") throw corrupt(`item ${id} does not say its byte order`);
  if (axes !== undefined && !isNames(axes)) throw corrupt(`the axes of item ${id} are no names`);
  const problem = layoutProblem(shape, axes);
  if (problem !== undefined) throw corrupt(`item ${id}: ${problem}`);
  const expected = sizeOf(shape) * dtypes[dtype].itemSize;
  if (payload.byteLength !== expected) {
    throw corrupt(
      `item ${id} needs ${expected} bytes for [${shape.join(", ")}] of ${dtype}, got ${payload.byteLength}`,
    );
  }
  return { data: arrayFromBytes(payload, dtype, shape, byteOrder), ...(axes === undefined ? {} : { axes }) };
}

function decodeBatch(batch: unknown, id: number): BatchPlace {
  if (!isFields(batch)) throw corrupt(`the batch of item ${id} is no object`);
  const { id: name, index, count, metadata = {} } = batch;
  if (typeof name !== "string" || !isId(index) || !isId(count) || index >= count || !isFields(metadata)) {
    throw corrupt(`the batch of item ${id} does not say id, index and count`);
  }
  return { id: name, index, count, metadata };
}

function decodeText(payload: Uint8Array, id: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  } catch (error) {
    throw corrupt(`the payload of item ${id} is not UTF-8`, error);
  }
}

function layoutProblem(shape: readonly number[], axes: readonly string[] | undefined): string | undefined {
  if (shape.length > MAX_RANK) return `an array of ${shape.length} axes; most is ${MAX_RANK}`;
  if (shape.includes(0)) return `an array of shape [${shape.join(", ")}] has nothing to show`;
  if (axes === undefined) return undefined;
  if (!isNames(axes)) return "axes must be a list of names";
  if (axes.length !== shape.length) return `${axes.length} axes for an array of ${shape.length}`;
  return new Set(axes).size === axes.length ? undefined : "two axes have one name";
}

function producerProblem(producer: unknown): string | undefined {
  if (!isFields(producer) || typeof producer.name !== "string" || producer.name === "") return "a producer has a name";
  const isPlain = Object.values(producer).every((part) => typeof part === "string" || Number.isFinite(part));
  return isPlain ? undefined : "the fields of a producer are texts and numbers";
}

function isLengths(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isId);
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "");
}
