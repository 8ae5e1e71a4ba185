/** Frames of a stream as stream_resource and stream_datum documents. */

import { documentKey } from "../../acquire/document-rules.ts";
import type { OperationOptions } from "../../core/byte-store.ts";
import type { StreamAsset } from "../../core/documents.ts";
import { encodeKey } from "../../core/key.ts";
import { type ImageRow, readData, readImageRows, readResources } from "../image-refs.ts";
import { parseObject } from "../row-json.ts";
import type { CatalogStream } from "../stream-row.ts";
import type { DocumentSource } from "./documents.ts";

/** The frames that one stream has of one field. */
export interface AssetImages {
  readonly field: string;
  readonly documents: readonly StreamAsset[];
}

/** Frames that are neighbours in a place, of events that are neighbours in a stream. */
interface Stretch {
  readonly row: ImageRow;
  readonly index: number;
  readonly seqNum: number;
  count: number;
}

/** The resources of a stream, and which of their rows belong to which events. */
export async function readAssets(
  source: DocumentSource,
  stream: CatalogStream,
  options: OperationOptions,
): Promise<AssetImages[]> {
  const assets: AssetImages[] = [];
  for (const field of source.images.keys()) {
    const documents = [
      ...(await written(source, stream, field, options)),
      ...(await announced(source, stream, field, options)),
    ];
    if (documents.length > 0) assets.push({ field, documents });
  }
  return assets;
}

/** Those that events refer to one by one. */
async function written(
  { database, run, besideUri }: DocumentSource,
  stream: CatalogStream,
  field: string,
  options: OperationOptions,
): Promise<StreamAsset[]> {
  const places = new Map<string, Stretch[]>();
  for await (const rows of readImageRows(database, stream.uid, field, options)) {
    for (const row of rows) {
      const place = JSON.stringify([row.uri, row.zarr_group]);
      const stretches = places.get(place) ?? [];
      places.set(place, stretches);
      const [index, seqNum, last] = [Number(row.index_in_stack), Number(row.seq_num), stretches.at(-1)];
      const goesOn = last && last.index + last.count === index && last.seqNum + last.count === seqNum;
      if (goesOn) last.count++;
      else stretches.push({ row, index, seqNum, count: 1 });
    }
  }
  return [...places.values()].flatMap((stretches, number): StreamAsset[] => {
    const { row } = stretches[0] as Stretch;
    const uid = `${stream.uid}/${documentKey(field)}/${number}`;
    const store = row.uri ?? besideUri ?? "";
    const parameters = {
      chunk_shape: [1, Number(row.shape_x), Number(row.shape_y)],
      path: row.zarr_group,
      store_uri: store,
    };
    const uri = `${store.replace(/\/+$/, "")}/${encodeKey(row.zarr_group)}`;
    const mimetype = "application/x-zarr";
    const resource = { uid, run_start: run.uid, data_key: documentKey(field), mimetype, uri, parameters };
    const data = stretches.map(({ index, seqNum, count }, i): StreamAsset => {
      const indices = { start: index, stop: index + count };
      const seq_nums = { start: seqNum, stop: seqNum + count };
      return ["stream_datum", { uid: `${uid}/${i}`, descriptor: stream.uid, stream_resource: uid, indices, seq_nums }];
    });
    return [["stream_resource", resource], ...data];
  });
}

/** Those that came as documents. */
async function announced(
  { database, run }: DocumentSource,
  stream: CatalogStream,
  field: string,
  options: OperationOptions,
): Promise<StreamAsset[]> {
  const assets: StreamAsset[] = [];
  for (const resource of await readResources(database, run.uid, options)) {
    if (resource.data_key !== field) continue;
    const { uid, mimetype, uri, parameters: text } = resource;
    const parameters = parseObject(text, `Resource ${uid}, parameters`);
    const rows = (await readData(database, uid, options)).filter((row) => row.stream_uid === stream.uid);
    if (rows.length === 0) continue;
    assets.push([
      "stream_resource",
      { uid, run_start: run.uid, data_key: documentKey(field), mimetype, uri, parameters },
    ]);
    for (const row of rows) {
      const indices = { start: Number(row.index_start), stop: Number(row.index_stop) };
      const seq_nums = { start: Number(row.seq_start), stop: Number(row.seq_stop) };
      assets.push(["stream_datum", { uid: row.uid, descriptor: stream.uid, stream_resource: uid, indices, seq_nums }]);
    }
  }
  return assets;
}
