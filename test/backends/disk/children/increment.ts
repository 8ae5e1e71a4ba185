/** Counts in a document that others count in too, for ever, and says so after each step. Killed by its parent. */
import { DiskStore } from "../../../../backends/disk/store.ts";
import { updateJson } from "../../../../src/io/update-json.ts";

const store = new DiskStore({ root: process.argv[2], durability: "none" });
for (;;) {
  await updateJson<{ count: number }>(store, "shared/count.json", ({ count }) => ({ count: count + 1 }), {
    default: { count: 0 },
  });
  process.stdout.write("+\n");
}
