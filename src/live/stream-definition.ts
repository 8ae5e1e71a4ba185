/** What a producer says of a stream before it writes. */
import { type DType, fromTypestr, isDType, toTypestr } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import type { StreamEncoding, StreamHeader } from "./header.ts";
import { copyJson, type JsonObject } from "./json.ts";
import { newStreamKey } from "./keys.ts";

/** A stream to create. */
export type StreamDefinition = {
  /** What is said about it. `plugin` names the plugin that reads it. */
  readonly info?: JsonObject | undefined;
} & (
  | {
      /** `"json"`: one JSON value a point. */
      readonly type: "json";
    }
  | {
      /** `"numeric"`, or `"frames"`, which may be by reference. */
      readonly type?: "numeric" | "frames" | undefined;
      /** Type of the numbers; a NumPy type string says the byte order too. */
      readonly dtype: DType | string;
      /** Shape of one point; `-1` for axes that vary. Default `[]`, a scalar. */
      readonly shape?: readonly number[] | undefined;
    }
  | {
      /** An encoding of a plugin. */
      readonly encoding: StreamEncoding;
    }
);

/**
 * The header of a new stream.
 *
 * @throws A {@link StorageError}: `DTYPE_MISMATCH` or `INVALID_DATA`.
 */
export function streamHeader(name: string, definition: StreamDefinition): StreamHeader {
  const info = copyJson(definition.info ?? {}, `The info of stream "${name}"`);
  const encoding = encodingOf(name, definition);
  const isNumeric = encoding.type === "numeric" || encoding.type === "frames";
  const described = isNumeric ? { dtype: encoding.dtype as string, shape: encoding.shape as number[], ...info } : info;
  return { name, key: newStreamKey(), encoding, info: described };
}

function encodingOf(name: string, definition: StreamDefinition): StreamEncoding {
  if ("encoding" in definition) return copyJson(definition.encoding, `The encoding of stream "${name}"`);
  if (!("dtype" in definition)) {
    if (definition.type === "json" && !("shape" in definition)) return { type: "json" };
    throw new StorageError("INVALID_DATA", `Stream "${name}" is "json" without a shape, or it needs a dtype`);
  }
  const { type = "numeric", dtype, shape = [] } = definition;
  const isShape = shape.every(
    (length) => Number.isSafeInteger(length) && (length > 0 || (length === -1 && type === "numeric")),
  );
  if (!isShape)
    throw new StorageError("INVALID_DATA", `Stream "${name}" cannot have points of shape [${shape.join(", ")}]`);
  const { dtype: plain, endian } = isDType(dtype) ? { dtype, endian: "little" as const } : fromTypestr(dtype);
  return { type, dtype: toTypestr(plain, endian), shape: [...shape] };
}
