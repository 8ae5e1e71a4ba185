import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import type { ByteWriter } from "../../../src/core/byte-store.ts";
import { checkEqual } from "../../../src/testing/assertions.ts";
import { pattern } from "../../../src/testing/byte-store-checks.ts";
import { bundle } from "../../support/bundle.ts";
import { folderDoor, freshDisk } from "../../support/byte-stores.ts";
import { whyNoMount } from "../../support/mounts.ts";

const MIB = 1 << 20;

const noMount = whyNoMount();

/** Ends by an error. */
async function writeUntilFull(writer: ByteWriter): Promise<never> {
  for (;;) await writer.write(pattern(MIB / 4));
}

describe("a full disk", () => {
  test.skipIf(noMount !== undefined)(
    `keeps the old value, leaves nothing behind, and takes what fits${noMount ? ` (not tried: ${noMount})` : ""}`,
    async () => {
      const root = await mkdtemp(join(tmpdir(), "sluice-full-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", root]);
      try {
        const store = new DiskStore({ root });
        const side = folderDoor(root);
        await store.write("value", pattern(3 * MIB));
        const tooLarge = pattern(6 * MIB);
        const noSpace = { code: "NO_SPACE", retryable: false };
        await expect(store.write("value", tooLarge)).rejects.toMatchObject(noSpace);
        await expect(store.write("new/value", [tooLarge, tooLarge], { ifAbsent: true })).rejects.toMatchObject(noSpace);
        const writer = await store.openWriter("value");
        await expect(writer.write(tooLarge)).rejects.toMatchObject(noSpace);
        await expect(writer.close()).rejects.toMatchObject(noSpace);
        // Piece by piece, until no more fits, over a value and where none is.
        for (const key of ["value", "new/deep/value"]) {
          for (const direct of ["never", "auto"] as const) {
            const long = await store.openWriter(key, { direct });
            await expect(writeUntilFull(long)).rejects.toMatchObject(noSpace);
            await expect(long.close()).rejects.toMatchObject(noSpace);
          }
        }
        await store.write("second", pattern(2 * MIB));
        await store.copy("second", "third");
        await expect(store.copy("value", "fourth")).rejects.toMatchObject(noSpace);
        await expect(store.copy("value", "third", { ifExists: "replace" })).rejects.toMatchObject(noSpace);
        checkEqual(await side.get("third"), pattern(2 * MIB), "the target of the copy");
        await store.delete("third");
        expect((await side.keys()).sort()).toEqual(["second", "value"]);
        checkEqual(await side.get("value"), pattern(3 * MIB), "the value");
        await expect(store.stat("new")).rejects.toMatchObject({ code: "NOT_FOUND" });
        await store.write("value", pattern(2 * MIB));
        checkEqual(await side.get("value"), pattern(2 * MIB), "the value");
      } finally {
        execFileSync("umount", [root]);
        await rm(root, { recursive: true });
      }
    },
  );

  test("a limit on the size of files does the same, without root", async () => {
    const { root, side, dispose } = await freshDisk();
    const child = await bundle(new URL("children/too-large.ts", import.meta.url));
    await side.put("value", pattern(1000));
    // Blocks of 1024 bytes.
    const script = `ulimit -f 1024; exec "$0" "$@"`;
    const result = spawnSync("bash", ["-c", script, process.execPath, child.path, root, String(2 * MIB)], {
      encoding: "utf8",
    });
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual(["NO_SPACE", "NO_SPACE", "NO_SPACE"]);
    expect(await side.keys()).toEqual(["value"]);
    checkEqual(await side.get("value"), pattern(1000), "the value");
    await child.remove();
    await dispose?.();
  });
});
