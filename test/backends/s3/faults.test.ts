import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { S3Options } from "../../../backends/s3/index.ts";
import { S3Store } from "../../../backends/s3/store.ts";
import { isStorageError, type StorageError } from "../../../src/core/errors.ts";
import { collect } from "../../../src/testing/assertions.ts";
import { type Choice, type Fault, type FaultProxy, startFaultProxy } from "../../support/fault-proxy.ts";
import { useBucket } from "../../support/s3-fixture.ts";
import { hasS3 } from "../../support/s3-server.ts";

const MIB = 1 << 20;
const bytes = (length: number, seed = 1) => {
  const block = Uint8Array.from({ length: 8191 }, (_, i) => (i * 31 + seed * 7) & 0xff);
  return new Uint8Array(Buffer.alloc(length, block));
};
const isGet: Choice = ({ method, url }) => method === "GET" && !url.includes("list-type");
const isPut: Choice = ({ method }) => method === "PUT";

async function errorOf(work: Promise<unknown>): Promise<StorageError> {
  const error = await work.then(
    (value: unknown) => new Error(`resolved with ${typeof value}`),
    (reason: unknown) => reason,
  );
  if (!isStorageError(error)) throw error;
  return error;
}

describe.skipIf(!hasS3)("between the SDK and a real service, a network that fails", { timeout: 60_000 }, () => {
  const service = useBucket();
  let proxy: FaultProxy;
  let store: S3Store;
  const open = (options: S3Options = {}) =>
    S3Store.open({
      endpoint: proxy.endpoint,
      bucket: service.bucket.name,
      tree: "flat",
      partBytes: 5 * MIB,
      requestTimeoutMs: 1000,
      readPartsInFlight: 3,
      ...options,
    });
  beforeEach(async () => {
    proxy = await startFaultProxy(service.endpoint);
    store = await open();
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    expect(await service.bucket.uploads()).toEqual([]);
  });

  const slow = { answer: 503, headers: { "retry-after": "7" }, body: "<Error><Code>SlowDown</Code></Error>" };
  const failures: [string, Fault, string][] = [
    ["503", { answer: 503 }, "RATE_LIMITED"],
    ["a request to slow down", slow, "RATE_LIMITED"],
    ["500", { answer: 500, body: "<Error><Code>InternalError</Code></Error>" }, "UNEXPECTED"],
    ["a reset before the request", "reset before", "UNEXPECTED"],
    ["a lost answer", "lose answer", "UNEXPECTED"],
    ["silence", "silence", "TIMED_OUT"],
  ];

  it.each(failures)(
    "%s: every operation fails with a typed, retryable error, and works when repeated",
    async (_, fault, code) => {
      await service.bucket.side.put("value", bytes(1000));
      const operations: [string, () => Promise<unknown>][] = [
        ["read", () => store.read("value")],
        ["stat", () => store.stat("value")],
        ["readStream", () => store.readStream("value")],
        ["write", () => store.write("new", bytes(100))],
        ["list", () => collect(store.list())],
        ["delete", () => store.delete("gone")],
        ["copy", () => store.copy("value", "copy", { ifExists: "replace" })],
      ];
      for (const [name, run] of operations) {
        proxy.fail(fault);
        const error = await errorOf(run());
        expect([name, error.code, error.retryable]).toEqual([name, code, true]);
        if (fault === slow) expect(error.retryAfterMs).toBe(7000);
        await run();
      }
      expect(await service.bucket.side.get("new")).toEqual(bytes(100));
      expect(await store.read("value")).toEqual(bytes(1000));
    },
  );

  it.each<[Fault, string]>([
    ["truncate answer", "UNEXPECTED"],
    ["shorten answer", "CORRUPT"],
    ["corrupt answer", "CORRUPT"],
  ])("%s: no wrong value is read, neither whole nor as a stream", async (fault, code) => {
    const inParts = bytes(12 * MIB, 3);
    await store.write("small", bytes(3000));
    const writer = await store.openWriter("parts");
    await writer.write(inParts);
    await writer.close();
    // Of a long value the first answer is used as far as its first part; the others come by ranges.
    const nth = (n: number): Choice => {
      let seen = 0;
      return (request) => isGet(request) && ++seen === n;
    };
    const drain = async (key: string) => Buffer.concat(await collect(await store.readStream(key)));
    for (const run of [() => store.read("parts"), () => drain("parts")]) {
      proxy.fail(fault, nth(1));
      const hit = await run().catch((error: unknown) => error);
      expect(isStorageError(hit) || Buffer.compare(hit as Uint8Array, inParts) === 0).toBe(true);
    }
    for (const [key, value, request] of [
      ["small", bytes(3000), 1],
      ["parts", inParts, 2],
      ["parts", inParts, 3],
    ] as const) {
      proxy.fail(fault, nth(request));
      const error = await errorOf(store.read(key));
      expect([error.code, error.retryable]).toEqual([code, true]);
      proxy.fail(fault, nth(request));
      expect((await errorOf(drain(key))).retryable).toBe(true);
      expect(Buffer.compare(await store.read(key), value)).toBe(0);
    }
  });

  it("a range that is cut short is an error", async () => {
    await service.bucket.side.put("value", bytes(5000));
    for (const fault of ["truncate answer", "shorten answer"] as const) {
      proxy.fail(fault, isGet);
      expect((await errorOf(store.read("value", { range: { offset: 100, length: 2000 } }))).retryable).toBe(true);
    }
  });

  it("an upload that is damaged on its way is refused by the service, and the old value stays", async () => {
    await store.write("value", bytes(100));
    proxy.fail("corrupt request", isPut);
    const error = await errorOf(store.write("value", bytes(5000, 2)));
    expect([error.code, error.retryable]).toEqual(["CORRUPT", true]);
    expect(await service.bucket.side.get("value")).toEqual(bytes(100));
  });

  it("an answer that comes twice is not taken for the answer to the next request", { timeout: 10_000 }, async () => {
    await service.bucket.side.put("one", bytes(100, 1));
    await service.bucket.side.put("two", bytes(100, 2));
    await using single = await open({ maxSockets: 1, conditionalWrites: "none" });
    for (let round = 0; round < 5; round++) {
      expect(await single.read("one")).toEqual(bytes(100, 1));
      await proxy.repeatAnswer();
      expect(await single.read("two")).toEqual(bytes(100, 2));
      await single.write("a", bytes(50, round));
      await proxy.repeatAnswer();
      await single.write("b", bytes(60, round));
      expect(await service.bucket.side.get("b")).toEqual(bytes(60, round));
    }
  });

  it("a conditional write whose answer is lost is not retryable: it may have been carried out", async () => {
    proxy.fail("lose answer", isPut);
    const error = await errorOf(store.write("lock", bytes(10), { ifAbsent: true }));
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(/not known/);
    expect(await service.bucket.side.get("lock")).toEqual(bytes(10));
    proxy.fail("reset before", isPut);
    await errorOf(store.write("lock2", bytes(10), { ifAbsent: true }));
    expect(await service.bucket.side.get("lock2")).toBeUndefined();
  });

  it("a part that fails gives the upload up; an unfinished value is never seen", async () => {
    for (const fault of ["reset before", "lose answer", "corrupt request", { answer: 503 }] as const) {
      const writer = await store.openWriter("never");
      proxy.fail(fault, ({ url }) => url.includes("partNumber=2"));
      const write = async () => {
        for (let i = 0; i < 4; i++) await writer.write(bytes(5 * MIB, i));
        await writer.close();
      };
      expect((await errorOf(write())).retryable).toBe(true);
      await writer.abort();
      expect(await service.bucket.side.get("never")).toBeUndefined();
      expect(await service.bucket.uploads()).toEqual([]);
    }
  });

  it("an upload whose last answer is lost is found to be finished", async () => {
    const value = bytes(11 * MIB);
    const writer = await store.openWriter("parts");
    await writer.write(value);
    proxy.fail("lose answer", ({ method, url }) => method === "POST" && url.includes("uploadId="));
    const { etag, byteLength } = await writer.close();
    expect(byteLength).toBe(value.length);
    expect((await store.stat("parts")).etag).toBe(etag);
  });

  it("each key of a batch delete has an answer, also when the service's is lost", async () => {
    await service.bucket.side.put("a", bytes(1));
    proxy.fail("lose answer", ({ method }) => method === "POST");
    const results = await store.deleteMany(["a", "b"]);
    expect(results.map(({ key, error }) => [key, error?.retryable])).toEqual([
      ["a", true],
      ["b", true],
    ]);
  });
});
