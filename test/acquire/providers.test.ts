import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "vite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AutoIncrementFilenameProvider,
  SessionPathProvider,
  StaticFilenameProvider,
  StaticPathProvider,
  UUIDFilenameProvider,
} from "../../src/acquire/index.ts";

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "sluice paths #"));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const now = () => new Date(2026, 10, 21);
const day = (session: string) => join(base, session, "2026_11_21");
const nameOf = (uri: string) => decodeURIComponent(uri.slice(uri.lastIndexOf("/") + 1));

describe("Filename providers", () => {
  it("are made with new, called like functions, and keep their class", () => {
    const provider = new StaticFilenameProvider("scan");
    expect([provider(), provider("cam")]).toEqual(["scan", "scan"]);
    expect(provider).toBeInstanceOf(StaticFilenameProvider);
    expect(provider).not.toBeInstanceOf(UUIDFilenameProvider);
    expect(typeof provider).toBe("function");
    expect(provider.call(undefined, "cam")).toBe("scan");
    expect(provider.filename).toBe("scan");
  });

  it("can be extended, private members and all", () => {
    class Dated extends AutoIncrementFilenameProvider {
      readonly #day = "monday";
      protected override provide(): string {
        return `${this.#day}-${super.provide()}`;
      }
    }
    const provider = new Dated({ maxDigits: 2 });
    expect([provider(), provider()]).toEqual(["monday-00", "monday-01"]);
  });

  it("make a new UUID with each call", () => {
    const provider = new UUIDFilenameProvider();
    const [a, b] = [provider(), provider()];
    expect(a).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(a).not.toBe(b);
  });

  it("count, with base, start, step and delimiter", () => {
    const scan = new AutoIncrementFilenameProvider({ base: "scan", maxDigits: 3 });
    expect([scan(), scan("cam"), scan()]).toEqual(["scan_000", "scan_001", "scan_002"]);
    const bare = new AutoIncrementFilenameProvider({ maxDigits: 2, start: 5 });
    expect([bare(), bare()]).toEqual(["05", "06"]);
    const stepping = new AutoIncrementFilenameProvider({ base: "s", step: 10, delimiter: "-" });
    expect([stepping(), stepping()]).toEqual(["s-00000", "s-00010"]);
  });

  it("stop, rather than answer a name with too many digits", () => {
    expect(() => new AutoIncrementFilenameProvider({ start: 10, maxDigits: 1 })()).toThrow(/maximum of 1 digits/);
    const provider = new AutoIncrementFilenameProvider({ start: 9, maxDigits: 1 });
    expect(provider()).toBe("9");
    expect(() => provider()).toThrow(expect.objectContaining({ code: "CAPACITY_EXCEEDED" }));
  });
});

describe("StaticPathProvider", () => {
  it("joins folder and name, whatever slashes and signs there are", () => {
    const provider = new StaticPathProvider(new StaticFilenameProvider("run #1"), "file:///data//", "image/tiff", 5);
    expect(provider("cam")).toEqual({
      storeUri: "file:///data/run%20%231",
      arrayKey: "cam",
      capacity: 5,
      mimetypeHint: "image/tiff",
      extra: {},
    });
    expect(provider()).toMatchObject({ arrayKey: "run #1" });
  });
});

describe("SessionPathProvider", () => {
  it("answers a percent-encoded URI of a folder that it has made", async () => {
    const provider = new SessionPathProvider({ baseDir: base, session: "exp 1", now });
    const info = await provider("scan", { group: "main" });
    expect(info.storeUri).toMatch(
      /^file:\/\/localhost\/.*sluice%20paths%20%23.*\/exp%201\/2026_11_21\/scan_main_00000$/,
    );
    expect(info).toMatchObject({ arrayKey: "scan", capacity: 0, mimetypeHint: "application/x-zarr", extra: {} });
    const path = fileURLToPath(info.storeUri.replace("//localhost", "//"));
    expect((await stat(path)).isDirectory()).toBe(true);
  });

  it("counts for each plan and each group on its own", async () => {
    const provider = new SessionPathProvider({ baseDir: base, now });
    const names = [];
    for (const [key, group] of [["a"], ["a"], ["b"], ["a", "g"], [undefined], ["a"]] as [string?, string?][]) {
      names.push(nameOf((await provider(key, { group })).storeUri));
    }
    expect(names).toEqual(["a_00000", "a_00001", "b_00000", "a_g_00000", "default_00000", "a_00002"]);
  });

  it("continues after a restart, whatever follows the numbers that are there", async () => {
    await mkdir(join(day("s"), "scan_00007.ome.zarr"), { recursive: true });
    for (const name of ["tif_00002_cam", "old_100000", "old_00003"]) await mkdir(join(day("s"), name));
    await writeFile(join(day("s"), "h5_00004_cam.h5"), "");
    const provider = new SessionPathProvider({ baseDir: base, session: "s", now, maxDigits: 6 });
    const next = async (key: string) => nameOf((await provider(key)).storeUri);
    expect(await next("scan")).toBe("scan_000008");
    expect(await next("tif")).toBe("tif_000003");
    expect(await next("h5")).toBe("h5_000005");
    expect(await next("old")).toBe("old_100001");
    const restarted = new SessionPathProvider({ baseDir: base, session: "s", now });
    expect(nameOf((await restarted("scan")).storeUri)).toBe("scan_00009");
  });

  it("is not impressed by junk", async () => {
    await mkdir(join(day("s"), "scan_abc"), { recursive: true });
    await mkdir(join(day("s"), "scanner_00009"));
    await mkdir(join(day("s"), "scan_12monkeys"));
    await writeFile(join(day("s"), "scan_00005"), "a file without a suffix is no run");
    const provider = new SessionPathProvider({ baseDir: base, session: "s", now });
    expect(nameOf((await provider("scan")).storeUri)).toBe("scan_00000");
  });

  it("never hands a folder out twice, also where two pairs of key and group have the same name", async () => {
    const provider = new SessionPathProvider({ baseDir: base, now });
    const [one, two] = await Promise.all([provider("a", { group: "default" }), provider("a_default")]);
    expect(new Set([one.storeUri, two.storeUri]).size).toBe(2);
  });

  it("skips what somebody else has taken since", async () => {
    const [one, two] = [0, 1].map(() => new SessionPathProvider({ baseDir: base, now })) as [
      SessionPathProvider,
      SessionPathProvider,
    ];
    const names = [];
    for (const provider of [one, two, two, one]) names.push(nameOf((await provider("scan")).storeUri));
    expect(names).toEqual(["scan_00000", "scan_00001", "scan_00002", "scan_00003"]);
  });

  it("looks anew when session or folder is set", async () => {
    const provider = new SessionPathProvider({ baseDir: base, session: "one", now });
    await provider("scan");
    await mkdir(join(day("two"), "scan_00041"), { recursive: true });
    provider.session = "two";
    expect(nameOf((await provider("scan")).storeUri)).toBe("scan_00042");
    provider.baseDir = join(base, "elsewhere");
    expect(nameOf((await provider("scan")).storeUri)).toBe("scan_00000");
    provider.baseDir = base;
    provider.session = "one";
    expect(nameOf((await provider("scan")).storeUri)).toBe("scan_00001");
  });

  it("keeps the date of its construction", async () => {
    let date = new Date(2026, 0, 2, 23, 59);
    const provider = new SessionPathProvider({ baseDir: base, session: "s", now: () => date });
    date = new Date(2026, 0, 3);
    await provider("scan");
    expect(await readdir(join(base, "s"))).toEqual(["2026_01_02"]);
  });

  it("stops when the digits are used up", async () => {
    await mkdir(join(day("default"), "scan_9"), { recursive: true });
    const provider = new SessionPathProvider({ baseDir: base, maxDigits: 1, now });
    await expect(provider("scan")).rejects.toMatchObject({ code: "CAPACITY_EXCEEDED" });
  });

  it.each(["a/b", "..", "", "a\\b", "a\0"])("refuses %j as a key, a group and a session", async (name) => {
    const provider = new SessionPathProvider({ baseDir: base, now });
    await expect(provider(name)).rejects.toMatchObject({ code: "INVALID_KEY" });
    await expect(provider("scan", { group: name })).rejects.toMatchObject({ code: "INVALID_KEY" });
    expect(() => new SessionPathProvider({ session: name })).toThrow(/folder name/);
  });

  it("says what is in the way of its folder", async () => {
    await writeFile(join(base, "file"), "");
    for (const baseDir of [join(base, "file"), join(base, "file", "below")]) {
      await expect(new SessionPathProvider({ baseDir, now })("scan")).rejects.toMatchObject({
        code: "NOT_A_DIRECTORY",
      });
    }
    await writeFile(join(base, "default"), "");
    await expect(new SessionPathProvider({ baseDir: base, now })("scan")).rejects.toThrow(/Cannot make the folder/);
  });

  it("stops before it takes a number when it is aborted", async () => {
    const provider = new SessionPathProvider({ baseDir: base, now });
    await expect(provider("scan", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await readdir(day("default"))).toEqual([]);
  });

  it("gives four processes two hundred different folders", async () => {
    const script = fileURLToPath(new URL("../support/reserve-paths.ts", import.meta.url));
    // Node 20 runs no TypeScript by itself.
    await build({
      configFile: false,
      logLevel: "silent",
      build: {
        ssr: script,
        outDir: join(base, "script"),
        rollupOptions: { output: { entryFileNames: "reserve.mjs" } },
      },
    });
    const run = () => promisify(execFile)(process.execPath, [join(base, "script", "reserve.mjs"), base, "50"]);
    const outputs = await Promise.all([run(), run(), run(), run()]);
    const uris = outputs.flatMap(({ stdout }) => stdout.trim().split("\n"));
    expect(uris).toHaveLength(200);
    expect(new Set(uris).size).toBe(200);
    expect(await readdir(day("race"))).toHaveLength(200);
  });
});
