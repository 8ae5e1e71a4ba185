/** Calls a codec the way a backend does. */
import type { Codec } from "../../src/codecs/codec.ts";
import { joinBytes } from "../../src/core/byte-store.ts";

type Options = Readonly<Record<string, unknown>>;

/** The bytes of a value, joined and copied. */
export async function encode(codec: Codec, value: unknown, options: Options = {}, identifier = "x") {
  return new Uint8Array(joinBytes(await codec.encode(value, { identifier, options })));
}

/** The value of bytes, which the codec may keep: a copy of them. */
export async function decode(codec: Codec, bytes: Uint8Array, options: Options = {}, identifier = "x") {
  return codec.decode(new Uint8Array(bytes), { identifier, options });
}

/** Bytes of a value and back. */
export async function roundTrip(codec: Codec, value: unknown, options: Options = {}) {
  return decode(codec, await encode(codec, value, options), options);
}
