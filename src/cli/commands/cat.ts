/** `sluice cat` */
import { once } from "node:events";
import type { ByteStore } from "../../core/byte-store.ts";
import { describe } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";
import { isNdArray } from "../../core/nd-array.ts";
import type { CommandContext } from "../command-line.ts";
import { type LocationOptions, Locations } from "../location.ts";

/** How much of a file decides whether it is text. */
const PROBE_BYTES = 8192;

/** Writes a stored file to stdout, byte by byte. */
export async function cat(
  address: string,
  options: LocationOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options, terminal);
  const end = locations.find(address);
  const { kind } = await locations.files.stat(end.path, end.backend, { signal });
  if (kind === "directory") {
    const context = { operation: "cat", identifier: address };
    throw new StorageError("IS_A_DIRECTORY", `"${address}" is a directory; try: sluice ls ${address}`, context);
  }
  if (kind === "missing") {
    throw new StorageError("NOT_FOUND", `No file "${address}"`, { operation: "cat", identifier: address });
  }
  const bytes = await locations.bytes(end);
  if (bytes) await catBytes(bytes.store, bytes.key, address, signal);
  else await writeOut(bytesOf(await locations.files.load(end.path, end.backend, { signal }), address));
  return undefined;
}

async function catBytes(store: ByteStore, key: string, address: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.isTTY) {
    const { byteLength } = await store.stat(key, { signal });
    const length = Math.min(byteLength, PROBE_BYTES);
    checkText(
      length === 0 ? new Uint8Array() : await store.read(key, { range: { offset: 0, length }, signal }),
      address,
    );
  }
  for await (const chunk of await store.readStream(key, { signal })) await writeOut(chunk);
}

/** Refuses what would make a mess of a terminal. */
function checkText(start: Uint8Array, address: string): void {
  // The last character may be cut in half, which is no reason to call the file binary.
  const isText = !start.includes(0) && !new TextDecoder().decode(start, { stream: true }).includes("\uFFFD");
  if (isText) return;
  throw new StorageError(
    "INVALID_DATA",
    `"${address}" is not text. Send it to a file or another program, or try: sluice info ${address}`,
    { operation: "cat", identifier: address },
  );
}

/** A value without bytes of its own: text as it is, everything that JSON can hold as JSON. */
function bytesOf(value: unknown, address: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (!isNdArray(value)) return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
  throw new StorageError("INVALID_DATA", `"${address}" is ${describe(value)}; cp it to a file to choose its format`, {
    operation: "cat",
    identifier: address,
  });
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
}
