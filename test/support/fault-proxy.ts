/** A proxy between a client and an HTTP service that does to requests and answers what networks do. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What happens to one request. */
export type Fault =
  /** Answers this itself; the service never hears of the request. */
  | { readonly answer: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Closes the connection before the service hears of the request. */
  | "reset before"
  /** Lets the service carry the request out, and closes the connection instead of answering. */
  | "lose answer"
  /** Announces the whole answer and closes the connection in the middle of it. */
  | "truncate answer"
  /** Announces less than there is, and sends just that. */
  | "shorten answer"
  /** Changes one byte of the answer. */
  | "corrupt answer"
  /** Changes one byte of the request's body. */
  | "corrupt request"
  /** Never answers. */
  | "silence";

/** Which requests a fault is for. */
export type Choice = (request: { readonly method: string; readonly url: string }) => boolean;

/** A running proxy. */
export interface FaultProxy {
  readonly endpoint: string;
  /** Lines `METHOD url` of all requests so far. */
  readonly seen: readonly string[];
  /** Sends the last answer once more, on its connection; resolves when the client has closed that. */
  repeatAnswer(): Promise<void>;
  /** The next `times` requests that are chosen suffer this. */
  fail(fault: Fault, choice?: Choice, times?: number): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a service. The `Host` that the client signed is kept. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const faults: { fault: Fault; choice: Choice; left: number }[] = [];
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  let last: { socket: Socket; whole: Buffer } | undefined;
  const { hostname, port } = new URL(target);

  const server = createServer((request, response) => {
    const method = request.method ?? "";
    const url = request.url ?? "";
    seen.push(`${method} ${url}`);
    const planned = faults.find(({ choice, left }) => left > 0 && choice({ method, url }));
    if (planned !== undefined) planned.left--;
    const handled = handle(request, response, planned?.fault);
    handled.catch(() => response.destroy());
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });

  async function handle(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): Promise<void> {
    if (fault === "reset before") return void request.socket.resetAndDestroy();
    const body = await bytesOf(request);
    if (fault === "silence") return;
    if (typeof fault === "object") {
      response.writeHead(fault.answer, fault.headers);
      return void response.end(fault.body);
    }
    if (fault === "corrupt request") damage(body);
    const answer = await forward(request, body);
    const content = await bytesOf(answer);
    const socket = request.socket;
    if (fault === "lose answer") return void socket.resetAndDestroy();
    if (fault === "corrupt answer") damage(content);
    const sent = fault === "shorten answer" ? content.subarray(0, content.length >> 1) : content;
    const head = headOf(answer, request.method === "HEAD" ? undefined : sent.length);
    if (fault === "truncate answer") {
      socket.write(head);
      return void socket.write(content.subarray(0, content.length >> 1), () => socket.destroy());
    }
    // Written by hand: what goes wrong on purpose must not be mended on the way.
    const whole = Buffer.concat([Buffer.from(head, "latin1"), request.method === "HEAD" ? Buffer.alloc(0) : sent]);
    response.detachSocket(socket);
    socket.write(whole);
    last = { socket, whole };
    response.emit("finish");
  }

  function forward(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { method, url, headers } = request;
    return new Promise((resolve, reject) => {
      const { expect: _, ...rest } = headers;
      const onward = httpRequest({ hostname, port, method, path: url, headers: rest, agent: false }, resolve);
      onward.on("error", reject);
      onward.end(body);
    });
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    repeatAnswer: async () => {
      const { socket, whole } = last as { socket: Socket; whole: Buffer };
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.write(whole);
      await closed;
    },
    fail: (fault, choice = () => true, times = 1) => void faults.push({ fault, choice, left: times }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function headOf(answer: IncomingMessage, byteLength: number | undefined): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] as string;
    if (/^(connection|keep-alive|transfer-encoding)$/i.test(name)) continue;
    if (byteLength !== undefined && /^content-length$/i.test(name)) continue;
    lines.push(`${name}: ${answer.rawHeaders[i + 1]}`);
  }
  if (byteLength !== undefined && answer.statusCode !== 204) lines.push(`Content-Length: ${byteLength}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function damage(bytes: Buffer): void {
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
