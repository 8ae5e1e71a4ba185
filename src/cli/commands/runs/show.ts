/** `sluice runs show` */
import type { CatalogSample, CatalogStream, LazyImageSequence } from "../../../catalog/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatDuration, formatTable, plural } from "../../format.ts";
import { type CatalogOptions, OpenCatalog } from "../../open-catalog.ts";
import { momentOf, runDocument } from "../../run-format.ts";

/** Says what is known of a run: how it went, on what, its streams with their fields, its images. Reads no image. */
export async function showRun(
  uid: string,
  options: CatalogOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using open = await OpenCatalog.open(options, terminal);
  const run = await open.run(uid, signal);
  const streams = await run.streams({ signal });
  const images: LazyImageSequence[] = [];
  for (const field of await run.imageFields({ signal })) images.push(await run.images(field, { signal }));
  const document = {
    ...{ catalog: open.catalog.location, ...runDocument(run), extra: run.extra },
    streams: streams.map(({ name, uid: streamUid, numEvents, timeCreated, dataKeys }) => {
      return { name, uid: streamUid, numEvents, timeCreated, dataKeys };
    }),
    images: images.map(({ field, shape, dtype, places }) => ({ field, shape, dtype: dtype ?? null, places })),
  };
  const { planName, status, timeStart, timeStop, numEvents, operator, sample, metadata } = run;
  const end = timeStop === undefined ? "" : `, ended ${momentOf(timeStop)}, ${formatDuration(timeStop - timeStart)}`;
  const { reason } = run.extra;
  terminal.print(document, [
    `Run         ${run.uid}`,
    `Plan        ${planName}, ${status}${typeof reason === "string" && reason !== "" ? ` (${reason})` : ""}`,
    `Started     ${momentOf(timeStart)} UTC${end}`,
    `Events      ${numEvents}`,
    ...(operator === undefined ? [] : [`Operator    ${operator}`]),
    ...(sample === undefined ? [] : [`Sample      ${describeSample(sample)}`]),
    ...Object.entries(metadata).map(
      ([key, value], i) => `${i === 0 ? "Metadata    " : "            "}${key}: ${textOf(value)}`,
    ),
    ...streams.flatMap((stream) => ["", ...streamLines(stream)]),
    ...(images.length === 0 ? [] : ["", ...formatTable(images.map(imageRow)).map((line) => line.trimEnd())]),
  ]);
  return undefined;
}

function describeSample({ name, formula, serial, tags }: CatalogSample): string {
  const more = [formula, serial, ...tags].filter((each) => each !== undefined);
  return more.length === 0 ? name : `${name} (${more.join(", ")})`;
}

function streamLines({ name, numEvents, dataKeys }: CatalogStream): string[] {
  const rows = Object.entries(dataKeys).map(([field, { dtype, shape, units, source }]) => {
    return [`  ${field}`, `${dtype ?? ""}${shape?.length ? ` [${shape.join(", ")}]` : ""}`, units ?? "", source ?? ""];
  });
  return [`Stream ${name}, ${plural(numEvents, "event")}`, ...formatTable(rows).map((line) => line.trimEnd())];
}

function imageRow({ field, length, shape, dtype, places: [place = "", ...others] }: LazyImageSequence): string[] {
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return [
    `Images of ${field}`,
    plural(length, "frame"),
    `${dtype ?? "?"} [${shape.slice(1).join(", ")}]`,
    place + more,
  ];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
