/** A worker that makes the backends of a session again, and reads and writes a plate through them. */
import { parentPort, workerData } from "node:worker_threads";
import { openArray } from "../../../backends/zarr/index.ts";
import { type BackendSetDescriptor, fromDescriptor } from "../../../registry/index.ts";
import { isStorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { FileManager } from "../../../src/io/file-manager.ts";

/** What the worker is told. */
export interface PlateOrders {
  readonly descriptor: BackendSetDescriptor;
  /** Number of the worker: which rows of the shared array are its own. */
  readonly row: number;
}

const { descriptor, row } = workerData as PlateOrders;
await using backends = await fromDescriptor(descriptor);
const files = new FileManager(backends);

const planes = (await files.loadBatch(["A01/z0.tif", "A01/z2.tif", "A01/raw.npy"], "plate")) as NdArray[];
const refused = await files.load("A01/scratch.npy", "plate").catch((error: unknown) => error);
const region = await files.sample("A01/z2.tif", "plate", { origin: [1, 0], shape: [2, 2] });
await files.save({ row, seen: planes.map(({ shape }) => shape) }, `done-${row}.json`, "plates");

// All workers write into one chunk of one array.
const store = await backends.store("raw");
const counts = await openArray(store, "plates.zarr/counts");
for (let column = 0; column < 8; column++) {
  await counts.write([row, [column, column + 1]], ndArray(Uint16Array.of(row * 100 + column), [1]));
}
parentPort?.postMessage({
  names: backends.keys(),
  first: planes.map(({ data }) => Number(data[0])),
  region: [...(region.array.data as Uint16Array)],
  refused: isStorageError(refused) ? `${refused.code} ${refused.message}` : String(refused),
});
