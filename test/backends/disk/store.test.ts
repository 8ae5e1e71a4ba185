import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  type FileHandle,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { disk } from "../../../backends/disk/index.ts";
import { lockedPathCount } from "../../../backends/disk/path-locks.ts";
import { DiskStore } from "../../../backends/disk/store.ts";
import { isTempName, TEMP_PREFIX, tempName, tempOwner } from "../../../backends/disk/temp-name.ts";
import { keysOf, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { freshDisk } from "../../support/byte-stores.ts";

const isLinux = process.platform === "linux";

let root: string;
let store: DiskStore;
let release: () => Promise<void>;

beforeEach(async () => {
  const fresh = await freshDisk();
  ({ root, store } = fresh);
  release = async () => fresh.dispose?.();
});
afterEach(() => release());

const rejects = (work: Promise<unknown>, code: string) => expect(work).rejects.toMatchObject({ code });

describe("file modes", () => {
  test("a new file has the mode that any program would give it", async () => {
    await store.write("ours", text("x"));
    await writeFile(join(root, "theirs"), "x");
    expect((await stat(join(root, "ours"))).mode).toBe((await stat(join(root, "theirs"))).mode);
  });

  test.each([0o600, 0o640, 0o444, 0o755, 0o4755])("mode %o of an existing file is kept", async (mode) => {
    await store.write("value", text("old"));
    await chmod(join(root, "value"), mode);
    await store.write("value", text("new"));
    expect((await stat(join(root, "value"))).mode & 0o7777).toBe(mode);
    const writer = await store.openWriter("value");
    await writer.write(text("newer"));
    await writer.close();
    await store.write("source", text("copied"));
    await store.copy("source", "value", { ifExists: "replace" });
    expect((await stat(join(root, "value"))).mode & 0o7777).toBe(mode);
    expect(await readFile(join(root, "value"), "utf8")).toBe("copied");
  });

  test("a private file is private while it is being replaced", async () => {
    await store.write("value", text("old"));
    await chmod(join(root, "value"), 0o600);
    const writer = await store.openWriter("value");
    const temporary = (await readdir(root)).find(isTempName) as string;
    expect((await stat(join(root, temporary))).mode & 0o777).toBe(0o600);
    await writer.abort();
  });

  test.skipIf(process.getuid?.() !== 0)("root keeps the owner of a file that it replaces (needs root)", async () => {
    await store.write("value", text("old"));
    execFileSync("chown", ["65534:65534", join(root, "value")]);
    await store.write("value", text("new"));
    expect(await stat(join(root, "value"))).toMatchObject({ uid: 65534, gid: 65534 });
  });
});

describe("the walls around a root", () => {
  let outside: string;
  beforeEach(async () => {
    outside = await mkdtemp(join(tmpdir(), "sluice-outside-"));
    await writeFile(join(outside, "secret"), "secret");
    await symlink(outside, join(root, "out"));
    await symlink(join(outside, "secret"), join(root, "file"));
    await symlink(join(outside, "new"), join(root, "broken"));
    await store.write("inside", text("inside"));
  });
  afterEach(() => rm(outside, { recursive: true }));

  test("no link leads a read out", async () => {
    for (const key of ["out/secret", "file"]) {
      await rejects(store.read(key), "INVALID_KEY");
      await rejects(store.readStream(key), "INVALID_KEY");
      await rejects(store.realKey(key), "INVALID_KEY");
      await rejects(store.copy(key, "copy"), "INVALID_KEY");
    }
    await rejects(store.stat("out/secret"), "INVALID_KEY");
    await rejects(keysOf(store, { prefix: "out/" }), "INVALID_KEY");
    expect(await keysOf(store)).toEqual(["broken", "file", "inside", "out"]);
  });

  test("a link that leads out is described as a link", async () => {
    for (const key of ["out", "file", "broken"]) expect(await store.stat(key)).toMatchObject({ key, kind: "symlink" });
  });

  test("no link leads a write out", async () => {
    for (const key of ["out/secret", "out/new", "out/deep/new", "file"]) {
      await rejects(store.write(key, text("x")), "INVALID_KEY");
      await rejects(store.openWriter(key), "INVALID_KEY");
      await rejects(store.copy("inside", key, { ifExists: "replace" }), "INVALID_KEY");
    }
    await rejects(store.rename("inside", "out/secret", { ifExists: "replace" }), "INVALID_KEY");
    await rejects(store.delete("out/secret"), "INVALID_KEY");
    await rejects(store.createDirectory("out/deep"), "INVALID_KEY");
    await rejects(store.symlink("inside", "out/link"), "INVALID_KEY");
    await rejects(store.removeDirectory("out", { recursive: true }), "NOT_A_DIRECTORY");
    await store.write("broken", text("replaces the link"));
    expect(await readdir(outside)).toEqual(["secret"]);
    expect(await readFile(join(outside, "secret"), "utf8")).toBe("secret");
    expect(await readFile(join(root, "inside"), "utf8")).toBe("inside");
  });

  test("removing a tree removes the link in it, and nothing outside", async () => {
    await mkdir(join(root, "tree"));
    await symlink(outside, join(root, "tree/out"));
    await store.removeDirectory("tree", { recursive: true });
    expect(await readdir(outside)).toEqual(["secret"]);
  });

  test("a root that is itself a link is a root like any other", async () => {
    await symlink(root, join(outside, "alias"));
    const aliased = new DiskStore({ root: join(outside, "alias") });
    await aliased.write("a/b", text("x"));
    expect(await aliased.read("a/b")).toEqual(text("x"));
    expect(await readFile(join(root, "a/b"), "utf8")).toBe("x");
  });
});

describe("addresses", () => {
  test("a configured root takes absolute paths inside, and refuses those outside", () => {
    const walled = new DiskStore({ root: "/data/run" });
    expect(walled.resolve("/data/run/a/b")).toBe("a/b");
    expect(walled.resolve("/data/run")).toBe("");
    expect(walled.resolve("a/../b")).toBe("b");
    for (const address of ["/data/run2/a", "/data", "/etc/passwd", "/data/run/../x", "../x", "a\0"]) {
      expect(() => walled.resolve(address)).toThrowError(expect.objectContaining({ code: "INVALID_KEY" }));
    }
  });

  test("without a root, relative addresses start at the working directory", async () => {
    const everywhere = new DiskStore();
    const path = join(root, "x y");
    expect(`/${everywhere.resolve(path)}`).toBe(path);
    expect(`/${everywhere.resolve("package.json")}`).toBe(join(process.cwd(), "package.json"));
    const key = everywhere.resolve(relative(process.cwd(), path));
    await everywhere.write(key, text("x"));
    expect(await readFile(path, "utf8")).toBe("x");
    await everywhere.symlink(key, everywhere.resolve(join(root, "link")));
    expect(await readlink(join(root, "link"))).toBe(path);
    expect(await everywhere.read(everywhere.resolve(join(root, "link")))).toEqual(text("x"));
  });

  test("the URI of a key is that of its file, for any program", async () => {
    const key = "a b/c#d?e%f/é";
    await store.write(key, text("x"));
    const uri = store.uri(key);
    expect(uri).toMatch(/^file:\/\/localhost\/.*\/a%20b\/c%23d%3Fe%25f\/%C3%A9$/);
    expect(await readFile(fileURLToPath(uri), "utf8")).toBe("x");
  });

  test("the descriptor takes a root relative to the folder of the session file", async () => {
    const context = { instance: "raw", baseDirectory: root, store: () => Promise.reject(new Error("not used")) };
    const opened = await disk.openStore?.({ root: "runs", durability: "none" }, context);
    await opened?.write("a", text("x"));
    expect(await readFile(join(root, "runs/a"), "utf8")).toBe("x");
    expect(opened?.name).toBe("raw");
    await rejects(disk.openStore?.({ durability: "some" as "none" }, context) as Promise<unknown>, "CONFIG_INVALID");
  });

  test("a root that is not there yet is an empty directory, and reading does not make it", async () => {
    const later = new DiskStore({ root: join(root, "later/still") });
    expect(await later.stat("")).toMatchObject({ kind: "directory" });
    expect(await keysOf(later)).toEqual([]);
    await rejects(later.read("x"), "NOT_FOUND");
    expect(await readdir(root)).toEqual([]);
    await later.write("x", text("x"));
    expect(await readdir(join(root, "later/still"))).toEqual(["x"]);
  });
});

describe("temporary files", () => {
  test("are beside their value, hidden from listings, and no keys", async () => {
    const writer = await store.openWriter("folder/value");
    await writer.write(pattern(10));
    const [name] = await readdir(join(root, "folder"));
    expect(isTempName(name as string)).toBe(true);
    expect(tempOwner(name as string)).toMatchObject({ pid: process.pid });
    expect(await keysOf(store)).toEqual([]);
    expect(await keysOf(store, { prefix: "folder/", delimiter: "/" })).toEqual([]);
    await rejects(store.read(`folder/${name}`), "INVALID_KEY");
    await rejects(store.write(`${TEMP_PREFIX}x/y`, text("x")), "INVALID_KEY");
    await writer.close();
    expect(await readdir(join(root, "folder"))).toEqual(["value"]);
  });

  test("take names of full length, whatever the key is called", async () => {
    const key = "x".repeat(255);
    await store.write(key, text("x"));
    expect(await readdir(root)).toEqual([key]);
    await rejects(store.write("x".repeat(256), text("x")), "INVALID_KEY");
  });

  test("of living processes are left alone; of dead ones, and of our number in an earlier life, removed", async () => {
    const ours = tempOwner(tempName());
    expect(ours).toBeDefined();
    const { host, pid, started } = ours as NonNullable<typeof ours>;
    const dead = [`${TEMP_PREFIX}${host}.${2 ** 30}.1.abcd`, `${TEMP_PREFIX}${host}.${pid}.1.abcd`];
    const alive = `${TEMP_PREFIX}${host}.${pid}.${started}.abcd`;
    const elsewhere = `${TEMP_PREFIX}${host}x.${pid}.1.abcd`;
    for (const name of [...dead, alive, elsewhere]) await store.write(`a/${name.slice(1)}`, text("x"));
    await mkdir(join(root, "b"));
    for (const name of [...dead, alive, elsewhere]) await writeFile(join(root, "b", name), "left over");

    const removed = await store.removeLeftovers();
    expect(removed.map(({ path, byteLength }) => [path, byteLength]).sort()).toEqual(
      dead.map((name) => [`b/${name}`, 9]).sort(),
    );
    expect((await readdir(join(root, "b"))).sort()).toEqual([alive, elsewhere].sort());
    expect(await readdir(join(root, "a"))).toHaveLength(4);
    expect(await store.removeLeftovers({ olderThanMs: 3_600_000 })).toEqual([]);
    const old = await store.removeLeftovers({ olderThanMs: -1, prefix: "b" });
    expect(old.map(({ path }) => path)).toEqual([`b/${elsewhere}`]);
  });

  test.skipIf(!isLinux)(
    "of a dead process that nobody has asked after are those of a dead one (only told on Linux)",
    async () => {
      // The shell becomes a program that never asks after its child.
      const parent = spawn("sh", ["-c", "sleep 0.05 & echo $!; exec sleep 60"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const pid = Number(String((await once(parent.stdout, "data"))[0]));
        const stat = async () => (await readFile(`/proc/${pid}/stat`, "latin1")).replace(/^.*\) /s, "").split(" ");
        const { host } = tempOwner(tempName()) as { host: string };
        const name = `${TEMP_PREFIX}${host}.${pid}.${(await stat())[19]}.abcd`;
        await writeFile(join(root, name), "left over");
        while ((await stat())[0] !== "Z") await new Promise((resolve) => setTimeout(resolve, 5));
        expect((await store.removeLeftovers()).map(({ path }) => path)).toEqual([name]);
      } finally {
        parent.kill("SIGKILL");
      }
    },
  );

  test("of dead processes do not keep an empty directory from being removed", async () => {
    const { host } = tempOwner(tempName()) as { host: string };
    await mkdir(join(root, "b"));
    await writeFile(join(root, "b", `${TEMP_PREFIX}${host}.${2 ** 30}.1.abcd`), "left over");
    await store.removeDirectory("b");
    expect(await readdir(root)).toEqual([]);
  });
});

describe("a directory that somebody else has just made", () => {
  test("is durable before what is written into it is said to be", async () => {
    const probe = await open(root);
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    const rootNumber = (await probe.stat()).ino;
    const sync = handles.sync;
    let [begun, isDurable] = [() => {}, false];
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let directorySyncs = 0;
    const syncs = vi.spyOn(handles, "sync").mockImplementation(async function (this: FileHandle) {
      const synced = await this.stat();
      if (synced.ino === rootNumber) {
        begun();
        await released;
        isDurable = true;
      }
      await Reflect.apply(sync, this, []);
      if (synced.isDirectory()) directorySyncs++;
    });
    try {
      const full = new DiskStore({ root, durability: "full" });
      const first = full.write("new/a", text("a"));
      await hasBegun;
      const others = [full.write("new/b", text("b")), full.symlink("new/a", "new/link")].map(async (work) => {
        await work;
        return isDurable;
      });
      // Once their own directory is synced, what does not wait needs a few turns more.
      while (directorySyncs < 2) await stat(root);
      for (let turn = 0; turn < 20; turn++) await stat(root);
      release();
      expect(await Promise.all(others)).toEqual([true, true]);
      await first;
    } finally {
      syncs.mockRestore();
      await probe.close();
    }
  });
});

describe("what is special about files", () => {
  test("a pipe or a device is no value, and does not make a reader wait", async () => {
    execFileSync("mkfifo", [join(root, "pipe")]);
    await rejects(store.read("pipe"), "UNSUPPORTED");
    await rejects(store.write("pipe", text("x")), "UNSUPPORTED");
    expect((await lstat(join(root, "pipe"))).isFIFO()).toBe(true);
  });

  test("rename onto another name of the same file leaves one", async () => {
    await store.write("a", text("x"));
    await link(join(root, "a"), join(root, "b"));
    await store.rename("a", "b", { ifExists: "replace" });
    expect(await readdir(root)).toEqual(["b"]);
  });

  test("a file that another program shortens while it is read is a CONFLICT, not a value with a hole", async () => {
    await store.write("value", pattern(5_000_000));
    const reader = (await store.readStream("value")).getReader();
    await reader.read();
    await writeFile(join(root, "value"), "short");
    const readOn = async () => {
      while (!(await reader.read()).done);
    };
    await rejects(readOn(), "CONFLICT");
  });

  test("a reader keeps the version that it began with", async () => {
    await store.write("value", pattern(5_000_000, 1));
    const reader = (await store.readStream("value")).getReader();
    const first = await reader.read();
    await store.write("value", pattern(10, 2));
    let byteLength = first.value?.length ?? 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) byteLength += next.value.length;
    expect(byteLength).toBe(5_000_000);
  });

  test("links are relative within a root: they hold when it is moved", async () => {
    await store.write("data/value", text("x"));
    await store.symlink("data/value", "links/deep/link");
    expect(await readlink(join(root, "links/deep/link"))).toBe("../../data/value");
  });

  test("writes of a new folder do not fail because others that fail beside them remove it", async () => {
    for (let round = 0; round < 60; round++) {
      const folder = `round${round}/folder`;
      const lost = () => rejects(store.write(`${folder}/x`, text("x"), { ifMatch: "none" }), "PRECONDITION_FAILED");
      const aborted = () => rejects(store.write(`${folder}/y`, text("y"), { signal: AbortSignal.abort() }), "ABORTED");
      await Promise.all([lost(), lost(), store.write(`${folder}/z`, text("z")), aborted(), lost()]);
      await rejects(store.read(`${folder}/x`), "NOT_FOUND");
    }
  });

  test("many etags of one key within one tick of the clock all differ, in two stores on one folder", async () => {
    const quick = new DiskStore({ root, durability: "none" });
    const etags = new Set<string>();
    for (let i = 0; i < 200; i++) etags.add((await quick.write("value", new Uint8Array([i]))).etag);
    expect(etags.size).toBe(200);
  });

  test("ifMatch holds between two stores of one process, and no lock stays", async () => {
    const other = new DiskStore({ root });
    const { etag } = await store.write("value", text("0"));
    const writes = [store, other, store, other].map((each, i) => each.write("value", pattern(9, i), { ifMatch: etag }));
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(lockedPathCount()).toBe(0);
  });

  test("no file stays open", async () => {
    const open = async () => (await readdir("/proc/self/fd")).length;
    const before = await open();
    for (let i = 0; i < 20; i++) {
      await store.write("a/value", pattern(1000), i > 0 ? {} : { ifAbsent: true });
      await store.write("a/value", pattern(1000), { ifAbsent: true }).catch(() => {});
      await store.read("a/value", { ifMatch: "no" }).catch(() => {});
      await store.read("a").catch(() => {});
      await (await store.readStream("a/value")).cancel();
      await (await store.openWriter("a/value")).abort();
      await store.copy("a/value", "a/value").catch(() => {});
      await store.copy("a/value", "b", { ifExists: "replace" });
      await keysOf(store);
    }
    expect(await open()).toBe(before);
  });
});
