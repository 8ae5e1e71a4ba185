/** Names of entries: how their bytes become text, and which texts can be keys. */
import { isUtf8 as isValidUtf8 } from "node:buffer";
import { StorageError } from "../../core/errors.ts";
import { normalizeKey } from "../../core/key.ts";
import { crc32 } from "./crc32.ts";

/** The upper half of code page 437, in which ZIP keeps names that are not marked as UTF-8. */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** Extra field of Info-ZIP: the name as UTF-8, valid while the checksum of the other name holds. */
const UNICODE_PATH = 0x7075;

/**
 * The name of an entry as text; `undefined` for one that is marked as UTF-8 and is not.
 *
 * @param isUnix - The archive was made on Unix, where unmarked names are UTF-8 more often than code page 437.
 * @param extra - Extra fields of the entry.
 * @see PKWARE APPNOTE 6.3.10, sections 4.4.4 (bit 11), 4.6.9 and appendix D
 */
export function decodeName(
  raw: Uint8Array,
  isUtf8: boolean,
  isUnix: boolean,
  extra: ReadonlyMap<number, Uint8Array>,
): string | undefined {
  if (isUtf8) return utf8(raw);
  const field = extra.get(UNICODE_PATH);
  if (field !== undefined && field.length >= 5 && field[0] === 1) {
    const checksum = new DataView(field.buffer, field.byteOffset).getUint32(1, true);
    if (checksum === crc32(raw)) return utf8(field.subarray(5));
  }
  // Info-ZIP and macOS write the names of their file systems as they are, without the mark.
  if (isUnix && isValidUtf8(raw)) return utf8(raw);
  let name = "";
  for (const byte of raw) name += byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128];
  return name;
}

/** The key of a name; `undefined` for one that is absolute, leaves the archive, or cannot be a key at all. */
export function keyOfName(name: string): string | undefined {
  if (name.startsWith("/") || /^[a-z]:[\\/]/i.test(name) || name.split(/[\\/]/).includes("..")) return undefined;
  try {
    return normalizeKey(name);
  } catch (error) {
    if (error instanceof StorageError && error.code === "INVALID_KEY") return undefined;
    throw error;
  }
}

function utf8(bytes: Uint8Array): string | undefined {
  return isValidUtf8(bytes) ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) : undefined;
}
