/** Points whose bytes follow from their index: small ones, and now and then one that goes to a segment. */

/** Every so many-th payload is large. */
const LARGE_EVERY = 25;

const LARGE_BYTES = 40_000;

/** The payload of one point. */
export function payloadOf(index: number): Uint8Array {
  const bytes = Buffer.alloc(index % LARGE_EVERY === 7 ? LARGE_BYTES : 40 + (index % 160), index % 251);
  bytes.writeUInt32LE(index);
  return bytes;
}

/** Says what is wrong with the payload of a point; `undefined` if nothing is. */
export function whyWrong(index: number, payload: Uint8Array): string | undefined {
  return Buffer.compare(payload, payloadOf(index)) === 0 ? undefined : `point ${index} has ${payload.byteLength} bytes`;
}
