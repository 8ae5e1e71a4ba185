// Values in a bucket, against the bare SDK at equal concurrency. Needs a service: SLUICE_TEST_S3=http://127.0.0.1:7480
// (scripts/start-ceph.sh DIR starts one) and credentials where the SDK's chain looks.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { interleave } from "./support/interleave.mjs";

const endpoint = process.env.SLUICE_TEST_S3;
if (endpoint === undefined) {
  console.log("s3: no service; set SLUICE_TEST_S3");
  process.exit(0);
}
process.env.AWS_ACCESS_KEY_ID ??= "testing";
process.env.AWS_SECRET_ACCESS_KEY ??= "testing123";
const rounds = Number(process.env.ROUNDS ?? 5);
const MIB = 1 << 20;
const concurrency = 8;

const client = new S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
});
const Bucket = `bench-${crypto.randomUUID()}`;
await client.send(new CreateBucketCommand({ Bucket }));
const common = { use: "s3", endpoint, bucket: Bucket };
const backends = new BackendSet(createRegistry(), {
  checked: { ...common },
  flat: { ...common, tree: "flat" },
  unverified: { ...common, tree: "flat", verifyReads: false },
});
const stores = {
  checked: await backends.store("checked"),
  flat: await backends.store("flat"),
  unverified: await backends.store("unverified"),
};

async function many(count, run) {
  let next = 0;
  const worker = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

for (const [title, byteLength, count] of [
  ["1 KiB", 1024, 1000],
  ["1 MiB", MIB, 64],
  ["64 MiB", 64 * MIB, 2],
]) {
  const bytes = new Uint8Array(byteLength).map((_, i) => i * 31);
  const unit = byteLength < MIB ? "values/s" : "MiB/s";
  const amount = byteLength < MIB ? count : (count * byteLength) / MIB;
  const key = (i) => `v/${byteLength}/${i}`;
  const put = (store) => () => many(count, (i) => store.write(key(i), bytes)).then(() => amount);
  const get = (store) => () => many(count, (i) => store.read(key(i))).then(() => amount);
  const barePut = () => many(count, (i) => client.send(new PutObjectCommand({ Bucket, Key: key(i), Body: bytes })));
  const bareGet = async (i) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key(i) }));
    await Body.transformToByteArray();
  };
  await interleave(
    `put ${count} × ${title}, ${concurrency} at once`,
    [
      { name: "bare SDK", run: () => barePut().then(() => amount) },
      { name: "sluice s3, flat", run: put(stores.flat) },
      { name: "sluice s3", run: put(stores.checked) },
    ],
    { rounds, unit },
  );
  await interleave(
    `get ${count} × ${title}, ${concurrency} at once`,
    [
      { name: "bare SDK", run: () => many(count, bareGet).then(() => amount) },
      { name: "sluice s3, not verified", run: get(stores.unverified) },
      { name: "sluice s3", run: get(stores.checked) },
    ],
    { rounds, unit },
  );
}

const keys = [];
for await (const { key } of stores.flat.list()) keys.push(key);
await stores.flat.deleteMany(keys);
await backends.close();
const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket }));
if (KeyCount === 0) await client.send(new DeleteBucketCommand({ Bucket }));
