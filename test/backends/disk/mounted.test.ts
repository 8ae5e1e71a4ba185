import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import { text } from "../../../src/testing/byte-store-checks.ts";
import { whyNoMount } from "../../support/mounts.ts";
import { rejectionOf } from "../../support/rejection.ts";

const noMount = whyNoMount();

test.skipIf(noMount !== undefined)(
  `a rename to another device inside the root moves the value, and loses none that comes meanwhile${noMount ? ` (not tried: ${noMount})` : ""}`,
  async () => {
    const root = await mkdtemp(join(tmpdir(), "sluice-mounted-"));
    await mkdir(join(root, "other"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", join(root, "other")]);
    try {
      const store = new DiskStore({ root });
      await store.write("a", text("old"));
      await store.rename("a", "other/a");
      expect(await readdir(root)).toEqual(["other"]);
      expect(await store.read("other/a")).toEqual(text("old"));
      await store.write("a", text("old"));
      expect((await rejectionOf(store.rename("a", "other/a"))).code).toBe("ALREADY_EXISTS");
      const copy = store.copy.bind(store);
      store.copy = async (...call) => {
        const copied = await copy(...call);
        await writeFile(join(root, "a"), "newer");
        return copied;
      };
      const moved = store.rename("a", "other/a", { ifExists: "replace" });
      expect(await rejectionOf(moved)).toMatchObject({ code: "CONFLICT", retryable: true });
      expect(await store.read("a")).toEqual(text("newer"));
      expect(await store.read("other/a")).toEqual(text("old"));
    } finally {
      execFileSync("umount", [join(root, "other")]);
      await rm(root, { recursive: true });
    }
  },
);
