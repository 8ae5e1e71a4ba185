/** A session leaves its runs in a catalogue; another program finds one again by what is known of it, and reads it. */
import { Catalog } from "sluice/catalog";
import { openSession } from "sluice/session";

const session = await openSession({
  session: "annealing",
  metadata: { operator: "Ada", tags: ["night"] },
  catalog: { path: "2026-03-05.db", sample: { name: "PS-b-PMMA 01", formula: "C8H8", tags: ["film"] } },
  storage: { basePath: "data" },
  devices: {
    camera: { use: "simulated-camera", shape: [48, 64] },
    stage: { use: "simulated-stage" },
  },
});
for (const num of [3, 5]) await session.run({ use: "count", num });
await session.close();

// Another day, another process: nobody remembers which folder it was.
await using catalog = await Catalog.open("2026-03-05.db");
const { runs } = await catalog.search({ tags: { all: ["night", "film"] }, sample: "PS-b-PMMA 01", text: "ada" });
for (const run of runs) console.log(run.planName, run.status, `${run.numEvents} events`);

const [run] = runs;
if (run === undefined) throw new Error("no run");
const table = await run.table("primary", { fields: ["stage-x"] });
console.log(table.names.join(", "), `${table.length} rows`);
const images = await run.images("camera"); // nothing is read yet
const last = await images.at(-1);
console.log(`frames ${images.shape}, the last one ${last.dtype} [${last.shape}]`);
