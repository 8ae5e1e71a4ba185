/** Where live scans can be kept, and what is said of other places. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLive } from "../../src/live/open.ts";
import { withRedisPassword } from "../../src/session/live-location.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-open-live-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a folder is made if it is not there, by its path or URL", async () => {
  for (const location of [join(folder, "a/live"), pathToFileURL(join(folder, "b")).href]) {
    await using store = await openLive(location);
    await store.createScan({ name: "scan" });
  }
  expect(readdirSync(folder)).toEqual(["a", "b"]);
});

test("a file is no place for live scans, and stays as it is", async () => {
  const path = join(folder, "session.yaml");
  writeFileSync(path, "session: mine");
  await expect(openLive(path)).rejects.toMatchObject({
    code: "NOT_A_DIRECTORY",
    message: `"${path}" is a file; live scans are kept in a folder`,
  });
  expect(readdirSync(folder)).toEqual(["session.yaml"]);
});

test("no place, and one of another kind, are refused with the kinds that there are", async () => {
  for (const location of ["", "http://localhost", "s3://bucket/live"]) {
    await expect(openLive(location)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/a folder, .*redis:.*memory:/),
    });
  }
});

test("an address of redis without slashes, or that is no URL, is refused with the one that works, and told to nobody", async () => {
  const addresses = ["redis:", "redis:host", "redis:host:6379", "redis:/1", "redis:me:hunter2@host", "rediss:host/1"];
  for (const location of addresses) {
    const failure = await openLive(location).catch((error: Error) => error);
    expect(failure).toMatchObject({ code: "CONFIG_INVALID" });
    expect(inspect(failure, { depth: 20, showHidden: true })).toMatch(
      /two slashes before the host\. .*redis:\/\/.*host/,
    );
    expect(inspect(failure, { depth: 20, showHidden: true })).not.toContain("hunter2");
  }
  const failure = await openLive(withRedisPassword("redis://host:port", { REDISCLI_AUTH: "hunter2" })).catch(
    (error: Error) => error,
  );
  expect(failure).toMatchObject({ code: "CONFIG_INVALID", message: expect.not.stringContaining("slashes before") });
});
