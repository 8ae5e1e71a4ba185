import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { ListPartsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type S3Options, s3 } from "../../../backends/s3/index.ts";
import { S3Store } from "../../../backends/s3/store.ts";
import type { UploadWriter } from "../../../backends/s3/upload-writer.ts";
import { isStorageError } from "../../../src/core/errors.ts";
import { collect } from "../../../src/testing/assertions.ts";
import { useBucket } from "../../support/s3-fixture.ts";
import { hasS3 } from "../../support/s3-server.ts";

const MIB = 1 << 20;

describe("options of the S3 backend", () => {
  it("name what is wrong", async () => {
    const schema = (await s3.options?.())?.["~standard"];
    const result = await schema?.validate({ bucket: "b", secretAccessKey: "x", partBytes: 1000 });
    expect(result?.issues?.map(({ path }) => path?.[0])).toEqual(["secretAccessKey", "partBytes"]);
  });

  it.each<[string, S3Options]>([
    ["bucket is missing", {}],
    ["uri stands for bucket", { bucket: "b", uri: "s3://b" }],
    ["uri must be", { uri: "s3://b?x" }],
    ["credentials", { bucket: "b", endpoint: "http://user:hunter2@localhost" }],
    ["endpoint must be", { bucket: "b", endpoint: "ftp://localhost" }],
  ])("%s", async (message, options) => {
    const error = await S3Store.open(options).catch((reason: unknown) => reason);
    expect(isStorageError(error, "CONFIG_INVALID")).toBe(true);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain("hunter2");
  });

  it("without the SDK, the message names the package", async () => {
    const load = () => Promise.reject(new Error("Cannot find package"));
    const error = await S3Store.open({ bucket: "b" }, { load }).catch((reason: unknown) => reason);
    expect(isStorageError(error, "MISSING_DEPENDENCY")).toBe(true);
    expect(String(error)).toContain("npm install @aws-sdk/client-s3");
  });
});

describe("a service that ignores conditions", () => {
  it("is found out: conditional writes are refused, and nothing is overwritten", async () => {
    process.env.AWS_ACCESS_KEY_ID ??= "testing";
    process.env.AWS_SECRET_ACCESS_KEY ??= "testing123";
    const writes: string[] = [];
    const server = createServer(async (request, response) => {
      const hash = createHash("md5");
      for await (const piece of request) hash.update(piece);
      const key = request.url?.split("?")[0] ?? "";
      if (request.method === "PUT") writes.push(key);
      response.setHeader("ETag", `"${hash.digest("hex")}"`);
      response.writeHead(request.method === "DELETE" ? 204 : 200).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await using store = await S3Store.open({ endpoint, bucket: "careless" });
      expect([store.capabilities.ifAbsent, store.capabilities.ifMatch]).toEqual(["none", "none"]);
      for (const condition of [{ ifAbsent: true }, { ifMatch: "x" }]) {
        const write = store.write("kept", new Uint8Array([2]), condition);
        await expect(write).rejects.toMatchObject({ code: "UNSUPPORTED" });
      }
      expect(writes.filter((key) => key.includes("kept"))).toEqual([]);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe.skipIf(!hasS3)("S3Store on a real service", { timeout: 60_000 }, () => {
  const service = useBucket();
  const secret = process.env.AWS_SECRET_ACCESS_KEY;
  afterEach(() => {
    process.env.AWS_SECRET_ACCESS_KEY = secret ?? "testing123";
  });
  const open = (options: S3Options = {}) =>
    S3Store.open({ endpoint: service.endpoint, bucket: service.bucket.name, partBytes: 5 * MIB, ...options });

  it("a value of unknown length goes in parts, in bounded memory and in order", async () => {
    await using store = await open({ partsInFlight: 2 });
    const writer = await store.openWriter("long");
    const before = process.memoryUsage().arrayBuffers;
    let highest = 0;
    const chunk = new Uint8Array(MIB);
    for (let i = 0; i < 64; i++) {
      chunk.fill(i);
      await writer.write(chunk);
      highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
    }
    const { byteLength, etag } = await writer.close();
    expect(byteLength).toBe(64 * MIB);
    // Three parts of 5 MiB, and what the connections hold; far from the 64 MiB of the value.
    expect(highest).toBeLessThan(32 * MIB);
    expect(etag).toMatch(/-13$/);
    const stored = await store.read("long");
    for (let i = 0; i < 64; i++) expect([stored[i * MIB], stored[(i + 1) * MIB - 1]]).toEqual([i, i]);
    expect((await store.stat("long")).etag).toBe(etag);
  });

  it("an abort and a store that is closed leave no upload", async () => {
    const store = await open();
    for (const end of ["abort", "close"] as const) {
      const writer = await store.openWriter("aborted");
      await writer.write(new Uint8Array(11 * MIB));
      await (writer as UploadWriter).uploadId;
      expect(await service.bucket.uploads()).toEqual(["aborted"]);
      await (end === "abort" ? writer.abort() : store.close());
      expect(await service.bucket.uploads()).toEqual([]);
      expect(await service.bucket.side.get("aborted")).toBeUndefined();
    }
  });

  it("an aborted write in parts leaves the old value and no upload", async () => {
    await using store = await open({ multipartFrom: 5 * MIB });
    await store.write("value", new Uint8Array([1]));
    const controller = new AbortController();
    const write = store.write("value", new Uint8Array(40 * MIB), { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    const outcome = await write.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isStorageError(outcome, "ABORTED")).toBe(true);
    expect(await service.bucket.side.get("value")).toEqual(new Uint8Array([1]));
    expect(await service.bucket.uploads()).toEqual([]);
  });

  it("an upload that nobody finished is found, resumed or removed; living ones are left alone", async () => {
    await using store = await open();
    await using other = await open();
    const living = (await store.openWriter("a/living")) as UploadWriter;
    await living.write(new Uint8Array(6 * MIB).fill(7));
    const begun = { Bucket: service.bucket.name, Key: "a/living", UploadId: await living.uploadId };
    await expect
      .poll(async () => (await service.bucket.client.send(new ListPartsCommand(begun))).Parts?.length)
      .toBe(1);
    const seen: string[] = [];
    for await (const upload of store.findUploads()) seen.push(upload.key);
    expect(seen).toEqual([]);
    // To another process, it looks as if it were abandoned.
    const [found] = await collectUploads(other);
    expect(found?.key).toBe("a/living");
    expect(await other.removeUploads()).toEqual([]);
    const uploadId = found?.uploadId as string;
    const resumed = await other.resumeWriter("a/living", uploadId);
    expect(resumed.byteLength).toBe(5 * MIB);
    await resumed.write(new Uint8Array(3 * MIB).fill(8));
    await resumed.close();
    const value = await store.read("a/living");
    expect([value.length, value[0], value.at(-1)]).toEqual([8 * MIB, 7, 8]);
    await living.abort();
    const lost = (await store.openWriter("lost")) as UploadWriter;
    await lost.write(new Uint8Array(6 * MIB));
    await lost.uploadId;
    expect((await other.removeUploads({ olderThanMs: 0 })).map(({ key }) => key)).toEqual(["lost"]);
    expect(await service.bucket.uploads()).toEqual([]);
    await lost.abort();
  });

  it("an endpoint of the environment has the bucket in the path, as one that is named", async () => {
    const { hostname, port } = new URL(service.endpoint);
    // A name, unlike an address, could have the bucket in front of it.
    vi.stubEnv("AWS_ENDPOINT_URL", `http://${hostname === "127.0.0.1" ? "localhost" : hostname}:${port}`);
    try {
      await using store = await S3Store.open({ bucket: service.bucket.name });
      await store.write("by/environment", Uint8Array.of(1));
      expect(await service.bucket.side.get("by/environment")).toEqual(Uint8Array.of(1));
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("presigned URLs read and write one key, and no more", async () => {
    await using store = await open();
    const put = await store.presign("p/a b+#é", { method: "PUT", expiresSeconds: 60 });
    expect((await fetch(put, { method: "PUT", body: "hello" })).status).toBe(200);
    const get = await store.presign("p/a b+#é");
    expect(await (await fetch(get)).text()).toBe("hello");
    expect((await fetch(get, { method: "PUT", body: "no" })).status).toBe(403);
    await expect(store.presign("p", { expiresSeconds: 10 ** 6 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(store.presign("p", { method: "DELETE" as "PUT" })).rejects.toMatchObject({ code: "INVALID_DATA" });
  });

  it("a wrong secret is UNAUTHENTICATED, and no secret is in any message, JSON or inspected object", async () => {
    process.env.AWS_SECRET_ACCESS_KEY = "wrong-secret-4711";
    await using store = await open({ conditionalWrites: "none" });
    const controller = new AbortController();
    const operations = [
      () => store.read("value"),
      () => store.write("value", new Uint8Array(3)),
      () => store.list().next(),
      () => store.readRanges("value", [{ offset: 0, length: 1 }]),
      () => open(),
    ];
    for (const run of operations) {
      const error = await run().then(
        () => new Error("it resolved"),
        (reason: unknown) => reason,
      );
      expect(isStorageError(error, "UNAUTHENTICATED", "PERMISSION_DENIED")).toBe(true);
      const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error);
      expect(shown).not.toMatch(/wrong-secret|testing123|AKIA|Signature=|Credential=/);
    }
    controller.abort();
    expect(inspect(store, { depth: 20 }) + JSON.stringify(store)).not.toMatch(/wrong-secret|testing123/);
  });

  it("a bucket that is not there is NOT_FOUND when the store is opened", async () => {
    await expect(open({ bucket: "no-such-bucket-here" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("conditions that the service does not keep for uploads in parts are refused rather than pretended", async () => {
    await using store = await open();
    const writer = await store.openWriter("exclusive", { ifAbsent: true });
    await expect(writer.write(new Uint8Array(6 * MIB))).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await writer.abort();
    expect(await service.bucket.uploads()).toEqual([]);
  });

  it("a long value that is read in parts is one version, whoever replaces it meanwhile", async () => {
    await using store = await open({ readPartsInFlight: 3, maxAttempts: 3 });
    const version = (seed: number) => new Uint8Array(16 * MIB).fill(seed);
    await store.write("replaced", version(1));
    for (let seed = 2; seed < 5; seed++) {
      const [bytes] = await Promise.all([store.read("replaced"), store.write("replaced", version(seed))]);
      expect([seed - 1, seed]).toContain(bytes[0]);
      expect(Buffer.compare(bytes, version(bytes[0] as number))).toBe(0);
    }
    await expect(store.read("replaced", { ifMatch: "0".repeat(32) })).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
    });
  });

  it("an aborted read in parts ends at once, and the store goes on", async () => {
    await using store = await open({ readPartsInFlight: 3 });
    await store.write("long", new Uint8Array(40 * MIB));
    const controller = new AbortController();
    const read = store.read("long", { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expect(read).rejects.toMatchObject({ code: "ABORTED" });
    expect((await store.read("long")).length).toBe(40 * MIB);
  });

  it("a stream that is read ahead in parts is in order and of one version, and one that is left asks for no more", async () => {
    await using store = await open({ readPartsInFlight: 3 });
    const value = Buffer.concat(Array.from({ length: 24 }, (_, i) => Buffer.alloc(MIB, i + 1)));
    await store.write("ahead", value);
    const read = async (range?: { offset: number; length: number }) =>
      Buffer.concat(await collect(await store.readStream("ahead", { range })));
    expect(Buffer.compare(await read(), value)).toBe(0);
    const range = { offset: 777, length: 20 * MIB };
    expect(Buffer.compare(await read(range), value.subarray(777, 777 + range.length))).toBe(0);
    const left = await store.readStream("ahead");
    for await (const _ of left) break;
    const controller = new AbortController();
    const aborted = (await store.readStream("ahead", { signal: controller.signal })).getReader();
    await aborted.read();
    controller.abort();
    const drain = async () => {
      while (!(await aborted.read()).done);
    };
    await expect(drain()).rejects.toMatchObject({ code: "ABORTED" });
    const replaced = (await store.readStream("ahead")).getReader();
    const pieces = [(await replaced.read()).value as Uint8Array];
    await store.write("ahead", Buffer.alloc(24 * MIB, 99));
    const rest = async () => {
      for (let next = await replaced.read(); !next.done; next = await replaced.read()) pieces.push(next.value);
      return Buffer.concat(pieces);
    };
    await expect(rest()).rejects.toMatchObject({ code: "CONFLICT", retryable: true });
  });

  it("a checksum that another program left behind with a newer value does not make that value wrong", async () => {
    await using store = await open({ verifyReads: true });
    const old = { Bucket: service.bucket.name, Key: "kept", Body: "newer", Metadata: { "sluice-crc32": "00000000" } };
    await service.bucket.client.send(new PutObjectCommand(old));
    expect(new TextDecoder().decode(await store.read("kept"))).toBe("newer");
    expect(
      new TextDecoder().decode(new Uint8Array(await new Response(await store.readStream("kept")).arrayBuffer())),
    ).toBe("newer");
  });

  it("names that are no normal keys are left out of listings, and their neighbours are not", async () => {
    await using store = await open({ prefix: "odd" });
    for (const key of ["odd/a//b", "odd/folder/", "odd/folder/x", "odd/./y", "odd/z"]) {
      await service.bucket.side.put(key, new Uint8Array(1));
    }
    const keys: string[] = [];
    for await (const { key } of store.list()) keys.push(key);
    expect(keys).toEqual(["folder/x", "z"]);
  });
});

async function collectUploads(store: S3Store) {
  const found = [];
  for await (const upload of store.findUploads()) found.push(upload);
  return found;
}
