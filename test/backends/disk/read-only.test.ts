/** Places that take no new files: read-only file systems, and folders in which no folder can be made. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { pattern } from "../../../src/testing/byte-store-checks.ts";
import { whyNoMount } from "../../support/mounts.ts";

const noMount = whyNoMount();
const isLinux = process.platform === "linux";

describe("a read-only file system", () => {
  test.skipIf(noMount !== undefined)(
    `is named as what it is by every change, and is read${noMount ? ` (not tried: ${noMount})` : ""}`,
    async () => {
      const root = await mkdtemp(join(tmpdir(), "sluice-read-only-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", root]);
      try {
        await writeFile(join(root, "value"), "kept");
        execFileSync("mount", ["-o", "remount,ro", root]);
        const store = new DiskStore({ root });
        const readOnly = { code: "READ_ONLY", retryable: false };
        await expect(store.write("value", pattern(10))).rejects.toMatchObject(readOnly);
        await expect(store.write("new/deep/value", pattern(10))).rejects.toMatchObject(readOnly);
        await expect(store.openWriter("new/deep/value")).rejects.toMatchObject(readOnly);
        await expect(store.createDirectory("new/deep")).rejects.toMatchObject(readOnly);
        await expect(store.copy("value", "new/copy")).rejects.toMatchObject(readOnly);
        await expect(store.rename("value", "new/name")).rejects.toMatchObject(readOnly);
        await expect(store.delete("value")).rejects.toMatchObject(readOnly);
        expect(Buffer.from(await store.read("value")).toString()).toBe("kept");
        expect(await readdir(root)).toEqual(["value"]);
      } finally {
        execFileSync("umount", [root]);
        await rm(root, { recursive: true });
      }
    },
  );
});

describe("a folder that takes no folders", () => {
  test.skipIf(!isLinux)("refuses those above a value instead of trying for ever (/proc of Linux)", async () => {
    const store = new DiskStore({ root: "/proc" });
    await expect(store.createDirectory("sluice/deep/er")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(store.write("sluice/deep/value", pattern(10))).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
