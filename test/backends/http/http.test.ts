import { describe, expect, it } from "vitest";
import { parseHtmlIndex, parseJsonIndex } from "../../../backends/http/index-page.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { isStorageError } from "../../../src/core/errors.ts";
import { drain, keysOf, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { freshHttp, storeAt } from "../../support/http-store.ts";
import { webServer } from "../../support/web-server.ts";

async function failure(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isStorageError(error)) throw new Error(`Expected a StorageError, got ${String(error)}`);
  return error;
}

describe("requests", () => {
  it("near ranges are one request, far ones few, and a suffix needs no length before", async () => {
    await using server = await webServer();
    server.values.set("v", pattern(40_000_000));
    const store = storeAt(server.url);
    await store.readRanges("v", [
      { offset: 0, length: 10 },
      { offset: 1000, length: 10 },
    ]);
    expect(server.requests.splice(0)).toEqual(["GET /v bytes=0-1009"]);
    await store.readRanges("v", [{ offset: 0, length: 10 }, { suffix: 5 }]);
    expect(server.requests.splice(0)).toEqual(["HEAD /v", "GET /v bytes=0-9", "GET /v bytes=39999995-39999999"]);
    await store.read("v", { range: { suffix: 3 } });
    expect(server.requests.splice(0)).toEqual(["GET /v bytes=-3"]);
  });

  it("ranges of a value that names no version come in one answer", async () => {
    await using server = await webServer({ version: "none" });
    server.values.set("v", pattern(1_000_000));
    const parts = await storeAt(server.url).readRanges("v", [{ offset: 0, length: 4 }, { suffix: 4 }]);
    expect(parts.map((part) => part.length)).toEqual([4, 4]);
    expect(server.requests.filter((request) => request.startsWith("GET"))).toHaveLength(1);
  });

  it("a stream that is left early does not fetch the rest", async () => {
    let sent = 0;
    await using server = await webServer({
      before: (_, response) => {
        response.writeHead(200, { "content-length": 1e9 });
        const more = () => {
          while (!response.destroyed && sent < 1e9) {
            sent += 1e6;
            if (!response.write(Buffer.alloc(1e6))) break;
          }
        };
        response.on("drain", more);
        more();
        return true;
      },
    });
    const reader = (await storeAt(server.url).readStream("v")).getReader();
    await reader.read();
    await reader.cancel();
    expect(sent).toBeLessThan(1e8);
  });
});

describe("one version", () => {
  it("a value that changes between the requests of one read is PRECONDITION_FAILED, never a mixture", async () => {
    for (const version of ["etag", "weak", "time"] as const) {
      let gets = 0;
      await using server = await webServer({
        version,
        before: (request) => {
          // Between the first and the second part.
          if (request.method === "GET" && ++gets === 1) server.values.set("v", pattern(40_000_001, 2));
          return false;
        },
      });
      server.values.set("v", pattern(40_000_000));
      const ranges = [{ offset: 0, length: 10 }, { suffix: 10 }];
      expect((await failure(storeAt(server.url).readRanges("v", ranges))).code).toBe("PRECONDITION_FAILED");
    }
  });
});

describe("answers", () => {
  it.each([
    [401, {}, "UNAUTHENTICATED", false, undefined],
    [403, {}, "PERMISSION_DENIED", false, undefined],
    [404, {}, "NOT_FOUND", false, undefined],
    [408, {}, "TIMED_OUT", true, undefined],
    [418, {}, "UNEXPECTED", false, undefined],
    [429, { "retry-after": "7" }, "RATE_LIMITED", true, 7000],
    [500, {}, "UNEXPECTED", true, undefined],
    [503, {}, "UNEXPECTED", true, undefined],
    [503, { "retry-after": "Sun, 06 Nov 1994 08:49:37 GMT" }, "RATE_LIMITED", true, 0],
    [504, {}, "TIMED_OUT", true, undefined],
  ])("%d %j is %s, retryable %s", async (status, headers, code, retryable, retryAfterMs) => {
    await using server = await webServer({
      before: (_, response) => {
        response.writeHead(status, headers);
        response.end("no");
        return true;
      },
    });
    const store = storeAt(server.url);
    const stream = () => store.readStream("v", { range: { suffix: 2 } });
    for (const work of [() => store.read("v"), () => store.stat("v"), stream]) {
      expect(await failure(work())).toMatchObject({ code, retryable, retryAfterMs });
    }
  });

  it.each([
    ["another part", { "content-range": "bytes 1-4/100" }],
    ["no word of which part", {}],
    ["a longer part", { "content-range": "bytes 0-9/100" }],
    ["a shorter part in the middle", { "content-range": "bytes 0-1/100" }],
    ["a packed part", { "content-range": "bytes 0-3/100", "content-encoding": "gzip" }],
  ])("206 with %s is CORRUPT", async (_, headers) => {
    await using server = await webServer({
      before: (__, response) => {
        response.writeHead(206, headers);
        response.end("abcd");
        return true;
      },
    });
    const range = { offset: 0, length: 4 };
    expect((await failure(storeAt(server.url).read("v", { range }))).code).toBe("CORRUPT");
  });

  it("a reset before the answer, or in the middle of it, is retryable, and nothing short is returned", async () => {
    for (const sent of [-1, 0, 500]) {
      await using server = await webServer({
        before: (request, response) => {
          if (sent < 0) request.socket.destroy();
          else {
            response.writeHead(200, { "content-length": 1000 });
            response.write(Buffer.alloc(sent), () => request.socket.destroy());
          }
          return true;
        },
      });
      const store = storeAt(server.url);
      expect(await failure(store.read("v"))).toMatchObject({ retryable: true });
      expect(await failure(store.readStream("v").then(drain))).toMatchObject({ retryable: true });
    }
    expect(await failure(storeAt("http://127.0.0.1:1/").read("v"))).toMatchObject({ retryable: true });
  });
});

describe("redirects", () => {
  it("within the origin are followed; to another one only if allowed, and then without headers", async () => {
    const seen: (string | undefined)[] = [];
    await using other = await webServer({
      before: (request) => {
        seen.push(request.headers.authorization, request.headers["x-key"] as string | undefined);
        return false;
      },
    });
    other.values.set("v", text("there"));
    await using server = await webServer({
      before: (request, response) => {
        if (request.url === "/near") response.writeHead(302, { location: "/here" }).end();
        else if (request.url === "/far") response.writeHead(307, { location: `${other.url}v` }).end();
        else if (request.url === "/loop") response.writeHead(302, { location: "/loop" }).end();
        else return false;
        return true;
      },
    });
    server.values.set("here", text("here"));
    const url = server.url.replace("//", "//me:hush@");
    const options = { headers: { "x-key": "hush" } } as const;
    expect(await storeAt(url, options).read("near")).toEqual(text("here"));
    const refusal = await failure(storeAt(url, options).read("far"));
    expect(refusal.code).toBe("PERMISSION_DENIED");
    expect(await storeAt(url, { ...options, redirects: "any" }).read("far")).toEqual(text("there"));
    expect(seen).toEqual([undefined, undefined]);
    expect((await failure(storeAt(url).read("loop"))).message).toMatch(/more than 5 times/);
  });
});

describe("secrets", () => {
  it("go with each request and are in no message, URI or name", async () => {
    const seen: string[] = [];
    await using server = await webServer({
      before: (request, response) => {
        seen.push(`${request.url} ${request.headers.authorization}`);
        response.writeHead(500).end();
        return true;
      },
    });
    await using set = new BackendSet(createRegistry());
    const store = await set.store(`${server.url.replace("//", "//me:hush@")}?token=hush`);
    const error = await failure(store.read("v"));
    expect(seen).toEqual([`/v?token=hush Basic ${Buffer.from("me:hush").toString("base64")}`]);
    const shown = [error.message, error.stack, JSON.stringify(error), String(error.cause), store.uri("v"), store.name];
    expect(shown.join(" ")).not.toContain("hush");
  });

  it("a header that cannot be sent is named without its value", async () => {
    const options = { baseUrl: "https://host/", headers: { "x-key": "hush\nhush" } };
    const error = await failure(createRegistry().openStore("http", options));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("headers.x-key");
    expect(error.message).not.toContain("hush");
  });

  it.each([["no address"], ["ftp://host/"], ["https://host/#a"], ["https://u:%ff@host/"]])(
    "%s is refused",
    async (baseUrl) => {
      const error = await failure(createRegistry().openStore("http", { baseUrl }));
      expect(error.code).toBe("CONFIG_INVALID");
      expect(error.message).not.toContain(baseUrl);
    },
  );
});

describe("an index", () => {
  const context = { backend: "web", identifier: "d" };
  const page = (links: string) => `<title>Index of /d/</title>${links}`;

  it("gives what is right below the folder, and nothing else", () => {
    const links = ["a.txt", "sub/", "/d/b%20c", "../up", "/x", "?C=M", "//else/where", "e/f", "%2e%2e", "%ff", "g%2Fh"];
    const html = page(links.map((link) => `<a href="${link}">x</a><a href='${link}'>x</a>`).join(""));
    const names = parseHtmlIndex(html, new URL("http://h/d/"), context).map(({ name, kind }) => `${kind} ${name}`);
    expect(names).toEqual(["file a.txt", "directory sub", "file b c"]);
  });

  it("that is made to be slow to read is not", () => {
    const page = `<title>Index of /d/</title>${"<a ".repeat(400_000)}<a href="b">`;
    expect(parseHtmlIndex(page, new URL("http://h/d/"), {}).map(({ name }) => name)).toEqual(["b"]);
  });

  it("is not taken from a page that somebody wrote", () => {
    const folder = new URL("http://h/d/");
    expect(() => parseHtmlIndex('<title>Welcome</title><a href="a">', folder, context)).toThrow(/gives no index/);
    for (const json of ["{}", "<html>", '[{"name": 1}]']) {
      expect(() => parseJsonIndex(json, context)).toThrow(/gives no index/);
    }
    expect(parseJsonIndex('[{"name":"..","type":"directory"},{"name":"a/b","type":"file"}]', context)).toEqual([]);
  });

  it("that is missing makes a listing UNSUPPORTED where any is taken, and where none is declared", async () => {
    const { store, server, side } = await freshHttp({ index: "none" }, { index: "auto" });
    await using _ = server;
    await side.put("", text("<title>Welcome</title>"));
    expect((await failure(keysOf(store))).code).toBe("UNSUPPORTED");
    expect((await failure(keysOf(storeAt(server.url)))).code).toBe("UNSUPPORTED");
  });
});
