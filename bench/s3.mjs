// Values in a bucket, beside the bare SDK: `node bench/s3.mjs [near] [far] [memory]`, default all of them.
// Needs a service: SLUICE_TEST_S3=http://127.0.0.1:7480 (scripts/start-ceph.sh DIR starts one) and credentials where the
// SDK's chain looks. ROUNDS=1 does less. SMALL is the number of small values, 10,000 otherwise; STREAM_MIB the length for
// `memory`, 2048 otherwise: a service in memory needs room for it (SLUICE_CEPH_BYTES).
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { BackendSet, createRegistry } from "../dist/registry/index.js";
import { interleave } from "./support/interleave.mjs";

const service = process.env.SLUICE_TEST_S3;
if (service === undefined) {
  console.log("s3: no service; set SLUICE_TEST_S3");
  process.exit(0);
}
process.env.AWS_ACCESS_KEY_ID ??= "testing";
process.env.AWS_SECRET_ACCESS_KEY ??= "testing123";
const rounds = Number(process.env.ROUNDS ?? 5);
const asked = process.argv.slice(2);
const does = (section) => asked.length === 0 || asked.includes(section);
const MIB = 1 << 20;
const concurrency = 8;

const clientOf = (endpoint) =>
  new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
const client = clientOf(service);
const Bucket = `bench-${crypto.randomUUID()}`;
await client.send(new CreateBucketCommand({ Bucket }));
const report = (title) => console.log(`\n--- ${title}; load ${loadavg()[0].toFixed(1)}`);

async function many(count, run) {
  let next = 0;
  const worker = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

const bytesOf = (byteLength) =>
  Buffer.alloc(
    byteLength,
    Uint8Array.from({ length: 8191 }, (_, i) => i * 31),
  );
const rateOf = (count, byteLength) =>
  byteLength < MIB ? { amount: count, unit: "values/s" } : { amount: (count * byteLength) / MIB, unit: "MiB/s" };

/** Put and get of values of one length, several at once, through each store and the bare SDK. */
async function putAndGet(bare, stores, title, byteLength, count) {
  const bytes = bytesOf(byteLength);
  const { amount, unit } = rateOf(count, byteLength);
  const key = (i) => `v/${byteLength}/${i}`;
  const timed = (run) => () => many(count, run).then(() => amount);
  const bareGet = async (i) => {
    const { Body } = await bare.send(new GetObjectCommand({ Bucket, Key: key(i) }));
    await Body.transformToByteArray();
  };
  const puts = Object.entries(stores).filter(([name]) => name !== "not verified");
  await interleave(
    `put ${title}`,
    [
      { name: "bare SDK", run: timed((i) => bare.send(new PutObjectCommand({ Bucket, Key: key(i), Body: bytes }))) },
      ...puts.map(([name, store]) => ({ name: `sluice ${name}`, run: timed((i) => store.write(key(i), bytes)) })),
    ],
    { rounds, unit },
  );
  // Whoever was last, the values are the store's own: those of others are verified by MD5, at an eighth of the speed.
  await many(count, (i) => stores[""].write(key(i), bytes));
  const gets = Object.entries(stores).filter(([name]) => name !== "checked tree");
  await interleave(
    `get ${title}`,
    [
      { name: "bare SDK", run: timed(bareGet) },
      ...gets.map(([name, store]) => ({ name: `sluice ${name}`, run: timed((i) => store.read(key(i))) })),
    ],
    { rounds, unit },
  );
}

async function listAndDelete(store, count) {
  const Prefix = "v/1024/";
  const list = async () => {
    let seen = 0;
    for await (const { Contents } of paginateListObjectsV2({ client }, { Bucket, Prefix })) seen += Contents.length;
    return seen;
  };
  const sluiceList = async () => {
    let seen = 0;
    for await (const _ of store.list({ prefix: Prefix })) seen++;
    return seen;
  };
  const candidates = [
    { name: "bare SDK", run: list },
    { name: "sluice", run: sluiceList },
  ];
  await interleave(`list ${count} keys`, candidates, { rounds, unit: "keys/s" });
  const keys = Array.from({ length: count }, (_, i) => `${Prefix}${i}`);
  const fill = () => many(count, (i) => client.send(new PutObjectCommand({ Bucket, Key: keys[i], Body: "x" })));
  const timed = (run) => async () => {
    await fill();
    const start = performance.now();
    await run();
    return { amount: count, seconds: (performance.now() - start) / 1000 };
  };
  const pages = Array.from({ length: Math.ceil(count / 1000) }, (_, i) => keys.slice(i * 1000, (i + 1) * 1000));
  const bareMany = async () => {
    for (const page of pages) {
      const Objects = page.map((Key) => ({ Key }));
      await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    }
  };
  const bareEach = () => many(count, (i) => client.send(new DeleteObjectCommand({ Bucket, Key: keys[i] })));
  await interleave(
    `delete ${count} keys, one by one, ${concurrency} at once`,
    [
      { name: "bare SDK", run: timed(bareEach) },
      { name: "sluice", run: timed(() => many(count, (i) => store.delete(keys[i]))) },
    ],
    { rounds, unit: "keys/s" },
  );
  await interleave(
    `delete ${count} keys, in batches`,
    [
      { name: "bare SDK", run: timed(bareMany) },
      { name: "sluice", run: timed(() => store.deleteMany(keys)) },
    ],
    { rounds, unit: "keys/s" },
  );
}

async function near() {
  const common = { use: "s3", endpoint: service, bucket: Bucket };
  const backends = new BackendSet(createRegistry(), {
    plain: common,
    checked: { ...common, tree: "checked" },
    unverified: { ...common, verifyReads: false },
  });
  const stores = {
    "": await backends.store("plain"),
    "checked tree": await backends.store("checked"),
    "not verified": await backends.store("unverified"),
  };
  report("near: the service on loopback, on the same cores");
  const small = Number(process.env.SMALL ?? (rounds === 1 ? 1000 : 10_000));
  await putAndGet(client, stores, `${small} × 1 KiB, ${concurrency} at once`, 1024, small);
  await listAndDelete(stores[""], small);
  await putAndGet(client, stores, `64 × 1 MiB, ${concurrency} at once`, MIB, 64);
  await putAndGet(client, stores, "2 × 64 MiB, both at once", 64 * MIB, 2);
  if (rounds > 1) await putAndGet(client, stores, "256 MiB", 256 * MIB, 1);
  await backends.close();
}

/** One long value over connections that are slow each, as those of large services are. */
async function far() {
  const rate = 60 * MIB;
  const roundTripMs = 20;
  const script = fileURLToPath(new URL("support/slow-link.mjs", import.meta.url));
  const link = spawn(process.execPath, [script, service, String(rate), String(roundTripMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [port] = await once(link.stdout, "data");
    const endpoint = `http://127.0.0.1:${String(port).trim()}`;
    const distant = clientOf(endpoint);
    const backends = new BackendSet(createRegistry(), { s3: { use: "s3", endpoint, bucket: Bucket } });
    const store = await backends.store("s3");
    report(`far: a proxy that carries ${rate / MIB} MiB/s on each connection, round trip ${roundTripMs} ms`);
    for (const mib of rounds === 1 ? [64] : [64, 256]) {
      const bytes = bytesOf(mib * MIB);
      const Key = `far/${mib}`;
      const bareGet = async () => {
        const { Body } = await distant.send(new GetObjectCommand({ Bucket, Key }));
        await Body.transformToByteArray();
      };
      const upload = () => new Upload({ client: distant, params: { Bucket, Key, Body: bytes } }).done();
      const drain = async () => {
        for await (const _ of await store.readStream(Key));
      };
      const stream = async () => {
        const writer = await store.openWriter(Key);
        for (let at = 0; at < bytes.length; at += MIB) await writer.write(bytes.subarray(at, at + MIB));
        await writer.close();
      };
      const timed = (run) => () => run().then(() => mib);
      await interleave(
        `put ${mib} MiB, far`,
        [
          {
            name: "bare SDK, PutObject",
            run: timed(() => distant.send(new PutObjectCommand({ Bucket, Key, Body: bytes }))),
          },
          { name: "lib-storage, Upload at its default", run: timed(upload) },
          { name: "sluice, write", run: timed(() => store.write(Key, bytes)) },
          { name: "sluice, openWriter", run: timed(stream) },
        ],
        { rounds, unit: "MiB/s" },
      );
      await interleave(
        `get ${mib} MiB, far`,
        [
          { name: "bare SDK, GetObject", run: timed(bareGet) },
          { name: "sluice, read", run: timed(() => store.read(Key)) },
          { name: "sluice, readStream", run: timed(drain) },
        ],
        { rounds, unit: "MiB/s" },
      );
    }
    await backends.close();
    distant.destroy();
  } finally {
    link.kill();
  }
}

function memory() {
  const mib = Number(process.env.STREAM_MIB ?? (rounds === 1 ? 256 : 2048));
  const script = fileURLToPath(new URL("support/s3-memory.mjs", import.meta.url));
  report(`memory: ${mib} MiB streamed through the service, in a process of its own`);
  for (const direction of ["up", "down"]) {
    const line = execFileSync(process.execPath, [script, Bucket, direction, String(mib * MIB)], { encoding: "utf8" });
    const { rssGrowthMib, bufferGrowthMib, baselineRssMib, mibPerSecond } = JSON.parse(line);
    console.log(
      `  ${direction}: resident +${rssGrowthMib.toFixed(0)} MiB over ${baselineRssMib.toFixed(0)}, ` +
        `buffers +${bufferGrowthMib.toFixed(0)} MiB, at ${mibPerSecond.toFixed(0)} MiB/s`,
    );
  }
}

try {
  if (does("near")) await near();
  if (does("far")) await far();
  if (does("memory")) memory();
} finally {
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}
console.log(`\nload ${loadavg()[0].toFixed(1)} at the end`);
