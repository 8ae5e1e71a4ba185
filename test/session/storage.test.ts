import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fixtures, open, temporaryFolder } from "./support.ts";

describe("Storage of a session", () => {
  it("touches nothing on disk before a run", async () => {
    const folder = await temporaryFolder();
    const basePath = join(folder, "data");
    const session = await open({
      storage: { basePath, writers: { a: { use: "zarr" }, b: { use: "tiff" } } },
      devices: { camera: { use: "simulated-camera", writer: "a" } },
    });
    expect(existsSync(basePath)).toBe(false);
    expect([...session.writers.keys()]).toEqual(["a"]);
  });

  it("is below the folder of the session file, or in the home folder", async () => {
    const relative = await open({ storage: { basePath: "../runs" } });
    expect(relative.location?.basePath).toBe(join(fixtures, "..", "runs"));
    const home = await open({ storage: { basePath: "~/runs" } });
    expect(home.location?.basePath).toBe(join(homedir(), "runs"));
    const omitted = await open({ storage: {} });
    expect(omitted.location?.basePath).toBe(join(homedir(), "sluice-storage"));
    const named = await open({ storage: { filenameProvider: "uuid" } });
    expect(named.location?.basePath).toBe(join(homedir(), "sluice-storage", "test"));
  });

  it.each([
    [{ filenameProvider: "session" as const }, /\/test\/\d{4}_\d\d_\d\d\/count_00000$/, /count_00001$/],
    [{ filenameProvider: "auto_increment" as const, filename: "scan" }, /\/scan_00000$/, /\/scan_00001$/],
    [{ filenameProvider: "auto_increment" as const }, /\/00000$/, /\/00001$/],
    [{ filenameProvider: "uuid" as const }, /\/[0-9a-f-]{36}$/, /\/[0-9a-f-]{36}$/],
  ])(
    "names runs by the provider %o, and never twice the same, also after a restart",
    async (storage, first, second) => {
      const basePath = await temporaryFolder();
      const one = await open({ storage: { ...storage, basePath } });
      const a = await one.location?.reserve("count");
      expect(a?.path).toMatch(first);
      expect(existsSync(a?.path as string)).toBe(true);
      const two = await open({ storage: { ...storage, basePath } });
      const b = await two.location?.reserve("count");
      expect(b?.path).toMatch(second);
      expect(b?.path).not.toBe(a?.path);
    },
  );

  it("refuses a second run under a static name", async () => {
    const basePath = await temporaryFolder();
    const session = await open({ storage: { filenameProvider: "static", filename: "only", basePath } });
    expect((await session.location?.reserve("count"))?.path).toBe(join(basePath, "only"));
    await expect(session.location?.reserve("count")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });
});
