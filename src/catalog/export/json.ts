/** Runs as JSON. */
import type { RunTable } from "../table.ts";
import { plainJson } from "./plain-json.ts";

/** Writes pages of a table as JSON lines, an object for each event. */
export async function* ndjsonOf(pages: AsyncIterable<RunTable>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const page of pages) {
    if (page.length > 0)
      yield encoder.encode(
        page
          .rows()
          .map((row) => `${plainJson(row)}\n`)
          .join(""),
      );
  }
}

/** One stream of {@link jsonOf}. */
export interface JsonStream {
  readonly name: string;
  /** What the stream says of its fields. */
  readonly dataKeys: object;
  /** Its table. */
  readonly pages: AsyncIterable<RunTable>;
}

/** Writes a run as one JSON object: what is known of it, and under `streams` the data keys and rows of each. */
export async function* jsonOf(summary: object, streams: readonly JsonStream[]): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const head = plainJson(summary).slice(0, -1);
  yield encoder.encode(`${head}${head === "{" ? "" : ","}"streams":{`);
  for (const [index, { name, dataKeys, pages }] of streams.entries()) {
    yield encoder.encode(`${index > 0 ? "," : ""}${JSON.stringify(name)}:{"dataKeys":${plainJson(dataKeys)},"rows":[`);
    let isFirst = true;
    for await (const page of pages) {
      if (page.length === 0) continue;
      yield encoder.encode(`${isFirst ? "" : ","}${page.rows().map(plainJson).join(",\n")}`);
      isFirst = false;
    }
    yield encoder.encode("]}");
  }
  yield encoder.encode("}}\n");
}
