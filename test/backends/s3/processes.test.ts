import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { S3Store } from "../../../backends/s3/store.ts";
import { FileBackend } from "../../../src/codecs/file-backend.ts";
import { copyTree, syncTree } from "../../../src/io/tree-transfer.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { freshDisk } from "../../support/byte-stores.ts";
import { useBucket } from "../../support/s3-fixture.ts";
import { hasS3 } from "../../support/s3-server.ts";
import { folderOf } from "../../support/s3-subjects.ts";

const MIB = 1 << 20;
const PROCESSES = 8;
/**
 * Not 200 as on disk: each increment is two requests, and of eight processes at one key seven are refused and begin
 * again, with a wait that grows. 200 take a real service minutes.
 */
const INCREMENTS = 50;

const odd = ["a b/c+d.txt", "100%/#1.txt", "[x]/é.txt", "plain.txt", "deep/er/and/deeper.txt"];

describe.skipIf(!hasS3)("a bucket among processes", { timeout: 180_000 }, () => {
  const service = useBucket();
  const bundles: Bundle[] = [];
  afterAll(async () => {
    for (const each of bundles) await each.remove();
  }, 60_000);
  const script = async (source: URL) => {
    const made = await bundle(source, installed);
    bundles.push(made);
    return made.path;
  };
  const start = (path: string, ...more: string[]) =>
    spawn(process.execPath, ["--no-warnings", path, service.endpoint, service.bucket.name, ...more], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const said = async (child: ChildProcess) => {
    let text = "";
    child.stdout?.on("data", (piece) => {
      text += String(piece);
    });
    const [code] = await once(child, "close");
    return { code, text };
  };

  it(`${PROCESSES} processes with ${INCREMENTS} increments of a document each lose none`, async () => {
    const path = await script(new URL("children/increment.ts", import.meta.url));
    const children = Array.from({ length: PROCESSES }, () => said(start(path, String(INCREMENTS))));
    expect((await Promise.all(children)).map(({ code }) => code)).toEqual(Array.from(children, () => 0));
    const count = new TextDecoder().decode(await service.bucket.side.get("count/count.json"));
    expect(JSON.parse(count)).toBe(PROCESSES * INCREMENTS);
    expect(await service.bucket.side.keys("count/")).toEqual(["count/count.json"]);
  });

  it("an upload whose process was killed goes on in another, and the bytes are right", async () => {
    const child = start(await script(new URL("children/upload.ts", import.meta.url)), "killed");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    await using store = await S3Store.open({
      endpoint: service.endpoint,
      bucket: service.bucket.name,
      partBytes: 5 * MIB,
    });
    const uploads = [];
    for await (const upload of store.findUploads()) uploads.push(upload);
    expect(uploads.map(({ key }) => key)).toEqual(["killed"]);
    const writer = await store.resumeWriter("killed", uploads[0]?.uploadId as string);
    const kept = writer.byteLength;
    expect(kept).toBeGreaterThanOrEqual(10 * MIB);
    const whole = Buffer.concat(Array.from({ length: 16 }, (_, i) => Buffer.alloc(MIB, i)));
    await writer.write(whole.subarray(kept));
    await writer.close();
    expect(Buffer.compare((await service.bucket.side.get("killed")) as Uint8Array, whole)).toBe(0);
    expect(await service.bucket.uploads()).toEqual([]);
  });

  // In processes of their own: what one direction left to be collected would count for the other.
  it("a long value streams in, and streams out, in at most 64 MiB above a short one", async () => {
    const byteLength = 512 * MIB;
    const child = await script(new URL("children/stream.ts", import.meta.url));
    for (const direction of ["up", "down"]) {
      const { code, text } = await said(start(child, String(byteLength), direction));
      expect(code).toBe(0);
      const { count, rise } = JSON.parse(text);
      expect(count).toBe(byteLength);
      expect(rise).toBeGreaterThan(0);
      expect(rise).toBeLessThan(64 * MIB);
    }
    await service.bucket.side.put("memory/long", new Uint8Array(0)); // Frees what a service in memory has little of.
  });

  it("trees are copied into a bucket, synchronised, and copied back", async () => {
    const [from, back] = [await freshDisk({ durability: "none" }), await freshDisk({ durability: "none" })];
    for (const key of odd) await from.side.put(`run/${key}`, new TextEncoder().encode(key));
    await from.side.put("run/long.bin", Buffer.alloc(20 * MIB, 7));
    const { store, side } = await folderOf(service.bucket, service.endpoint);
    const [source, target, last] = [from.store, store, back.store].map((each) => new FileBackend(each, { key: "x" }));
    if (!source || !target || !last) throw new Error("three backends");
    const up = { source, from: "run", target, to: "copy" };
    const copied = await copyTree(up);
    expect(copied.map(({ status }) => status)).toEqual(Array.from({ length: odd.length + 1 }, () => "copied"));
    expect((await side.keys()).sort()).toEqual([...odd, "long.bin"].map((key) => `copy/${key}`).sort());
    expect((await copyTree(up)).every(({ status }) => status === "equal")).toBe(true);

    await from.side.put("run/plain.txt", new TextEncoder().encode("changed"));
    await side.put("copy/extra/of the bucket.txt", new Uint8Array(3));
    const synced = await syncTree(up, { delete: true });
    const changes = synced.filter(({ status }) => status !== "equal").map(({ path, status }) => [path, status]);
    expect(changes).toEqual([
      ["plain.txt", "replaced"],
      ["extra/of the bucket.txt", "deleted"],
    ]);
    await copyTree({ source: target, from: "copy", target: last, to: "back" });
    for (const key of odd) {
      const expected = key === "plain.txt" ? "changed" : key;
      expect(new TextDecoder().decode(await back.side.get(`back/${key}`))).toBe(expected);
    }
    for (const each of [source, target, last]) await each.close();
    await from.dispose?.();
    await back.dispose?.();
  });
});
