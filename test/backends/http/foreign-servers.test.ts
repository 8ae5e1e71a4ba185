/** Servers that people have: their indexes as they were answered, and the servers themselves where they are installed. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseHtmlIndex } from "../../../backends/http/index-page.ts";
import { keysOf, pattern } from "../../../src/testing/byte-store-checks.ts";
import { hasProgram } from "../../support/archives.ts";
import { foreignServer, type ServerPlace } from "../../support/foreign-server.ts";
import { storeAt } from "../../support/http-store.ts";

const context = { backend: "web", identifier: "d" };
const odd = ["a b#c?.bin", `it's <q> "d".txt`, "x+y%20&é😀.bin"];

/** Answers of these servers for one folder that holds `odd`, "big.bin" and the folder "sub". */
const pages = {
  "Apache, plain": `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html>
 <head>
  <title>Index of /d</title>
 </head>
 <body>
<h1>Index of /d</h1>
<ul><li><a href="/"> Parent Directory</a></li>
<li><a href="a%20b%23c%3f.bin"> a b#c?.bin</a></li>
<li><a href="big.bin"> big.bin</a></li>
<li><a href="it's%20%3cq%3e%20%22d%22.txt"> it's &lt;q&gt; &quot;d&quot;.txt</a></li>
<li><a href="sub/"> sub/</a></li>
<li><a href="x+y%2520&amp;%c3%a9%f0%9f%98%80.bin"> x+y%20&amp;é😀.bin</a></li>
</ul>
</body></html>`,
  "Apache, fancy": `<html>
 <head>
  <title>Index of /d</title>
 </head>
 <body>
<h1>Index of /d</h1>
<pre>      <a href="?C=N;O=D">Name</a>       <a href="?C=M;O=A">Last modified</a>      <a href="?C=S;O=A">Size</a>  <a href="?C=D;O=A">Description</a><hr>      <a href="/">Parent Directory</a>     -
      <a href="a%20b%23c%3f.bin">a b#c?.bin</a>              2026-11-21 06:10    2
      <a href="big.bin">big.bin</a>                 2026-11-21 06:10   15K
      <a href="it's%20%3cq%3e%20%22d%22.txt">it's &lt;q&gt; &quot;d&quot;.txt</a>        2026-11-21 06:10    3
      <a href="sub/">sub/</a>                    2026-11-21 06:10    -
      <a href="x+y%2520&amp;%c3%a9%f0%9f%98%80.bin">x+y%20&amp;é😀.bin</a>       2026-11-21 06:10    3
<hr></pre>
</body></html>`,
  "Apache, as a table": `<html xmlns="http://www.w3.org/1999/xhtml">
 <head>
  <title>Index of /d</title>
 </head>
 <body>
<h1>Index of /d</h1>
  <table>
   <tr><th valign="top">&nbsp;</th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=S;O=A">Size</a></th></tr>
<tr><td valign="top">&nbsp;</td><td><a href="/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="a%20b%23c%3f.bin">a b#c?.bin</a></td><td align="right">  2 </td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="big.bin">big.bin</a></td><td align="right"> 15K</td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="it's%20%3cq%3e%20%22d%22.txt">it's &lt;q&gt; &quot;d&quot;.txt</a></td><td>3</td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="sub/">sub/</a></td><td align="right">  - </td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="x+y%2520&amp;%c3%a9%f0%9f%98%80.bin">x+y%20&amp;é😀.bin</a></td><td>3</td></tr>
</table>
</body></html>`,
  "Python, http.server": `<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Directory listing for /d/</title>
</head>
<body>
<h1>Directory listing for /d/</h1>
<hr>
<ul>
<li><a href="a%20b%23c%3F.bin">a b#c?.bin</a></li>
<li><a href="big.bin">big.bin</a></li>
<li><a href="it%27s%20%3Cq%3E%20%22d%22.txt">it's &lt;q&gt; "d".txt</a></li>
<li><a href="sub/">sub/</a></li>
<li><a href="x%2By%2520%26%C3%A9%F0%9F%98%80.bin">x+y%20&amp;é😀.bin</a></li>
</ul>
<hr>
</body>
</html>`,
};

describe("an index of a server", () => {
  it.each(Object.entries(pages))("%s, gives the folder", (_, page) => {
    const names = parseHtmlIndex(page, new URL("http://h/d/"), context).map(({ name, kind }) => `${kind} ${name}`);
    const files = [...odd, "big.bin"].map((name) => `file ${name}`);
    expect(names.sort()).toEqual([...files, "directory sub"].sort());
  });

  it("that links by absolute paths, percent-encoded in its own way, loses nothing", () => {
    const links = ["/d%c3%a9/%7ea", "/d%C3%A9/b'c/", "http://h/d%c3%a9/d", "/d%c3%a9/e/f", "/d%c3%a9%2fg", "/d%c3%a9/"];
    const page = `<title>Index of /</title>${links.map((link) => `<a href="${link}">x</a>`).join("")}`;
    const entries = parseHtmlIndex(page, new URL("http://h/dé/"), context);
    expect(entries.map(({ name, kind }) => `${kind} ${name}`)).toEqual(["file ~a", "directory b'c", "file d"]);
  });
});

const apache = (modules: string) => (place: ServerPlace) => {
  const { port, folder } = place;
  for (const path of ["", "data", "data/sub"]) chmodSync(join(folder, path), 0o755);
  const load = ["mpm_event", "authz_core", "autoindex", "dir"]
    .map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`)
    .join("\n");
  writeFileSync(
    join(folder, "httpd.conf"),
    `ServerRoot ${folder}\nServerName localhost\nPidFile ${folder}/pid\nListen 127.0.0.1:${port}
ErrorLog ${folder}/error.log\n${load}\n${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
DocumentRoot ${folder}/data\n<Directory ${folder}/data>\nOptions +Indexes\nIndexOptions FancyIndexing
Require all granted\n</Directory>\n`,
  );
  return ["apache2", "-f", join(folder, "httpd.conf"), "-DFOREGROUND"] as const;
};

const lighttpd = ({ port, folder }: ServerPlace) => {
  writeFileSync(
    join(folder, "lighttpd.conf"),
    `server.document-root = "${folder}/data"\nserver.port = ${port}\nserver.bind = "127.0.0.1"
server.modules = ( "mod_dirlisting" )\ndir-listing.activate = "enable"\n`,
  );
  return ["lighttpd", "-D", "-f", join(folder, "lighttpd.conf")] as const;
};

const python = ({ port, folder }: ServerPlace) =>
  ["python3", "-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", join(folder, "data")] as const;

const servers = [
  ["python3", python],
  ["apache2", apache("/usr/lib/apache2/modules")],
  ["lighttpd", lighttpd],
] as const;
for (const [name] of servers) {
  if (!hasProgram(name)) console.warn(`${name} is not installed: the tests against it do not run`);
}

describe.each(servers.filter(([name]) => hasProgram(name)))("%s itself", (_, command) => {
  it("is listed and read in parts, whatever the keys", async () => {
    const value = pattern(15_000);
    const keys = [...odd, "sub/z"];
    await using server = await foreignServer(new Map(keys.map((key) => [key, value])), command);
    const store = storeAt(`${server.url}/`, { index: "html" });
    expect(await keysOf(store)).toEqual([...keys].sort());
    for (const key of keys) {
      const { byteLength, etag } = await store.stat(key);
      expect(byteLength).toBe(15_000);
      expect(await store.read(key, { ifMatch: etag })).toEqual(value);
      const ranges = [{ offset: 14_990 }, { offset: 3, length: 4 }, { suffix: 2 }];
      const parts = await store.readRanges(key, ranges);
      expect(parts).toEqual([value.slice(14_990), value.slice(3, 7), value.slice(-2)]);
    }
    expect((await store.stat("sub")).kind).toBe("directory");
    await expect(store.read("sub")).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await expect(store.read("sub/none")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(store.read("sub/z", { ifMatch: '"other"' })).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
  });
});
