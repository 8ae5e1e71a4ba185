/** Reads what runs left, around the session. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openZarr, type ZarrArray } from "../../backends/zarr/index.ts";
import { createRegistry } from "../../registry/index.ts";
import { tiffCodec } from "../../src/codecs/index.ts";
import type { Document, NdArray } from "../../src/index.ts";
import type { RunSummary } from "../../src/session/index.ts";

/** The lines of a run's documents.jsonl: what is on disk, whatever subscribers were told. */
export async function documentsOf(folder: string | undefined): Promise<Document[]> {
  const text = await readFile(join(folder as string, "documents.jsonl"), "utf8");
  const lines = text.trimEnd().split("\n");
  return lines.map((line) => {
    const { name, doc } = JSON.parse(line) as { name: string; doc: unknown };
    return [name, doc] as unknown as Document;
  });
}

export function documentOf<N extends Document[0]>(documents: readonly Document[], name: N) {
  return documents.find((document) => document[0] === name)?.[1] as Extract<Document, readonly [N, unknown]>[1];
}

/** An array of a run's store, opened by the reader over a store of its own. */
export async function arrayOf(summary: RunSummary, source: string): Promise<ZarrArray> {
  const store = await createRegistry().openStore("disk", { root: fileURLToPath(summary.stores.default as string) });
  return (await openZarr(store, source)) as ZarrArray;
}

export async function tiffsOf(summary: RunSummary, source: string): Promise<NdArray[]> {
  const folder = join(fileURLToPath(summary.stores.default as string), source);
  const names = (await readdir(folder)).sort();
  return Promise.all(
    names.map(async (name) => {
      return (await tiffCodec.decode(await readFile(join(folder, name)), { identifier: name, options: {} })) as NdArray;
    }),
  );
}
