import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32c, crc32cHex } from "../../src/codecs/crc32c.ts";

/** The definition, bit by bit. */
function slow(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

const ascii = (text: string) => new TextEncoder().encode(text);

describe("crc32c", () => {
  test.each([
    ["nothing", new Uint8Array(0), 0x00000000],
    ["the check string of every CRC catalogue", ascii("123456789"), 0xe3069283],
    ["32 zeros (RFC 3720)", new Uint8Array(32), 0x8a9136aa],
    ["32 ones (RFC 3720)", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["32 bytes counting up (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["32 bytes counting down (RFC 3720)", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])("knows %s", (_what, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  test("agrees with its bitwise definition at every length and alignment", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(17), (bytes, skip) => {
        const view = bytes.subarray(Math.min(skip, bytes.length));
        expect(crc32c(view)).toBe(slow(view));
      }),
    );
  });

  test("continues: the seed is the checksum of what came before", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(crc32c(bytes));
      }),
    );
  });

  test("is written as eight lower-case digits", () => {
    expect(crc32cHex(0xab)).toBe("000000ab");
    expect(crc32cHex(crc32c(ascii("123456789")))).toBe("e3069283");
  });
});
