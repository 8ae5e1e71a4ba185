import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { copyTree, moveTree, syncTree } from "../../src/io/tree-transfer.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";

const bytes = (value: string) => new TextEncoder().encode(value);

/** "d/run.txt" is a value and lies above others, as only flat keys allow. */
const keys = ["d/run.txt", "d/run.txt/a.txt", "d/run.txt/b/c.txt", "d/z.txt"];

const fresh = async () => {
  const { store, side } = await freshMemory({ flatKeys: true });
  return { backend: new FileBackend(store, { key: "flat" }), side };
};
type Side = Awaited<ReturnType<typeof fresh>>;

describe("trees in which values lie above values", () => {
  let source: Side;
  let target: Side;
  beforeEach(async () => {
    [source, target] = [await fresh(), await fresh()];
    for (const key of keys) await source.side.put(key, bytes(key));
  });
  afterEach(async () => {
    await source.backend.close();
    await target.backend.close();
  });
  const ends = (from: string, to: string) => ({ source: source.backend, from, target: target.backend, to });
  const moved = (to: string) => keys.map((key) => key.replace(/^d/, to)).sort();

  it("are copied and moved whole", async () => {
    await copyTree(ends("d", "copy"));
    expect((await target.side.keys()).sort()).toEqual(moved("copy"));
    await moveTree(ends("d", "moved"));
    expect(await source.side.keys()).toEqual([]);
    for (const key of keys) expect(await target.side.get(key.replace(/^d/, "moved"))).toEqual(bytes(key));
  });

  it("begin at a value above others: it goes with what lies below it", async () => {
    await copyTree(ends("d/run.txt", "x"));
    expect((await target.side.keys()).sort()).toEqual(["x", "x/a.txt", "x/b/c.txt"]);
    await moveTree(ends("d/run.txt", "y"));
    expect(await source.side.keys()).toEqual(["d/z.txt"]);
  });

  it("are synchronised: what is extra goes, and nothing else", async () => {
    for (const key of ["copy/run.txt/b", "copy/z.txt/extra", ...keys.map((key) => key.replace("d/", "copy/"))]) {
      await target.side.put(key, bytes("old"));
    }
    await syncTree(ends("d", "copy"), { delete: true });
    expect((await target.side.keys()).sort()).toEqual(moved("copy"));
    expect(await target.side.get("copy/run.txt/a.txt")).toEqual(bytes("d/run.txt/a.txt"));
  });

  it("are transferred and collected by the file manager", async () => {
    const files = new FileManager({ source: source.backend, target: target.backend });
    await files.transfer({ backend: "source", path: "d" }, { backend: "target", path: "there" });
    expect((await target.side.keys()).sort()).toEqual(moved("there"));
    const tree = await files.collectDirsAndFiles("d", "source");
    expect(tree).toEqual({ directories: ["d/run.txt", "d/run.txt/b"], files: [...keys].sort() });
    const flat = await files.collectDirsAndFiles("d", "source", { recursive: false });
    expect(flat).toEqual({ directories: ["d/run.txt"], files: ["d/run.txt", "d/z.txt"] });
  });

  it("do not fit on a disk: the move fails, and the source stays whole", async () => {
    const disk = await freshDisk({ durability: "none" });
    const backend = new FileBackend(disk.store, { key: "disk" });
    const error = await rejectionOf(moveTree({ source: source.backend, from: "d", target: backend, to: "d" }));
    expect(String(error)).toMatch(/director/);
    expect((await source.side.keys()).sort()).toEqual([...keys].sort());
    await backend.close();
    await disk.dispose?.();
  });
});
