import { afterEach, describe, expect, test } from "vitest";
import { freshFolder, goOnCopying, interruptCopy, isSame, longBytes, MIB } from "../support/interrupted-copy.ts";
import { hasS3, startS3 } from "../support/s3-server.ts";
import { folderOf, freshBucket } from "../support/s3-subjects.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function disk() {
  const subject = await freshFolder();
  closing.push(() => subject.dispose?.());
  return subject;
}

describe.skipIf(!hasS3)("a long value in a bucket", { timeout: 60_000 }, () => {
  test("goes on with the upload that was called off, unless the bytes have changed", async () => {
    const server = await startS3();
    closing.push(() => server.stop());
    const bucket = await freshBucket(server.endpoint);
    closing.push(() => bucket.remove());
    const to = await folderOf(bucket, server.endpoint, { partBytes: 5 * MIB, partsInFlight: 1 });
    closing.push(() => to.store.close());
    const from = await disk();
    await from.side.put("a.bin", longBytes(24 * MIB));
    expect(await interruptCopy(from.store, to.store, 18 * MIB)).toBe("ABORTED");
    expect(await bucket.uploads()).toHaveLength(1);
    expect(await to.side.keys()).toEqual([]);
    expect(await goOnCopying(from.store, to.store)).toBeGreaterThanOrEqual(10 * MIB);
    expect(await bucket.uploads()).toEqual([]);
    expect(isSame(await to.side.get("a.bin"), longBytes(24 * MIB))).toBe(true);

    // Shorter than what is gone on with: nothing of it stays.
    await to.store.delete("a.bin");
    expect(await interruptCopy(from.store, to.store, 18 * MIB, { resumeFrom: 32 * MIB })).toBe("ABORTED");
    expect(await bucket.uploads()).toEqual([]);

    await interruptCopy(from.store, to.store, 18 * MIB);
    const newer = longBytes(24 * MIB, 2);
    await from.side.put("a.bin", newer);
    expect(await goOnCopying(from.store, to.store)).toBeLessThanOrEqual(MIB);
    expect(isSame(await to.side.get("a.bin"), newer)).toBe(true);
    // That of the old bytes is for `recover`: who knows who else is at it.
    expect(await bucket.uploads()).toHaveLength(1);
  });
});
