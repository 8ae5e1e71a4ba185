/** Counts in a JSON document on disk, and says after each step how far this process came. */
import { DiskStore } from "../../../backends/disk/store.ts";
import { updateJson } from "../../../src/io/update-json.ts";

const [root, times] = process.argv.slice(2) as [string, string];
const store = new DiskStore({ root, durability: "none" });
for (let step = 1; step <= Number(times); step++) {
  await updateJson<{ count: number }>(store, "state/count.json", ({ count }) => ({ count: count + 1 }), {
    default: { count: 0 },
  });
  process.stdout.write(`${step}\n`);
}
