import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, type PlatformPath, posix, win32 } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { disk } from "../../../backends/disk/index.ts";
import { whyNotPortable } from "../../../backends/disk/key-names.ts";
import { Place } from "../../../backends/disk/place.ts";
import { DiskStore } from "../../../backends/disk/store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { keysOf, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { freshDisk } from "../../support/byte-stores.ts";

const rejects = (work: Promise<unknown>, code: string) => expect(work).rejects.toMatchObject({ code });

/** Names that Windows would take elsewhere, to a device, or to another name. */
const UNPORTABLE = [
  "..\\outside",
  "a\\b",
  "C:",
  "c:\\windows",
  "C:outside",
  "\\\\server\\share",
  "\\\\?\\C:\\x",
  "value:stream",
  "value::$DATA",
  "CON",
  "con",
  "PRN.tif",
  "aux.h",
  "NUL",
  "nul.tar.gz",
  "NUL .txt",
  "COM1",
  "com9.npy",
  "COM²",
  "LPT³.x",
  "lpt1",
  "CONIN$",
  "CONOUT$",
  "dot.",
  "space ",
  "...",
  " ",
  "what?",
  "a*",
  "a<b",
  "a>b",
  'a"b',
  "a|b",
  "tab\there",
  "line\nbreak",
];

/** Names that look like those, and are fine everywhere. */
const PORTABLE = ["console", "com10", "com", "nul-1", "lpt", "COM1x", ".hidden", "a.b", "é", "a b", "#%+[]{}", "~1"];

describe("names on every system", () => {
  test.each(UNPORTABLE)("%j is seen as one that Windows would not keep", (name) => {
    expect(whyNotPortable(name)).toMatch(/Windows/);
  });

  test.each(PORTABLE)("%j is fine", (name) => expect(whyNotPortable(name)).toBeUndefined());
});

const parts = fc.oneof(
  fc.constantFrom("..", ".", "", "...", "/", "\\", "..\\", ":", "C:", "\0", " ", ".", "//", "~", "\u202e", "folder"),
  fc.constantFrom(...UNPORTABLE, ...PORTABLE),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const keys = fc
  .tuple(fc.array(fc.tuple(parts, fc.constantFrom("", "/", "\\"))), parts)
  .map(([list, last]) => list.map((pair) => pair.join("")).join("") + last);

describe.each([
  ["posix", posix, ["/data/run", "/"]],
  ["win32", win32, ["C:\\data\\run", "\\\\server\\share\\run", "C:\\"]],
] as const)("by the rules of %s", (rules, paths: PlatformPath, roots) => {
  const isBelow = (root: string, path: string) => {
    const way = paths.relative(root, path);
    return way !== ".." && !way.startsWith(`..${paths.sep}`) && !paths.isAbsolute(way);
  };
  const unlessRefused = (run: () => string): string | undefined => {
    try {
      return run();
    } catch (error) {
      expect(error).toBeInstanceOf(StorageError);
      expect(error).toMatchObject({ code: "INVALID_KEY" });
      return undefined;
    }
  };

  test.each(roots)("no key, whatever it holds, leads out of %s, and none becomes another", (root) => {
    const place = new Place(root, { rules });
    fc.assert(
      fc.property(keys, (key) => {
        const normal = unlessRefused(() => place.key(key));
        if (normal === undefined) return;
        const path = place.path(normal);
        expect(isBelow(place.root, path)).toBe(true);
        expect(place.keyOf(path, place.root)).toBe(normal);
        // What the system makes of it: nothing else.
        expect(paths.normalize(path)).toBe(path);
        if (rules === "win32") for (const name of normal.split("/")) expect(whyNotPortable(name)).toBeUndefined();
      }),
      { numRuns: 3000 },
    );
  });

  test.each(roots)("no address, whatever it holds, leads out of %s", (root) => {
    const place = new Place(root, { rules });
    fc.assert(
      fc.property(
        keys,
        fc.constantFrom("", root, `${root}${paths.sep}`, "/", "D:\\", "C:\\data\\run2\\"),
        (key, before) => {
          const normal = unlessRefused(() => place.resolve(before + key));
          if (normal === undefined) return;
          expect(isBelow(place.root, place.path(normal))).toBe(true);
          expect(unlessRefused(() => place.resolve(place.path(normal)))).toBe(normal);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("on Windows", () => {
  const windows = new Place("C:\\data\\run", { rules: "win32" });

  test.each(UNPORTABLE)(
    "%j is refused before anything is touched, and the error says what would work",
    async (name) => {
      const store = new DiskStore({ root: join(tmpdir(), "never-made"), rules: "win32" });
      const refused = { code: "INVALID_KEY", message: expect.stringMatching(/Windows.*; choose a name without it/s) };
      for (const key of [`a/${name}`, `${name}/b`]) {
        await expect(store.write(key, text("x"))).rejects.toMatchObject(refused);
        await expect(store.openWriter(key)).rejects.toMatchObject(refused);
        await expect(store.read(key)).rejects.toMatchObject(refused);
        await expect(store.delete(key)).rejects.toMatchObject(refused);
      }
    },
  );

  test("addresses are paths: both slashes separate, drives and servers are told apart", () => {
    expect(windows.resolve("C:\\data\\run\\a\\b")).toBe("a/b");
    expect(windows.resolve("c:/DATA/run/a")).toBe("a");
    expect(windows.resolve("a\\b/c")).toBe("a/b/c");
    for (const address of ["D:\\data\\run\\a", "C:a", "C:\\data\\run2", "..\\a", "\\a", "\\\\server\\share\\a"]) {
      expect(() => windows.resolve(address)).toThrowError(expect.objectContaining({ code: "INVALID_KEY" }));
    }
  });

  test("the URI of a key is that of its file", () => {
    expect(windows.uri("a b/c#d")).toBe("file://localhost/C:/data/run/a%20b/c%23d");
    const share = new Place("\\\\server\\share\\run", { rules: "win32" });
    expect(share.uri("a b")).toBe("file://server/share/run/a%20b");
  });
});

describe("on this system", () => {
  let root: string;
  let store: DiskStore;
  let portable: DiskStore;
  let release: () => Promise<void>;
  beforeEach(async () => {
    const fresh = await freshDisk();
    ({ root, store } = fresh);
    portable = new DiskStore({ root, names: "portable" });
    release = async () => fresh.dispose?.();
  });
  afterEach(() => release());

  test.skipIf(process.platform === "win32")("every such name is a name like any other, to the byte", async () => {
    for (const name of UNPORTABLE) {
      await store.write(`folder ./${name}`, text(name));
      expect(await readFile(join(root, "folder .", name), "utf8")).toBe(name);
    }
    expect((await readdir(join(root, "folder ."))).sort()).toEqual([...UNPORTABLE].sort());
    expect((await keysOf(store)).sort()).toEqual(UNPORTABLE.map((name) => `folder ./${name}`).sort());
    expect(await readdir(root)).toEqual(["folder ."]);
  });

  test('names: "portable" refuses them wherever something would be written, and changes nothing', async () => {
    await store.write("source", text("x"));
    await store.createDirectory("folder");
    for (const name of UNPORTABLE) {
      const refused = { code: "INVALID_KEY", message: expect.stringContaining('names: "system"') };
      for (const key of [name, `folder/${name}`, `${name}/deep/value`]) {
        await expect(portable.write(key, text("x"))).rejects.toMatchObject(refused);
        await expect(portable.openWriter(key)).rejects.toMatchObject(refused);
        await expect(portable.copy("source", key)).rejects.toMatchObject(refused);
        await expect(portable.rename("source", key)).rejects.toMatchObject(refused);
        await expect(portable.createDirectory(key)).rejects.toMatchObject(refused);
        await expect(portable.renameDirectory("folder", `other/${key}`)).rejects.toMatchObject(refused);
        await expect(portable.symlink("source", key)).rejects.toMatchObject(refused);
      }
    }
    expect((await readdir(root)).sort()).toEqual(["folder", "source"]);
    expect(await readdir(join(root, "folder"))).toEqual([]);
    for (const name of PORTABLE) await portable.write(`folder/${name}`, text(name));
    expect((await readdir(join(root, "folder"))).sort()).toEqual([...PORTABLE].sort());
  });

  test('names: "portable" hides nothing that is there: it is read, listed, renamed and deleted', async () => {
    await mkdir(join(root, "run 12:30"));
    await writeFile(join(root, "run 12:30", "con"), "x");
    const key = "run 12:30/con";
    expect(await keysOf(portable)).toEqual([key]);
    expect(await portable.read(key)).toEqual(text("x"));
    expect((await portable.stat(key)).byteLength).toBe(1);
    await portable.copy(key, "console");
    await portable.rename(key, "run/console");
    await portable.removeDirectory("run 12:30");
    expect(await keysOf(portable)).toEqual(["console", "run/console"]);
  });

  test('names: "portable" refuses a second spelling of a name that is there, at every level', async () => {
    await portable.write("Plate/Well A1/image.tif", text("1"));
    await portable.write("Plate/caf\u00e9", text("1"));
    for (const key of [
      "plate/other",
      "Plate/well a1/other",
      "Plate/Well A1/Image.TIF",
      "Plate/cafe\u0301",
      "PLATE/CAFÉ",
    ]) {
      const message = expect.stringContaining("differs only in spelling");
      await expect(portable.write(key, text("2"))).rejects.toMatchObject({ code: "INVALID_KEY", message });
      await rejects(portable.createDirectory(key), "INVALID_KEY");
    }
    await portable.write("Plate/Well A1/image.tif", text("2"));
    expect(await keysOf(portable)).toEqual(["Plate/Well A1/image.tif", "Plate/caf\u00e9"]);
    // Both are there already: each is itself.
    await store.write("both", text("x"));
    await store.write("Both", text("x"));
    await portable.write("both", text("y"));
    expect(await readFile(join(root, "Both"), "utf8")).toBe("x");
  });

  test("the option is one of the descriptor, and checked", async () => {
    const context = { instance: "raw", baseDirectory: root, store: () => Promise.reject(new Error("not used")) };
    const opened = await disk.openStore?.({ root: ".", names: "portable" }, context);
    await rejects(opened?.write("NUL", text("x")) as Promise<unknown>, "INVALID_KEY");
    const schema = await disk.options?.();
    expect(schema?.["~standard"].validate({ names: "windows" })).toMatchObject({ issues: [{ path: ["names"] }] });
  });
});

describe("a directory that is swapped for a link while a value is written", () => {
  test.each(["write", "replace", "link"] as const)("leads nothing out of the root: %s", async (kind) => {
    const { root, store, dispose } = await freshDisk();
    const outside = await mkdtemp(join(tmpdir(), "sluice-outside-"));
    if (kind === "replace") await store.write("folder/value", text("old"));
    const writer = await store.openWriter("folder/value", kind === "link" ? { ifAbsent: true } : {});
    await writer.write(pattern(1000));
    await rename(join(root, "folder"), join(root, "moved"));
    await symlink(outside, join(root, "folder"));
    await rejects(writer.close(), "NOT_FOUND");
    expect(await readdir(outside)).toEqual([]);
    await rejects(store.write("folder/value", text("x")), "INVALID_KEY");
    if (kind === "replace") expect(await readFile(join(root, "moved/value"), "utf8")).toBe("old");
    await rm(outside, { recursive: true });
    await dispose?.();
  });

  test("a value that is swapped for a link out of the root is replaced, not written through", async () => {
    const { root, store, dispose } = await freshDisk();
    const outside = await mkdtemp(join(tmpdir(), "sluice-outside-"));
    await writeFile(join(outside, "secret"), "secret");
    await store.write("value", text("old"));
    const writer = await store.openWriter("value");
    await writer.write(text("new"));
    await rm(join(root, "value"));
    await symlink(join(outside, "secret"), join(root, "value"));
    await writer.close();
    expect(await readFile(join(outside, "secret"), "utf8")).toBe("secret");
    expect(await readFile(join(root, "value"), "utf8")).toBe("new");
    await rm(outside, { recursive: true });
    await dispose?.();
  });
});
