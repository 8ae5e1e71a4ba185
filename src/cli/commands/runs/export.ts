/** `sluice runs export` */
import { once } from "node:events";
import type { ExportFormat } from "../../../catalog/index.ts";
import { StorageError } from "../../../core/errors.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatBytes } from "../../format.ts";
import { type CatalogOptions, OpenCatalog } from "../../open-catalog.ts";

/** Options of `sluice runs export`. */
export interface ExportRunOptions extends CatalogOptions {
  readonly format: ExportFormat;
  readonly stream: string;
  readonly field?: readonly string[] | undefined;
  readonly output?: string | undefined;
}

/** Writes a run to standard output, or as one value to a store: whole, or not at all. */
export async function exportRun(
  uid: string,
  options: ExportRunOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { format, stream, field: fields, output } = options;
  if (output === undefined && format === "arrow" && process.stdout.isTTY) {
    throw new StorageError("UNSUPPORTED", "An Arrow file is not for a terminal: send it to a pipe, or --output FILE");
  }
  await using open = await OpenCatalog.open(options, terminal);
  const run = await open.run(uid, signal);
  const pieces = run.export(format, { stream, fields, signal });
  if (output === undefined) {
    for await (const piece of pieces) if (!process.stdout.write(piece)) await once(process.stdout, "drain");
    return undefined;
  }
  const place = await open.locations.bytes(open.locations.findTarget(output));
  if (place === undefined) {
    throw new StorageError("UNSUPPORTED", `"${output}" is in no store of bytes`, { identifier: output });
  }
  const writer = await place.store.openWriter(place.key, { ifAbsent: true, signal });
  let byteLength = 0;
  try {
    for await (const piece of pieces) {
      byteLength += piece.byteLength;
      await writer.write(piece);
    }
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  terminal.say(`${output}: run ${run.uid} as ${format}, ${formatBytes(byteLength)}`);
  return undefined;
}
