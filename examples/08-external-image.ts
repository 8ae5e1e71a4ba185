/** A detector whose own software writes the images: the stream has their names, and a plugin of the reader has the images. */
import { BackendSet, createRegistry, FileManager, type NdArray, ndArray } from "sluice";
import { DataStore, type Entry, JsonCodec, MemoryEngine, type PointCodec, type StreamPlugin } from "sluice/live";

/** Points are images; what is sent are the paths of their files. */
class ExternalImageCodec implements PointCodec<readonly NdArray[], NdArray> {
  readonly #paths = new JsonCodec();
  readonly #files: FileManager;
  constructor(files: FileManager) {
    this.#files = files;
  }
  encode(path: unknown) {
    return this.#paths.encode(path);
  }
  decode(entry: Entry, from: number, to: number) {
    const paths = this.#paths.decode(entry, from, to) as string[];
    return Promise.all(paths.map((path) => this.#files.loadArray(path, "detector")));
  }
  concat = (parts: readonly (readonly NdArray[])[]) => parts.flat();
  pick = (images: readonly NdArray[], indexes: readonly number[]) => indexes.map((i) => images[i] as NdArray);
  at = (images: readonly NdArray[], index: number) => images[index] as NdArray;
  count = (images: readonly NdArray[]) => images.length;
}

await using backends = new BackendSet(createRegistry(), { detector: { use: "disk", root: "detector" } });
const files = new FileManager(backends);
const plugin: StreamPlugin = { open: () => ({ codec: new ExternalImageCodec(files) }) };
await using store = new DataStore(new MemoryEngine(), { plugins: { "external-image": () => plugin } });

const scan = await store.createScan({ name: "tomography" });
const images = await scan.createStream("images", { type: "json", info: { plugin: "external-image" } });
await scan.prepare();
await scan.start();
for (let i = 0; i < 3; i++) {
  await files.save(ndArray(new Uint16Array(12).fill(i), [3, 4]), `image_${i}.tif`, "detector"); // the detector's software
  await images.send(`image_${i}.tif`);
}
await scan.close();

const stream = (await store.loadScan(scan.key)).stream<readonly NdArray[], NdArray>("images");
const last = await stream.at(-1);
console.log(`${await stream.length()} images, the last one ${last.dtype} [${last.shape}] of ${last.data[0]}`);
