import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { frameReader } from "../../../src/live/blobs/frame-reader.ts";
import type { FrameKind, FrameReference } from "../../../src/live/encoding/frames.ts";
import { openLive } from "../../../src/live/open.ts";
import { storedFallback } from "../../../src/live/stored-fallback.ts";
import { failureOf } from "../battery/subject.ts";

const kind: FrameKind = { shape: [3], dtype: "uint8", endian: "little" };

let folder = "";
let allowed = "";
let secret = "";
let backends: BackendSet;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "sluice-roots-")));
  allowed = join(folder, "data");
  secret = join(folder, "data-of-others");
  for (const each of [allowed, secret]) {
    await mkdir(each);
    await writeFile(join(each, "a.bin"), Uint8Array.of(1, 2, 3));
  }
  backends = new BackendSet(createRegistry(), { memory: { use: "memory" } });
});
afterEach(async () => {
  await backends.close();
  await rm(folder, { recursive: true, force: true });
});

function bytesAt(uri: string): FrameReference[] {
  return [{ kind: "bytes", uri }];
}

function fileUri(...parts: string[]): string {
  return pathToFileURL(join(...parts)).href;
}

async function codeOf(references: FrameReference[], roots: readonly string[] = [allowed]): Promise<unknown> {
  const failure = await failureOf(frameReader(backends, { roots })(references, kind, {})).catch(() => undefined);
  return (failure as { code?: unknown } | undefined)?.code;
}

describe("frames by reference, read below some folders only", () => {
  it("come from there, and from anywhere if no folders are named", async () => {
    const read = frameReader(backends, { roots: [allowed] });
    expect([...(await read(bytesAt(fileUri(allowed, "a.bin")), kind, {})).data]).toEqual([1, 2, 3]);
    const unlimited = frameReader(backends);
    expect([...(await unlimited(bytesAt(fileUri(secret, "a.bin")), kind, {})).data]).toEqual([1, 2, 3]);
  });

  it("are refused outside, with the name of what lets them in, whether there is a file or not", async () => {
    const read = frameReader(backends, { roots: [allowed] });
    for (const uri of [fileUri(secret, "a.bin"), fileUri(secret, "nothing"), "file:///etc/passwd", fileUri(folder)]) {
      expect(await failureOf(read(bytesAt(uri), kind, {}))).toMatchObject({
        code: "PERMISSION_DENIED",
        message: expect.stringContaining("--frames-in"),
      });
    }
    expect(await codeOf(bytesAt(fileUri(allowed, "nothing")))).toBe("EXPIRED");
  });

  it.each([
    ["a path that climbs", () => bytesAt(`${pathToFileURL(allowed).href}/../data-of-others/a.bin`)],
    ["one that climbs in secret", () => bytesAt(`${pathToFileURL(allowed).href}/%2e%2e/data-of-others/a.bin`)],
    ["a scheme in capitals", () => bytesAt(fileUri(secret, "a.bin").replace("file:", "FILE:"))],
    ["the path of an array", () => [arrayAt({ path: "../data-of-others/x" })]],
    ["a template", () => [arrayAt({ mimetype: "multipart/related;type=image/tiff", template: "../x/{:d}.tif" })]],
    ["an archive", () => bytesAt(`zip:${fileUri(secret, "a.zip")}!/a`)],
    ["a page of a server", () => bytesAt("http://127.0.0.1:1/a")],
    ["a bucket", () => bytesAt("s3://bucket/a")],
    ["no URI", () => bytesAt("/etc/passwd")],
  ])("are not reached by %s", async (_, references) => {
    expect(await codeOf(references())).toBe("PERMISSION_DENIED");
  });

  it("are not reached by links that lead out, and are by those that lead in", async () => {
    await symlink(secret, join(allowed, "out"));
    await symlink(join(secret, "a.bin"), join(allowed, "b.bin"));
    await symlink(join(secret, "1.tif"), join(allowed, "1.tif"));
    await writeFile(join(secret, "1.tif"), "x");
    await symlink(allowed, join(folder, "in"));
    expect(await codeOf(bytesAt(fileUri(allowed, "out", "a.bin")))).toBe("PERMISSION_DENIED");
    expect(await codeOf(bytesAt(fileUri(allowed, "out", "nothing")))).toBe("PERMISSION_DENIED");
    expect(await codeOf(bytesAt(fileUri(allowed, "b.bin")))).toBe("PERMISSION_DENIED");
    expect(await codeOf([arrayAt({ path: "out/x" })])).toBe("PERMISSION_DENIED");
    const sequence = { mimetype: "multipart/related;type=image/tiff", template: "{:d}.tif" };
    expect(await codeOf([arrayAt({ ...sequence, index: 1 })])).toBe("PERMISSION_DENIED");
    const read = frameReader(backends, { roots: [join(folder, "in")] });
    expect([...(await read(bytesAt(fileUri(folder, "in", "a.bin")), kind, {})).data]).toEqual([1, 2, 3]);
  });

  it("come from backends that have a name, and from stores that are named as roots", async () => {
    const memory = await backends.store("memory");
    await memory.write("a", Uint8Array.of(4, 5, 6));
    const read = frameReader(backends, { roots: [] });
    expect([...(await read(bytesAt(memory.uri("a")), kind, {})).data]).toEqual([4, 5, 6]);
    const root = "http://127.0.0.1:1/runs";
    expect(await codeOf(bytesAt(`${root}/a`), [root])).not.toBe("PERMISSION_DENIED");
    for (const other of ["http://127.0.0.1:1/runs-of-others/a", "http://127.0.0.1:2/runs/a", `${root}/%2e./a`]) {
      expect(await codeOf(bytesAt(other), [root]), other).toBe("PERMISSION_DENIED");
    }
  });
});

describe("points that have left, read below some folders only", () => {
  it("are looked for there alone, frames and documents", async () => {
    const fallback = storedFallback(backends, { roots: [allowed] });
    const header = { key: "k", name: "s", encoding: { type: "numeric", dtype: "float64", shape: [] } } as const;
    const documents = { kind: "documents", uri: fileUri(secret, "a.bin"), stream: "primary" };
    const cold = fallback({ ...header, info: { fallback: documents } } as Parameters<typeof fallback>[0]);
    expect(await failureOf(Promise.resolve(cold?.read(0, 1)))).toMatchObject({ code: "PERMISSION_DENIED" });
    const frames = { type: "frames", dtype: "|u1", shape: [3] };
    const array = { kind: "array", uri: fileUri(secret), path: "cam" };
    const lost = fallback({ ...header, encoding: frames, info: { fallback: array } } as Parameters<typeof fallback>[0]);
    expect(await failureOf(Promise.resolve(lost?.read(0, 1)))).toMatchObject({ code: "PERMISSION_DENIED" });
  });

  it("and frames have the limit of the store that is opened with it", async () => {
    await using store = await openLive(join(folder, "live"), { backends, roots: [allowed] });
    const scan = await store.createScan({}, { leaseMs: 0 });
    const camera = await scan.createStream("camera", { type: "frames", dtype: "uint8", shape: [3] });
    await scan.prepare();
    await camera.send(bytesAt(fileUri(allowed, "a.bin")));
    await camera.send(bytesAt(fileUri(secret, "a.bin")));
    const stream = (await store.loadScan(scan.key)).stream("camera");
    expect(await stream.at(0)).toMatchObject({ data: Uint8Array.of(1, 2, 3) });
    expect(await failureOf(stream.at(1))).toMatchObject({ code: "PERMISSION_DENIED" });
  });
});

function arrayAt(parts: Partial<FrameReference>): FrameReference {
  return { kind: "array", uri: pathToFileURL(allowed).href, index: 0, ...parts };
}
