/** Servers with manners of their own: what must hold whatever they do. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { normalizeKey } from "../../../src/core/key.ts";
import { TimeoutStore } from "../../../src/layers/timeout.ts";
import { drain, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { storeAt } from "../../support/http-store.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { webServer } from "../../support/web-server.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("every key arrives as it is", async () => {
  await using server = await webServer();
  const store = storeAt(server.url);
  const character = fc.oneof(
    fc.constantFrom(..." %#?&+;:@=!$'()*,[]{}|\\^`\"<>~.é😀\u0301"),
    fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
  );
  const segment = fc.array(character, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
  const keys = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join("/"));
  const isKey = (key: string) => {
    try {
      return normalizeKey(key) !== "";
    } catch {
      return false;
    }
  };
  await fc.assert(
    fc.asyncProperty(keys.filter(isKey), async (given) => {
      const key = normalizeKey(given);
      server.values.clear();
      server.values.set(key, text(key));
      expect(await store.read(given)).toEqual(text(key));
    }),
    { numRuns: 200 },
  );
});

it("a length that no memory has is OUT_OF_RANGE, and ends the request", async () => {
  let closed: Promise<unknown> | undefined;
  await using server = await webServer({
    before: (_, response) => {
      closed = once(response, "close");
      response.writeHead(200, { "content-length": String(2 ** 50) });
      response.write("x");
      return true;
    },
  });
  const store = storeAt(server.url);
  expect(await rejectionOf(store.read("v"))).toMatchObject({ code: "OUT_OF_RANGE", identifier: "v" });
  await closed;
});

describe("a server that packs what nobody asked it to", () => {
  it("gives the value, its true length, and true parts of it", async () => {
    const value = text("wet sample ".repeat(500));
    await using server = await webServer({
      before: (request, response) => {
        const packed = gzipSync(value);
        response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length, etag: '"1-gzip"' });
        response.end(request.method === "HEAD" ? undefined : packed);
        return true;
      },
    });
    const store = storeAt(server.url);
    expect(await store.read("v")).toEqual(value);
    expect((await store.stat("v")).byteLength).toBe(value.length);
    expect(await store.read("v", { range: { suffix: 7 } })).toEqual(value.slice(-7));
    expect((await drain(await store.readStream("v"))).bytes).toEqual(value);
  });
});

describe("a server that refuses HEAD", () => {
  it.each([403, 405, 501])("by %d is asked by GET for one byte", async (status) => {
    await using server = await webServer({
      before: (request, response) => {
        if (request.method !== "HEAD") return false;
        response.writeHead(status).end();
        return true;
      },
    });
    server.values.set("v", pattern(1000));
    const stat = await storeAt(server.url).stat("v");
    expect(stat).toMatchObject({ kind: "file", byteLength: 1000 });
    expect(server.requests).toEqual(["HEAD /v", "GET /v bytes=0-0"]);
    expect((await rejectionOf(storeAt(server.url).stat("w"))).code).toBe("NOT_FOUND");
  });

  it("since nobody may look is refused for good", async () => {
    await using server = await webServer({
      before: (_, response) => {
        response.writeHead(403).end();
        return true;
      },
    });
    expect((await rejectionOf(storeAt(server.url).stat("v"))).code).toBe("PERMISSION_DENIED");
  });
});

describe("redirects", () => {
  const sendTo = (...places: readonly string[]) => {
    const asked: string[] = [];
    const queue = [...places];
    vi.stubGlobal("fetch", async (url: URL, { headers }: { headers: Record<string, string> }) => {
      asked.push(`${url.href} ${headers.authorization ?? "-"}`);
      const location = queue.shift();
      return location === undefined ? new Response("here") : new Response(null, { status: 302, headers: { location } });
    });
    return asked;
  };
  const any = { redirects: "any", headers: { authorization: "hush" } } as const;

  it("never leave https, wherever they have been before", async () => {
    for (const places of [["http://host/v"], ["https://b/v?sig=hush", "http://b/v?sig=hush"], ["ftp://host/v"]]) {
      const asked = sendTo(...places);
      const error = await rejectionOf(storeAt("https://host/", any).read("v"));
      expect(error.code).toBe("PERMISSION_DENIED");
      expect(error.message).toMatch(/may leave https/);
      expect(error.message).not.toContain("hush");
      expect(asked.every((address) => address.startsWith("https:"))).toBe(true);
    }
  });

  it("to https of the same host are refused with the address that would do, or followed without secrets", async () => {
    sendTo("https://host/v");
    expect((await rejectionOf(storeAt("http://host/").read("v"))).message).toContain("baseUrl may begin with https://");
    const asked = sendTo("https://host/v");
    expect(await storeAt("http://host/", any).read("v")).toEqual(text("here"));
    expect(asked).toEqual(["http://host/v hush", "https://host/v -"]);
  });

  it("name no user, password or query of where they lead", async () => {
    sendTo("https://me:hush@other/v?sig=hush");
    const error = await rejectionOf(storeAt("https://host/").read("v"));
    expect(error.message).toContain("https://other");
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain("hush");
    const asked = sendTo("https://me:hush@other/v?sig=hush");
    await storeAt("https://host/", any).read("v");
    expect(asked[1]).toBe("https://other/v?sig=hush -");
  });
});

describe("a server that hangs", () => {
  /** Answers with so many bytes and then nothing more; `ended` resolves when the client has gone. */
  const silent = async (sent: number) => {
    let reached: (response: ServerResponse) => void;
    const response = new Promise<ServerResponse>((resolve) => {
      reached = resolve;
    });
    const server = await webServer({
      before: (_, answer) => {
        if (sent > 0) answer.writeHead(200, { "content-length": 1000 }).write(Buffer.alloc(sent));
        reached(answer);
        return true;
      },
    });
    const gone = response.then((answer) => once(answer, "close"));
    return { server, response, gone };
  };

  it("before it answers is TIMED_OUT by the layer, and the connection is dropped", async () => {
    const { server, response, gone } = await silent(0);
    await using _ = server;
    const clock = new FakeClock();
    const read = rejectionOf(new TimeoutStore(storeAt(server.url), { clock, timeoutMs: 50 }).read("v"));
    await response;
    await clock.advance(50);
    expect(await read).toMatchObject({ code: "TIMED_OUT", retryable: true });
    await gone;
  });

  it("in the middle of a stream is, too", async () => {
    const { server, gone } = await silent(10);
    await using _ = server;
    const clock = new FakeClock();
    const store = new TimeoutStore(storeAt(server.url), { clock, timeoutMs: 50 });
    const reader = (await store.readStream("v")).getReader();
    expect((await reader.read()).value?.byteLength).toBe(10);
    const rest = rejectionOf(reader.read());
    await clock.advance(50);
    expect(await rest).toMatchObject({ code: "TIMED_OUT", retryable: true });
    await gone;
  });

  it("does not hold up closing: what is under way is NOT_OPEN, and its connections are dropped", async () => {
    const [before, middle] = [await silent(0), await silent(10)];
    const [first, second] = [storeAt(before.server.url), storeAt(middle.server.url)];
    const read = rejectionOf(first.read("v"));
    const reader = (await second.readStream("v")).getReader();
    await reader.read();
    const rest = rejectionOf(reader.read());
    await before.response;
    for (const store of [first, second]) await store.close();
    expect([await read, await rest]).toMatchObject([{ code: "NOT_OPEN" }, { code: "NOT_OPEN" }]);
    for (const { gone, server } of [before, middle]) {
      await gone;
      await server.close();
    }
  });

  it("is ABORTED by the caller's signal, and the connection is dropped", async () => {
    const { server, response, gone } = await silent(0);
    await using _ = server;
    const controller = new AbortController();
    const read = rejectionOf(storeAt(server.url).read("v", { signal: controller.signal }));
    await response;
    controller.abort();
    expect((await read).code).toBe("ABORTED");
    await gone;
  });
});
