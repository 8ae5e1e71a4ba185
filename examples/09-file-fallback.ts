/** Points that the engine has let go are read from the array that was written beside it, and readers do not notice. */
import { BackendSet, createRegistry, type NdArray, ndArray } from "sluice";
import type { ZarrBackend } from "sluice/backends/zarr";
import { DataStore, MemoryEngine, NumericCodec, type StreamPlugin, storedPoints } from "sluice/live";

await using backends = new BackendSet(createRegistry(), { archive: { use: "zarr", root: "archive.zarr" } });

/** The info of a stream says which array has its points too. */
const fileFallback: StreamPlugin = {
  open: (stream) => {
    const { uri, path } = stream.info as { uri: string; path: string };
    return { codec: new NumericCodec("<f8", []), cold: storedPoints(stream, { uri, path }, backends) };
  },
};
await using store = new DataStore(new MemoryEngine(), { plugins: { "file-fallback": () => fileFallback } });

const archive = (await backends.get("archive")) as ZarrBackend;
const values = Float64Array.from({ length: 100 }, (_, i) => Math.sqrt(i));
await archive.save(ndArray(values), "diode"); // whoever writes the file

const scan = await store.createScan({ name: "ascan" });
const info = { plugin: "file-fallback", uri: archive.store.uri(""), path: "diode" };
const diode = await scan.createStream("diode", { dtype: "float64", info });
await scan.prepare();
await scan.start();
for (const value of values) await diode.send(value);
await diode.setDurable(100);

const stream = (await store.loadScan(scan.key)).stream<NdArray, number>("diode");
await store.engine.trim(stream.key, 60); // what retention does
for (const index of [10, 90]) console.log(index, await stream.at(index), (await stream.locate(index)).state);
console.log(
  (await stream.slice()).data.every((value, i) => value === values[i]) ? "all there" : "something is missing",
);
