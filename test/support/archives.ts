/** ZIP archives that are made anew whenever somebody looks, and stores of them. */
import { execFileSync, spawnSync } from "node:child_process";
import { MemoryStore } from "../../backends/memory/store.ts";
import { createArchive } from "../../backends/zip/index.ts";
import { ZipStore, type ZipStoreOptions } from "../../backends/zip/store.ts";
import type { ObjectStat, StatOptions } from "../../src/core/byte-store.ts";
import type { ByteStoreSubject } from "../../src/testing/byte-store-kit.ts";

/** Values by key, in the order they are put into the archive. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** Makes an archive of values. */
export type ZipMaker = (contents: Contents) => Promise<Uint8Array>;

/** By our own writer. */
export function ourZip(compression: "deflate" | "store", isStreamed: boolean): ZipMaker {
  return async (contents) => {
    await using store = new MemoryStore();
    await using archive = await createArchive(store, "a.zip", { compression });
    for (const [key, value] of contents) {
      if (isStreamed) await archive.addStream(key, piecesOf(value));
      else await archive.add(key, value);
    }
    await archive.close();
    return store.read("a.zip");
  };
}

/** By the zipfile module of Python, to which a zip without entries is one too. */
export const pythonZip: ZipMaker = async (contents) => {
  const rows = [...contents].map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
  const script = `
import base64, io, json, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
    for i, (key, value) in enumerate(json.load(sys.stdin)):
        with z.open(zipfile.ZipInfo(key), "w", force_zip64=(i % 2 == 0)) as f: f.write(base64.b64decode(value))
sys.stdout.buffer.write(out.getvalue())`;
  const options = { input: JSON.stringify(rows), maxBuffer: 2 ** 28 };
  return new Uint8Array(execFileSync("python3", ["-c", script], options));
};

/** True if a program is there to be asked. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ["--version"], { stdio: "ignore" }).error === undefined;
}

/** A store of a new archive; the side door changes what is in it. */
export async function freshZip(make: ZipMaker, options: ZipStoreOptions = {}): Promise<ByteStoreSubject<ZipStore>> {
  const contents = new Map<string, Uint8Array>();
  const outer = new LazyArchive(() => make(contents));
  const store = new ZipStore(outer, "a.zip", options);
  return {
    store,
    side: {
      put: async (key, bytes) => {
        contents.set(key, bytes.slice());
        outer.isStale = true;
        store.refresh();
      },
      get: async (key) => contents.get(key)?.slice(),
      keys: async () => [...contents.keys()],
    },
    dispose: () => outer.close(),
  };
}

/** Makes the archive when it is looked for, so that a thousand changes cost one archive. */
class LazyArchive extends MemoryStore {
  isStale = true;
  readonly #make: () => Promise<Uint8Array>;

  constructor(make: () => Promise<Uint8Array>) {
    super();
    this.#make = make;
  }

  override async stat(key: string, options?: StatOptions): Promise<ObjectStat> {
    if (this.isStale) await this.write(key, await this.#make());
    this.isStale = false;
    return super.stat(key, options);
  }
}

/** A value in pieces of no particular length. */
export async function* piecesOf(value: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < value.length; at += 100_003) yield value.subarray(at, at + 100_003);
}
