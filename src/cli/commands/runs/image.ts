/** `sluice runs image` */
import { StorageError } from "../../../core/errors.ts";
import type { CommandContext } from "../../command-line.ts";
import { type CatalogOptions, OpenCatalog } from "../../open-catalog.ts";

/** Options of `sluice runs image`. */
export interface RunImageOptions extends CatalogOptions {
  readonly field?: string | undefined;
  readonly frame: number;
  readonly output: string;
}

/** Writes one frame of a run as a file whose ending says the format. It is read from wherever it lies. */
export async function writeImage(
  uid: string,
  options: RunImageOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { output, frame } = options;
  await using open = await OpenCatalog.open(options, terminal);
  const run = await open.run(uid, signal);
  const fields = await run.imageFields({ signal });
  const field = options.field ?? (fields.length === 1 ? fields[0] : undefined);
  if (field === undefined || !fields.includes(field)) {
    const known = fields.join(", ") || "none";
    const message =
      field === undefined && fields.length > 0
        ? `Run ${run.uid} has images of ${known}: say which with --field`
        : `Run ${run.uid} has no images${field === undefined ? "" : ` of "${field}"`}. It has: ${known}`;
    throw new StorageError("NOT_FOUND", message, { operation: "image", identifier: field });
  }
  const images = await run.images(field, { signal });
  const image = await images.at(frame, { signal });
  const target = open.locations.findTarget(output);
  await open.locations.files.save(image, target.path, target.backend, { signal });
  const index = frame < 0 ? frame + images.length : frame;
  terminal.print({ run: run.uid, field, frame: index, shape: image.shape, dtype: image.dtype, output }, [
    `${output}: frame ${index} of ${field}, ${image.dtype} [${image.shape.join(", ")}]`,
  ]);
  return undefined;
}
