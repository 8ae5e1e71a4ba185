/** A real server: nginx of Debian, started on loopback if it is installed. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keysOf, pattern } from "../../../src/testing/byte-store-checks.ts";
import { type ForeignServer, foreignServer } from "../../support/foreign-server.ts";
import { storeAt } from "../../support/http-store.ts";

const nginx = ["nginx", "/usr/sbin/nginx"].find((path) => spawnSync(path, ["-v"]).status === 0);
if (nginx === undefined) console.warn("nginx is not installed: the tests against it do not run");

describe.skipIf(nginx === undefined)("nginx (needs nginx)", () => {
  let server: ForeignServer;
  let url: string;

  beforeAll(async () => {
    const names = ["a b#c?.bin", "deep/x+y%20.bin", "deep/er/😀"];
    server = await foreignServer(new Map(names.map((name) => [name, pattern(100_000)])), ({ port, folder }) => {
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const places = (alias: string) => `alias ${folder}/data/; autoindex on; ${alias}`;
      writeFileSync(
        join(folder, "nginx.conf"),
        `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; ${process.getuid?.() === 0 ? "user root;" : ""}
events {} http { access_log off; ${paths.map((path) => `${path}_temp_path ${folder}/${path};`).join(" ")}
server { listen 127.0.0.1:${port};
location /html/ { ${places("")} } location /json/ { ${places("autoindex_format json;")} }
location /none/ { alias ${folder}/data/; } location /whole/ { ${places("max_ranges 0;")} } } }`,
      );
      return [nginx as string, "-c", join(folder, "nginx.conf"), "-p", folder];
    });
    url = server.url;
  });

  afterAll(() => server.stop());

  it.each(["html", "json"] as const)("its %s index lists every key, with its exact length", async (index) => {
    const store = storeAt(`${url}/${index}/`, { index });
    expect(await keysOf(store)).toEqual(["a b#c?.bin", "deep/er/😀", "deep/x+y%20.bin"]);
    for await (const { byteLength } of store.list()) expect(byteLength).toBe(100_000);
    expect((await store.stat("deep")).kind).toBe("directory");
    expect(await keysOf(store, { prefix: "a b#c?.bin/" })).toEqual([]);
  });

  it.each(["json", "whole"])("ranges come right from /%s/, also where the server ignores them", async (place) => {
    const store = storeAt(`${url}/${place}/`);
    const value = pattern(100_000);
    const { etag } = await store.stat("deep/er/😀");
    const read = (range: { offset: number; length?: number } | { suffix: number }) =>
      store.read("deep/er/😀", { range, ifMatch: etag });
    expect(await read({ offset: 10, length: 5 })).toEqual(value.slice(10, 15));
    expect(await read({ suffix: 7 })).toEqual(value.slice(-7));
    expect(await read({ offset: 100_000 })).toEqual(new Uint8Array(0));
    await expect(read({ offset: 100_001 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(store.read("deep/er/😀", { ifMatch: '"other"' })).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
    });
  });

  it("a directory is known without an index, since nginx sends on to it", async () => {
    const store = storeAt(`${url}/none/`);
    expect((await store.stat("deep")).kind).toBe("directory");
    await expect(store.read("deep")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await expect(store.read("missing")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
