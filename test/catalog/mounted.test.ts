/** Disks that are full, and file systems that cannot be written. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../../src/catalog/database.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { whyNoMount } from "../support/mounts.ts";
import { rowsOf } from "./beamtime-folder.ts";

const noMount = whyNoMount();
const why = noMount ? ` (not tried: ${noMount})` : "";

/** Runs with a small file system of its own. */
async function withMount(size: string, run: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "sluice-mounted-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", root]);
  try {
    await run(root);
  } finally {
    execFileSync("umount", [root]);
    await rm(root, { recursive: true });
  }
}

describe("a full disk", () => {
  test.skipIf(noMount !== undefined)(
    `keeps what was committed, takes no event that it cannot keep, and goes on when there is room${why}`,
    () =>
      withMount("4m", async (root) => {
        const path = join(root, "bt.db");
        const ballast = join(root, "ballast");
        const reported: string[] = [];
        const writer = new RunWriter(path, { name: "PS" }, { onError: ({ code }) => reported.push(code) });
        await writer.open();
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        execFileSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=64k", "count=40"], { stdio: "ignore" });
        const note = "x".repeat(2000);
        let accepted = 0;
        const fill = async () => {
          for (; accepted < 5000; accepted++) await writer.writeEvent({ i: accepted, note });
        };
        await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE", retryable: false });
        expect(reported).toContain("NO_SPACE");
        await expect(writer.closeRun()).rejects.toMatchObject({ code: "NO_SPACE" });
        const waiting = writer.pendingRows;
        expect(waiting).toBeGreaterThan(0);
        expect(await rowsOf(path, "SELECT count(*) AS n FROM events")).toEqual([{ n: accepted - waiting }]);
        await rm(ballast);
        await writer.writeEvent({ i: accepted });
        await writer.closeRun();
        await writer.close();
        const rows = await rowsOf<{ data: string }>(path, "SELECT data FROM events ORDER BY seq_num");
        expect(rows.map(({ data }) => JSON.parse(data).i)).toEqual(Array.from({ length: accepted + 1 }, (_, i) => i));
        expect(await rowsOf(path, "SELECT exit_status, num_events FROM runs")).toEqual([
          { exit_status: "success", num_events: accepted + 1 },
        ]);
      }),
    60_000,
  );

  test.skipIf(noMount !== undefined)(`refuses an image, and keeps those before and the run${why}`, () =>
    withMount("3m", async (root) => {
      const path = join(root, "bt.db");
      const noise = ndArray(
        Uint16Array.from({ length: 1 << 19 }, () => Math.random() * 65536),
        [1024, 512],
      );
      await new RunWriter(path, { name: "PS" }).use(async (writer) => {
        await writer.openRun("scan");
        await writer.openStream("primary", {});
        const event = await writer.writeEvent({});
        expect(await writer.writeImage(event, "cam", noise)).toBe(0);
        const refused = async () => {
          for (;;) await writer.writeImage(event, "cam", noise);
        };
        await expect(refused()).rejects.toMatchObject({ code: "NO_SPACE" });
        await writer.writeEvent({});
      });
      const [{ images } = { images: 0 }] = await rowsOf<{ images: number }>(
        path,
        "SELECT count(*) AS images FROM image_refs",
      );
      expect(images).toBeGreaterThan(0);
      expect(await rowsOf(path, "SELECT exit_status, num_events FROM runs")).toEqual([
        { exit_status: "success", num_events: 2 },
      ]);
    }),
  );

  test.skipIf(noMount !== undefined)(`close says how many rows are lost${why}`, () =>
    withMount("2m", async (root) => {
      const path = join(root, "bt.db");
      const writer = new RunWriter(path, { name: "PS" });
      await writer.open();
      const run = await writer.openRun("scan");
      await writer.openStream("primary", {});
      const note = "x".repeat(2000);
      const fill = async () => {
        for (;;) await writer.writeEvent({ note });
      };
      await expect(fill()).rejects.toMatchObject({ code: "NO_SPACE" });
      const failure = (await writer.close().catch((error: unknown) => error)) as AggregateError;
      expect(failure.errors.map(({ message }: Error) => message).join()).toMatch(/\d+ rows of .* are lost/);
      expect(writer.isOpen).toBe(false);
      expect(await rowsOf(path, `SELECT exit_status FROM runs WHERE uid = '${run}'`)).toEqual([{ exit_status: null }]);
    }),
  );
});

describe("a file system that cannot be written", () => {
  test.skipIf(noMount !== undefined)(`is named as what it is, and its files are read${why}`, () =>
    withMount("4m", async (root) => {
      const path = join(root, "bt.db");
      await new RunWriter(path, { name: "PS" }).use((writer) => writer.openRun("scan"));
      execFileSync("mount", ["-o", "remount,ro", root]);
      const readOnly = { code: "READ_ONLY" };
      await expect(new RunWriter(path, { name: "PS" }).open()).rejects.toMatchObject(readOnly);
      await expect(new RunWriter(join(root, "new.db"), { name: "PS" }).open()).rejects.toMatchObject(readOnly);
      await expect(openSqlite(path)).rejects.toMatchObject(readOnly);
      const database = await openDatabase(path, { readOnly: true });
      expect(await database.all("SELECT plan_name, exit_status FROM runs")).toEqual([
        { plan_name: "scan", exit_status: "success" },
      ]);
      await expect(database.transaction(async () => {})).rejects.toMatchObject(readOnly);
      await database.close();
    }),
  );
});
