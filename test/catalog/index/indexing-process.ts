/** A process that records runs with an index attached: `node indexing-process.mjs INDEX BEAMTIME NAME RUNS`. */
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";

const [indexPath = "", beamtime = "", name = "", runs = "0"] = process.argv.slice(2);
const failures: string[] = [];
const index = new IndexWriter(indexPath, { busyTimeoutMs: 60_000 });
const researcher = await index.registerResearcher("Anna", ".");
await index.registerBeamtime(researcher, "shared", beamtime);
const writer = new RunWriter(beamtime, { name: `sample of ${name}` }, { busyTimeoutMs: 60_000 });
await index.attach(writer, { onError: (error) => failures.push(String(error)) });
await writer.open();
for (let i = 0; i < Number(runs); i++) {
  await writer.openRun("scan", { uid: `${name}-${i}`, metadata: { tags: [name], note: `number ${i}` } });
  await writer.closeRun();
}
await writer.close();
await index.close();
process.stdout.write(JSON.stringify(failures));
