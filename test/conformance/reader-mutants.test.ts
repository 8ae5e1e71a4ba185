/** Stores that read what others wrote, web servers and archives: laws, and planted bugs that each break one. */
import { describe, expect, test } from "vitest";
import { HttpBase } from "../../backends/http/base.ts";
import { HttpClient } from "../../backends/http/client.ts";
import { HttpStore } from "../../backends/http/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { createArchive } from "../../backends/zip/index.ts";
import { ZipStore } from "../../backends/zip/store.ts";
import type { ByteRange, ListEntry, ReadOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { checkRejects, collect } from "../../src/testing/assertions.ts";
import { drain, pattern, text } from "../../src/testing/byte-store-checks.ts";
import { ourZip } from "../support/archives.ts";
import { type Manners, webServer } from "../support/web-server.ts";

const real = { HttpStore, ZipStore, createArchive };
/** What is tried: the real stores, or others in their place. */
type Tried = typeof real;

function storeAt({ HttpStore: Store }: Tried, url: string): HttpStore {
  const base = new HttpBase(url, "web");
  const client = new HttpClient({ base, headers: {}, redirects: "same-origin" });
  return new Store({ name: "web", base, client, index: "none", ranges: true });
}

/** A server with a value of 100 bytes. */
async function server(manners: Manners = {}) {
  const web = await webServer(manners);
  web.values.set("v", pattern(100));
  return web;
}

/** A store of an archive whose bytes were changed. */
async function archive(
  { ZipStore: Store }: Tried,
  values: ReadonlyMap<string, Uint8Array>,
  change: (zip: Buffer) => void,
) {
  const bytes = Buffer.from(await ourZip("store", false)(values));
  change(bytes);
  const outer = new MemoryStore();
  await outer.write("a.zip", new Uint8Array(bytes));
  return { outer, store: new Store(outer, "a.zip") };
}

/** Changes a text everywhere to another of the same length. */
const renamed = (from: string, to: string) => (zip: Buffer) => {
  for (let at = zip.indexOf(from); at >= 0; at = zip.indexOf(from, at + 1)) zip.write(to, at);
};

const laws: Readonly<Record<string, (tried: Tried) => Promise<void>>> = {
  "a body that breaks off is no value": async (tried) => {
    await using web = await server({
      before: (_request, response) => {
        response.writeHead(200, { "content-length": 1000 });
        response.write(Buffer.alloc(500), () => response.destroy());
        return true;
      },
    });
    await expect(storeAt(tried, web.url).read("v")).rejects.toMatchObject({ retryable: true });
  },
  "another part than was asked for is CORRUPT": async (tried) => {
    await using web = await server({
      before: (_request, response) => {
        response.writeHead(206, { "content-range": "bytes 1-4/100", "content-length": 4 });
        response.end("abcd");
        return true;
      },
    });
    const range = { offset: 0, length: 4 };
    await checkRejects(() => storeAt(tried, web.url).read("v", { range }), "CORRUPT", "read");
  },
  "of a server that knows no ranges the part is taken from the whole": async (tried) => {
    await using web = await server({ ranges: false });
    const range = { offset: 10, length: 4 };
    expect(await storeAt(tried, web.url).read("v", { range })).toEqual(pattern(100).slice(10, 14));
  },
  "ranges of one read are of one version": async (tried) => {
    let gets = 0;
    await using web = await webServer({
      before: (request) => {
        // Between the first and the second part.
        if (request.method === "GET" && ++gets === 1) web.values.set("v", pattern(40_000_000, 2));
        return false;
      },
    });
    web.values.set("v", pattern(40_000_000));
    const ranges = [{ offset: 0, length: 10 }, { suffix: 10 }];
    await checkRejects(() => storeAt(tried, web.url).readRanges("v", ranges), "PRECONDITION_FAILED", "readRanges");
  },
  "near ranges are one request": async (tried) => {
    await using web = await server();
    const ranges = [0, 20, 40].map((offset) => ({ offset, length: 5 }));
    await storeAt(tried, web.url).readRanges("v", ranges);
    expect(web.requests.filter((line) => line.startsWith("GET"))).toHaveLength(1);
  },
  "a version that is gone is PRECONDITION_FAILED": async (tried) => {
    await using web = await server();
    const read = () => storeAt(tried, web.url).read("v", { ifMatch: '"another"' });
    await checkRejects(read, "PRECONDITION_FAILED", "read");
  },

  "an entry whose bytes changed is CORRUPT, by reads and by streams": async (tried) => {
    const { store } = await archive(tried, new Map([["v", text("wet sample")]]), renamed("wet", "dry"));
    await checkRejects(() => store.read("v"), "CORRUPT", "read");
    await checkRejects(() => store.readStream("v").then(drain), "CORRUPT", "readStream");
  },
  "a name that leads out of the archive makes it CORRUPT": async (tried) => {
    const { store } = await archive(tried, new Map([["abcdefg", text("x")]]), renamed("abcdefg", "../evil"));
    await checkRejects(() => collect(store.list()), "CORRUPT", "list");
    await checkRejects(() => store.read("evil"), "CORRUPT", "read");
  },
  "of two entries of one name the later counts, and is listed once": async (tried) => {
    const twins = new Map([
      ["name-1", text("older")],
      ["name-2", text("newer")],
    ]);
    const { store } = await archive(tried, twins, renamed("name-2", "name-1"));
    expect((await collect(store.list())).map(({ key }) => key)).toEqual(["name-1"]);
    expect(await store.read("name-1")).toEqual(text("newer"));
  },
  "one archive gets no name twice": async (tried) => {
    await using writer = await tried.createArchive(new MemoryStore(), "a.zip");
    await writer.add("v", text("1"));
    await checkRejects(() => writer.add("./v", text("2")), "ALREADY_EXISTS", "add");
  },
  "an archive that changed is not mixed with what was known of it": async (tried) => {
    const { outer, store } = await archive(tried, new Map([["v", text("first")]]), () => {});
    await store.read("v");
    await outer.write("a.zip", await ourZip("store", false)(new Map([["v", text("other")]])));
    await checkRejects(() => store.read("v"), "PRECONDITION_FAILED", "read");
  },
};

interface ReaderMutant {
  readonly name: string;
  readonly killedBy: string;
  readonly tried: Partial<Tried>;
}

/** The body of an answer as far as it came, whatever it says of itself. */
async function bodyOf(store: HttpStore, key: string, range?: string): Promise<Uint8Array> {
  const response = await fetch(store.uri(key), range === undefined ? {} : { headers: { range } });
  const parts: Uint8Array[] = [];
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  } catch {}
  return new Uint8Array(Buffer.concat(parts));
}

const mutants: readonly ReaderMutant[] = [
  {
    name: "a short body is a value",
    killedBy: "a body that breaks off is no value",
    tried: {
      HttpStore: class extends HttpStore {
        override read(key: string): Promise<Uint8Array> {
          return bodyOf(this, key);
        }
      },
    },
  },
  {
    name: "nobody looks which part came",
    killedBy: "another part than was asked for is CORRUPT",
    tried: {
      HttpStore: class extends HttpStore {
        override read(key: string): Promise<Uint8Array> {
          return bodyOf(this, key, "bytes=0-3");
        }
      },
    },
  },
  {
    name: "the whole value passes for its part",
    killedBy: "of a server that knows no ranges the part is taken from the whole",
    tried: {
      HttpStore: class extends HttpStore {
        override read(key: string): Promise<Uint8Array> {
          return bodyOf(this, key, "bytes=10-13");
        }
      },
    },
  },
  {
    name: "each range is read by itself, of any version",
    killedBy: "ranges of one read are of one version",
    tried: {
      HttpStore: class extends HttpStore {
        override async readRanges(key: string, ranges: readonly ByteRange[]): Promise<Uint8Array[]> {
          const parts: Uint8Array[] = [];
          for (const range of ranges) parts.push(await this.read(key, { range }));
          return parts;
        }
      },
    },
  },
  {
    name: "each range is a request of its own",
    killedBy: "near ranges are one request",
    tried: {
      HttpStore: class extends HttpStore {
        override readRanges(key: string, ranges: readonly ByteRange[], options?: ReadOptions): Promise<Uint8Array[]> {
          return Promise.all(ranges.map((range) => this.read(key, { ...options, range })));
        }
      },
    },
  },
  {
    name: "any version will do",
    killedBy: "a version that is gone is PRECONDITION_FAILED",
    tried: {
      HttpStore: class extends HttpStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return super.read(key, { ...options, ifMatch: undefined });
        }
      },
    },
  },
  {
    name: "reads do not look at the CRC-32",
    killedBy: "an entry whose bytes changed is CORRUPT, by reads and by streams",
    tried: {
      ZipStore: class extends ZipStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return super.read(key, { ...options, range: options?.range ?? { offset: 0 } });
        }
      },
    },
  },
  {
    name: "streams do not look at the CRC-32",
    killedBy: "an entry whose bytes changed is CORRUPT, by reads and by streams",
    tried: {
      ZipStore: class extends ZipStore {
        override async readStream(key: string): Promise<ReadableStream<Uint8Array>> {
          const [bytes] = await this.readRanges(key, [{ offset: 0 }]);
          return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>;
        }
      },
    },
  },
  {
    name: "names that lead out are passed over in silence",
    killedBy: "a name that leads out of the archive makes it CORRUPT",
    tried: {
      ZipStore: class extends ZipStore {
        constructor(...[store, key, options]: ConstructorParameters<typeof ZipStore>) {
          super(store, key, { ...options, badNames: "skip" });
        }
      },
    },
  },
  {
    name: "names that lead out are cut to what is inside",
    killedBy: "a name that leads out of the archive makes it CORRUPT",
    tried: {
      ZipStore: class extends ZipStore {
        constructor(...[store, key, options]: ConstructorParameters<typeof ZipStore>) {
          const tame: typeof store = new Proxy(store, {
            get: (target, name) => {
              const value: unknown = Reflect.get(target, name, target);
              if (typeof value !== "function") return value;
              return async (...given: unknown[]) => {
                const answer: unknown = await value.apply(target, given);
                for (const part of [answer].flat())
                  if (part instanceof Uint8Array) renamed("../evil", "to/evil")(viewOf(part));
                return answer;
              };
            },
          });
          super(tame, key, options);
        }
      },
    },
  },
  {
    name: "of two entries of one name the first counts",
    killedBy: "of two entries of one name the later counts, and is listed once",
    tried: {
      ZipStore: class extends ZipStore {
        override async read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          const { length } = await super.read(key, options);
          return text("older").slice(0, length);
        }
      },
    },
  },
  {
    name: "two entries of one name are listed twice",
    killedBy: "of two entries of one name the later counts, and is listed once",
    tried: {
      ZipStore: class extends ZipStore {
        override async *list(): AsyncGenerator<ListEntry> {
          for await (const entry of super.list()) yield* [entry, entry];
        }
      },
    },
  },
  {
    name: "the writer puts a name there twice",
    killedBy: "one archive gets no name twice",
    tried: {
      createArchive: async (...given) => {
        const writer = await createArchive(...given);
        const add: typeof writer.add = async (key, bytes, options) => {
          try {
            return await writer.add(key, bytes, options);
          } catch (error) {
            if (!(error instanceof StorageError)) throw error;
            return writer.add(`${key} again`, bytes, options);
          }
        };
        return new Proxy(writer, {
          get: (target, name) => {
            if (name === "add") return add;
            const value: unknown = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    },
  },
  {
    name: "the directory is read anew under every read",
    killedBy: "an archive that changed is not mixed with what was known of it",
    tried: {
      ZipStore: class extends ZipStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          this.refresh();
          return super.read(key, options);
        }
      },
    },
  },
];

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

describe("laws of stores that only read", () => {
  test.each(Object.entries(laws))("%s", (_name, law) => law(real));
});

describe("bugs planted in stores that only read", () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('"%s" is found', async (_name, mutant) => {
    const law = laws[mutant.killedBy];
    if (law === undefined) throw new Error(`no law is called "${mutant.killedBy}"`);
    await expect(law({ ...real, ...mutant.tried })).rejects.toThrow();
  });

  test("each law finds one", () => {
    const used = new Set(mutants.map(({ killedBy }) => killedBy));
    expect(Object.keys(laws).filter((name) => !used.has(name))).toEqual([]);
  });
});
