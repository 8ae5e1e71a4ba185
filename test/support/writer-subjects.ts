import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryWriter } from "../../backends/memory/writer.ts";
import type { TiffWriterOptions } from "../../backends/tiff/index.ts";
import { TiffWriter } from "../../backends/tiff/writer.ts";
import { StorageError } from "../../src/core/errors.ts";
import { arrayFromBytes, type NdArray } from "../../src/core/nd-array.ts";
import type { WriterSubject } from "../../src/testing/writer-kit.ts";
import { PlainWriter } from "./plain-writer.ts";

let count = 0;

/** The path of a URI of this machine, also one with the host that documents have. */
export function pathOf(uri: string): string {
  return fileURLToPath(uri.replace("file://localhost/", "file:///"));
}

export function plainSubject(): WriterSubject & { readonly writer: PlainWriter } {
  const writer = new PlainWriter("plain");
  return {
    writer,
    newUri: () => `plain://store-${count++}`,
    readFrames: async (uri, source) => writer.stores.get(uri)?.frames.get(source) ?? [],
    readMetadata: async (uri) => writer.stores.get(uri)?.metadata ?? {},
    failNextFrame: () => writer.failures.push(new Error("The disk is on fire")),
  };
}

export function memorySubject(writer = new MemoryWriter("memory")): WriterSubject {
  return {
    writer,
    newUri: () => `mem://store-${count++}`,
    readFrames: async (uri, source) => writer.frames(source, uri),
    readMetadata: async (uri) => writer.storedMetadata(uri),
  };
}

/** A disk store whose next write of a TIFF file can be made to fail. */
class FailingStore extends DiskStore {
  static failing = new Set<string>();

  override write(...values: Parameters<DiskStore["write"]>): ReturnType<DiskStore["write"]> {
    if (values[0].endsWith(".tif") && FailingStore.failing.delete("next")) {
      return Promise.reject(new StorageError("NO_SPACE", "The disk is full"));
    }
    return super.write(...values);
  }
}

/** A gray, uncompressed, little-endian TIFF of one strip, read by the letter of the specification and not by our code. */
export function readPlainTiff(file: Uint8Array): NdArray {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const directory = view.getUint32(4, true);
  const tags = new Map<number, number>();
  for (let i = 0; i < view.getUint16(directory, true); i++) {
    const entry = directory + 2 + 12 * i;
    const isShort = view.getUint16(entry + 2, true) === 3;
    tags.set(view.getUint16(entry, true), isShort ? view.getUint16(entry + 8, true) : view.getUint32(entry + 8, true));
  }
  const [width, height, bits, offset, length] = [256, 257, 258, 273, 279].map((tag) => tags.get(tag) as number);
  const pixels = file.slice(offset, (offset as number) + (length as number));
  return arrayFromBytes(pixels, bits === 16 ? "uint16" : "uint8", [height as number, width as number]);
}

/** Reads the TIFF files around the writer and around our codecs. */
export function tiffSubject(
  folder: string,
  options: TiffWriterOptions = {},
): WriterSubject & { readonly writer: TiffWriter } {
  const open = async (uri: string) => new FailingStore({ root: pathOf(uri), durability: "none", name: "tiffs" });
  const writer = new TiffWriter("tiff", open, options);
  return {
    writer,
    newUri: () => pathToFileURL(join(folder, `run #${count++}`)).href,
    readFrames: async (uri, source) => {
      const names = await readdir(join(pathOf(uri), source)).catch(() => []);
      return Promise.all(
        names.sort().map(async (name) => readPlainTiff(await readFile(join(pathOf(uri), source, name)))),
      );
    },
    readMetadata: async (uri) => {
      const text = await readFile(join(pathOf(uri), "metadata.json"), "utf8");
      return (JSON.parse(text) as { metadata: Record<string, unknown> }).metadata;
    },
    failNextFrame: () => FailingStore.failing.add("next"),
  };
}
