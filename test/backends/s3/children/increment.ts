/** Adds one to a number in a JSON document in a bucket, many times. Arguments: endpoint, bucket, how often. */
import { S3Store } from "../../../../backends/s3/store.ts";
import { updateJson } from "../../../../src/io/update-json.ts";

const [, , endpoint, bucket, times] = process.argv;
const store = await S3Store.open({ endpoint, bucket, prefix: "count" });
for (let i = 0; i < Number(times); i++) {
  await updateJson<number>(store, "count.json", (count) => count + 1, { default: 0 });
}
await store.close();
