/** A small web server on loopback whose manners can be chosen. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How a server behaves. */
export interface Manners {
  /** Answers ranges with 206. Default `true`; otherwise it sends the whole value. */
  readonly ranges?: boolean;
  /** Default `"none"`: folders are 404, as on a bare object server. */
  readonly index?: "none" | "html" | "json";
  /** What tells versions apart. Default `"etag"`. */
  readonly version?: "etag" | "weak" | "time" | "none";
  /** Answers HEAD. Default `true`; otherwise 405. */
  readonly head?: boolean;
  /** Says how long whole values are. Default `true`. */
  readonly length?: boolean;
  /** Handles a request itself; answers true if it did. */
  readonly before?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A running server. */
export interface WebServer extends AsyncDisposable {
  readonly url: string;
  /** Values by key; change them at will. */
  readonly values: Map<string, Uint8Array>;
  /** Method, path and range of each request so far. */
  readonly requests: string[];
  readonly close: () => Promise<void>;
}

/** Starts a server on a free port. */
export async function webServer(manners: Manners = {}): Promise<WebServer> {
  const values = new Map<string, Uint8Array>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const range = request.headers.range;
    requests.push(`${request.method} ${request.url}${range === undefined ? "" : ` ${range}`}`);
    if (manners.before?.(request, response) !== true) serve(values, manners, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, values, requests, close, [Symbol.asyncDispose]: close };
}

function serve(
  values: ReadonlyMap<string, Uint8Array>,
  manners: Manners,
  request: IncomingMessage,
  response: ServerResponse,
): undefined {
  const end = (status: number, headers: Record<string, string | number> = {}, body?: Uint8Array | string) => {
    response.writeHead(status, headers);
    response.end(request.method === "HEAD" ? undefined : body);
    return undefined;
  };
  if (request.method === "HEAD" && manners.head === false) return end(405);
  const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname).slice(1);
  const value = values.get(path);
  if (value === undefined) {
    const isFolder = path === "" || [...values.keys()].some((key) => key.startsWith(path.replace(/\/?$/, "/")));
    if (!isFolder || manners.index === undefined || manners.index === "none") return end(404, {}, "no such thing");
    if (path !== "" && !path.endsWith("/"))
      return end(301, { location: `/${encodeURI(path)}/`.replaceAll("#", "%23") });
    const json = manners.index === "json";
    return end(200, { "content-type": json ? "application/json" : "text/html" }, indexOf(values, path, json));
  }
  const etag = `"${createHash("sha1").update(value).digest("hex")}"`;
  const { version = "etag" } = manners;
  const headers: Record<string, string> = {
    ...(version === "etag" ? { etag } : {}),
    ...(version === "weak" ? { etag: `W/${etag}` } : {}),
    ...(version === "time" ? { "last-modified": new Date(1.7e12 + value.length * 1000).toUTCString() } : {}),
  };
  const ifMatch = request.headers["if-match"];
  if (ifMatch !== undefined && ifMatch !== headers.etag) return end(412);
  const range = manners.ranges === false ? undefined : parseRange(request.headers.range, value.length);
  if (range === "outside") return end(416, { ...headers, "content-range": `bytes */${value.length}` });
  const body = range === undefined ? value : value.subarray(range.from, range.to);
  const sized: Record<string, string | number> =
    manners.length === false && range === undefined ? headers : { ...headers, "content-length": body.length };
  if (range === undefined) return end(200, sized, body);
  return end(206, { ...sized, "content-range": `bytes ${range.from}-${range.to - 1}/${value.length}` }, body);
}

function parseRange(header: string | undefined, length: number): { from: number; to: number } | "outside" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null) return undefined;
  const [, first, last] = match;
  const from = first === "" ? Math.max(length - Number(last), 0) : Number(first);
  const to = first === "" || last === "" ? length : Math.min(Number(last) + 1, length);
  return from < to ? { from, to } : "outside";
}

function indexOf(values: ReadonlyMap<string, Uint8Array>, folder: string, json: boolean): string {
  const entries = new Map<string, Uint8Array | undefined>();
  for (const [key, value] of values) {
    if (!key.startsWith(folder)) continue;
    const [name, ...rest] = key.slice(folder.length).split("/") as [string, ...string[]];
    entries.set(name, rest.length > 0 ? undefined : value);
  }
  const rows = [...entries];
  if (json) {
    return JSON.stringify(
      rows.map(([name, value]) =>
        value === undefined
          ? { name, type: "directory", mtime: "Wed, 18 Nov 2026 10:00:00 GMT" }
          : { name, type: "file", mtime: "Wed, 18 Nov 2026 10:00:00 GMT", size: value.length },
      ),
    );
  }
  const links = rows.map(([name, value]) => {
    const href = encodeURIComponent(name).replaceAll("%26", "&amp;") + (value === undefined ? "/" : "");
    return `<a href="${href}">${name.slice(0, 10)}..&gt;</a>  18-Nov-2026 10:00  1K`;
  });
  return `<html><head><title>Index of /${folder.replaceAll("<", "")}</title></head><body>
<a href="?C=N;O=D">Name</a> <a href="/">Parent Directory</a> <a href="../">../</a> <a href="http://elsewhere.example/x">x</a>
<pre>${links.join("\n")}</pre></body></html>`;
}
