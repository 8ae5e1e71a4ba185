// Finishes what is left in a store, unless it is killed meanwhile.
import { writeSync } from "node:fs";
import { DiskStore } from "../../../../backends/disk/store.ts";
import { recoverZarr } from "../../../../backends/zarr/index.ts";

const store = new DiskStore({ root: process.argv[2] });
writeSync(1, "begins\n");
await recoverZarr(store, { finish: true });
writeSync(1, "done\n");
