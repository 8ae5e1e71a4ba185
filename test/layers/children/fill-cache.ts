/** Reads values through a cache on disk for ever, in an order of its own. Killed by its parent. */
import { DiskStore } from "../../../backends/disk/store.ts";
import { CacheStore } from "../../../src/layers/cache.ts";
import { seededRandom } from "../../../src/layers/clock.ts";

const [values, medium, keys, maxBytes, seed] = process.argv.slice(2) as [string, string, string, string, string];
const store = new CacheStore(new DiskStore({ root: values }), {
  medium: new DiskStore({ root: medium, durability: "none" }),
  maxBytes: Number(maxBytes),
  maxValueBytes: Number(maxBytes),
});
const random = seededRandom(Number(seed));
for (;;) {
  await Promise.all([1, 2, 3].map(() => store.read(String(Math.floor(random() * Number(keys))))));
  process.stdout.write(".");
}
