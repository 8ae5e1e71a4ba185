/** Begins an upload, tells when its second part is at the service, and never ends. Arguments: endpoint, bucket, key. */
import { S3Store } from "../../../../backends/s3/store.ts";

const MIB = 1 << 20;
const [, , endpoint, bucket, key = ""] = process.argv;
const store = await S3Store.open({ endpoint, bucket, partBytes: 5 * MIB, partsInFlight: 1 });
const writer = await store.openWriter(key);
// With one part under way at a time, the third is begun when the second is there.
for (let i = 0; i < 16; i++) await writer.write(new Uint8Array(MIB).fill(i));
process.stdout.write("two parts are there");
setInterval(() => {}, 1 << 30);
