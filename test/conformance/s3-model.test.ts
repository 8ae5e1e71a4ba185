import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { CacheStore } from "../../src/layers/cache.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import { modelHolds } from "../support/model-run.ts";
import { around } from "../support/model-subjects.ts";
import { useBucket } from "../support/s3-fixture.ts";
import { s3Subject } from "../support/s3-model-subject.ts";
import { hasS3 } from "../support/s3-server.ts";

describe.skipIf(!hasS3)("any sequence of commands on a bucket of a real service", { timeout: 240_000 }, () => {
  const service = useBucket();

  test("an unfinished upload of an odd key is found by its name, and removed", async () => {
    const keys = ["c/d/e[1]", "50%25 a+b", "\u{1f600}&<x>"];
    const { store, crash, side, dispose } = await s3Subject(service.bucket, service.endpoint);
    for (const key of keys) await crash?.(key);
    const found: string[] = [];
    for await (const { key } of store.findUploads()) found.push(key);
    expect(found.sort()).toEqual(keys.sort());
    expect(await store.removeUploads({ olderThanMs: -60_000 })).toHaveLength(keys.length);
    expect(await side.keys()).toEqual([]);
    await store.close();
    await dispose?.();
  });

  test("does what a map would do through a cache, retry, a limit and a timeout", () =>
    modelHolds(async () => {
      const medium = new MemoryStore();
      const wrap = (store: ByteStore) =>
        new CacheStore(new RetryStore(new LimitStore(new TimeoutStore(store), { concurrency: 4 })), { medium });
      return around(await s3Subject(service.bucket, service.endpoint), wrap);
    }, 5));

  test("does what a map would do", () => modelHolds(() => s3Subject(service.bucket, service.endpoint), 8));
});
