import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { connect, Server } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { StreamBackend } from "../../../backends/stream/backend.ts";
import { encodeItem } from "../../../backends/stream/item.ts";
import { decodeMessage, encodeMessage, type Message } from "../../../backends/stream/message.ts";
import { Receiver } from "../../../backends/stream/receiver.ts";
import { webSocketTransport } from "../../../backends/stream/websocket.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { startFrame } from "../../../src/codecs/message-frame.ts";
import { collecting, image, until } from "./support.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(options: Parameters<Receiver["listen"]>[0] = {}) {
  const receiver = new Receiver();
  closers.push(() => receiver.close());
  return { receiver, ...(await receiver.listen(options)) };
}

function sending(url: string, more: object = {}): StreamBackend {
  const backend = new StreamBackend({ viewers: [webSocketTransport({ url })], ...more });
  closers.push(() => backend.close());
  return backend;
}

/** The status with which a handshake is answered. */
async function handshake(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, { headers });
  return new Promise((resolve, reject) => {
    socket.on("open", () => {
      socket.close();
      resolve(101);
    });
    socket.on("unexpected-response", (_request, response) => {
      socket.terminate();
      resolve(response.statusCode ?? 0);
    });
    socket.on("error", (error) => reject(error));
  });
}

/** A connection that says whatever a test wants, and what it heard. */
async function stranger(url: string) {
  const socket = new WebSocket(url);
  const heard: Message[] = [];
  let isClosed = false;
  socket.on("message", (data) => heard.push(decodeMessage(data as Buffer)));
  socket.on("close", () => {
    isClosed = true;
  });
  socket.on("error", () => {});
  await once(socket, "open");
  closers.push(() => socket.terminate());
  return { socket, heard, closed: () => until(() => isClosed) };
}

describe("the door", () => {
  it("goes on listening when a connection cannot be taken in", async () => {
    const listens = vi.spyOn(Server.prototype, "listen");
    const { url, receiver } = await listening();
    const [server] = listens.mock.contexts;
    listens.mockRestore();
    // As the system says it when a process has no file descriptors left; thrown where nobody listens.
    for (let i = 0; i < 3; i++)
      (server as Server).emit("error", Object.assign(new Error("accept"), { code: "EMFILE" }));
    const served = receiver.serve(() => {});
    await sending(url).save({ a: 1 }, "a");
    await receiver.close();
    await served;
  });

  it("is shut to web pages, unless their origin was named", async () => {
    const { url } = await listening({ origins: ["https://viewer.example.org"] });
    expect(await handshake(url, {})).toBe(101);
    expect(await handshake(url, { origin: "https://viewer.example.org" })).toBe(101);
    for (const origin of ["https://evil.example.com", "null", "http://127.0.0.1"]) {
      expect(await handshake(url, { origin })).toBe(403);
    }
  });

  it("asks for the token, where there is one", async () => {
    const { url } = await listening({ token: "secret" });
    expect(await handshake(url, {})).toBe(401);
    expect(await handshake(url, { authorization: "Bearer secret2" })).toBe(401);
    expect(await handshake(url, { authorization: "Bearer secret" })).toBe(101);
    expect(await handshake(url, { authorization: "Bearer secret", origin: "https://a.example" })).toBe(403);
    await expect(sending(url).save(1, "a")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("opens to this machine alone, and to others only with a token", async () => {
    const { url } = await listening();
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    await expect(listening({ host: "0.0.0.0" })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const { port } = await listening({ host: "0.0.0.0", token: "secret" });
    await expect(listening({ port })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("lets in no more than it can hold, and answers plain HTTP", async () => {
    const { url, port } = await listening({ maxConnections: 1 });
    await stranger(url);
    expect(await handshake(url, {})).toBe(503);
    const [response] = await once(request({ port, host: "127.0.0.1" }).end(), "response");
    expect(response.statusCode).toBe(426);
    response.resume();
  });
});

describe("a sender that talks nonsense", () => {
  const hello = encodeMessage({ type: "hello", sender: "me" });
  const good = encodeItem({ id: 1, path: "a", data: image(), metadata: {}, producer: { name: "p" } });

  it("is told why and loses its connection; the others notice nothing", async () => {
    const { url, receiver } = await listening();
    const items = collecting(receiver);
    const bystander = sending(url);
    await bystander.save(0, "x");
    const header = (fields: object) => startFrame(fields, 0).bytes;
    for (const messages of [
      [Buffer.from("nonsense")],
      [good],
      [hello, hello],
      [hello, header({ type: "ack", id: 1, status: "ok" })],
      [hello, header({ type: "teapot" })],
      [header({ type: "hello" })],
    ]) {
      const { socket, heard, closed } = await stranger(url);
      for (const message of messages) socket.send(message);
      await closed();
      expect(heard.at(-1)).toMatchObject({ type: "error", error: { code: "CORRUPT" } });
    }
    await bystander.save(1, "y");
    expect(items.map(({ path }) => path)).toEqual(["x", "y"]);
  });

  it("may go on where only one item was wrong", async () => {
    const { url, receiver } = await listening();
    const items = collecting(receiver);
    const { socket, heard } = await stranger(url);
    socket.send(hello);
    socket.send(
      startFrame({ type: "item", id: 9, path: "/etc/passwd", value: "json", producer: { name: "p" } }, 0).bytes,
    );
    socket.send(good);
    await until(() => heard.length === 3);
    expect(heard.slice(1)).toMatchObject([
      { type: "ack", id: 9, error: { code: "CORRUPT" } },
      { type: "ack", id: 1 },
    ]);
    expect(items).toHaveLength(1);
  });

  it("loses its connection for a message that is too long, before it is read", async () => {
    const receiver = new Receiver({ maxMessageBytes: 1000 });
    closers.push(() => receiver.close());
    const { closed, socket } = await stranger((await receiver.listen()).url);
    socket.send(new Uint8Array(100_000));
    await closed();
  });

  it("or that resets in the middle of a message, harms nobody", async () => {
    const { url, port, receiver } = await listening();
    collecting(receiver);
    const raw = connect(port, "127.0.0.1");
    raw.on("error", () => {});
    raw.write("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    raw.write("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    await once(raw, "data");
    raw.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 1]));
    raw.resetAndDestroy();
    await sending(url).save(1, "a");
  });
});

describe("a connection that breaks", () => {
  it("costs nothing: what was not answered comes again, and is processed once", async () => {
    const first = new Receiver();
    const { url, port } = await first.listen();
    const seen: string[] = [];
    let arrived = 0;
    void first.serve(async ({ path }) => {
      arrived++;
      if (path === "stuck") await new Promise(() => {});
      seen.push(path);
    });
    const backend = sending(url, { reconnect: { attempts: 50, delayMs: 5, maxDelayMs: 20 } });
    await backend.save(1, "before");
    const saving = Promise.all([backend.save(2, "stuck"), backend.save(3, "behind")]);
    await until(() => arrived === 2);
    await first.close();
    // A viewer that was started again, at the same address.
    const { receiver } = await listening({ port });
    const items = collecting(receiver);
    await saving;
    expect(seen).toEqual(["before"]);
    expect(items.map(({ path }) => path)).toEqual(["stuck", "behind"]);
    expect(backend.report()[0]).toMatchObject({ resent: 2, lost: 0, acknowledged: 3 });
  });

  it("and comes back to the same receiver finds the answers that were lost", async () => {
    const { url, receiver } = await listening();
    let count = 0;
    void receiver.serve(() => {
      count++;
    });
    const hello = encodeMessage({ type: "hello", sender: "one" });
    const item = encodeItem({ id: 5, path: "a", data: 1, metadata: {}, producer: { name: "p" } });
    for (let connection = 0; connection < 3; connection++) {
      const { socket, heard } = await stranger(url);
      socket.send(hello);
      socket.send(item);
      await until(() => heard.length === 2);
      expect(heard[1]).toEqual({ type: "ack", id: 5 });
      socket.terminate();
    }
    expect(count).toBe(1);
  });

  it("to a viewer that nobody started is UNEXPECTED, retryable, and names it without its token", async () => {
    const { url, receiver } = await listening();
    await receiver.close();
    const transport = webSocketTransport({ url, token: "hush" });
    const backend = new StreamBackend({ viewers: [transport], reconnect: { attempts: 1, delayMs: 1, maxDelayMs: 1 } });
    const error = await backend.save(1, "a").catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "UNEXPECTED", retryable: true });
    expect((error as Error).message).toContain(url.slice(5));
    expect(JSON.stringify(error)).not.toContain("hush");
    await backend.close();
  });
});

describe("a viewer in a process of its own", () => {
  /** Says its address, and then takes the first message of each connection and reads nothing more. */
  const stuckViewer = `
    import { WebSocketServer } from "ws";
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    const header = Buffer.from(JSON.stringify({ type: "hello", maxMessageBytes: 1e9 }).padEnd(48));
    const start = Buffer.from([0x53, 0x4c, 0x57, 1, 48, 0, 0, 0]);
    server.on("connection", (socket) => {
      socket.send(Buffer.concat([start, header]));
      socket.once("message", () => socket.pause());
    });
    server.on("listening", () => console.log(server.address().port));
  `;

  async function startViewer(): Promise<{ child: ChildProcess; url: string }> {
    const child = spawn(process.execPath, ["--input-type=module", "-e", stuckViewer], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    closers.push(() => child.kill("SIGKILL"));
    const [line] = await once(child.stdout!, "data");
    return { child, url: `ws://127.0.0.1:${String(line).trim()}` };
  }

  it("that is stuck slows neither the pipeline nor another viewer; killed, it loses what waited and no more", async () => {
    const { child, url } = await startViewer();
    const { url: goodUrl, receiver } = await listening();
    const items = collecting(receiver);
    const losses: string[] = [];
    const backend = new StreamBackend({
      viewers: [
        { transport: webSocketTransport({ url, name: "stuck" }), policy: "dropOldest" },
        webSocketTransport({ url: goodUrl, name: "good" }),
      ],
      windowBytes: 2 ** 20,
      bufferBytes: 2 ** 20,
      reconnect: { attempts: 1, delayMs: 1, maxDelayMs: 1 },
      onLoss: ({ viewer }) => losses.push(viewer),
    });
    closers.push(() => backend.close());
    const frame = image(0, [256, 256]);
    for (let i = 0; i < 40; i++) await backend.save(frame, `p${i}`);
    expect(items).toHaveLength(40);
    const [stuck] = backend.report();
    expect(stuck!.sent).toBeLessThan(20);
    expect(stuck!.dropped).toBeGreaterThan(10);
    expect(stuck!.waitingBytes).toBeLessThanOrEqual(2 ** 20);
    child.kill("SIGKILL");
    await until(() => backend.report()[0]!.lost > 0);
    await backend.save(frame, "after");
    expect(items).toHaveLength(41);
    await backend.flush();
    const [dead, good] = backend.report();
    expect(dead).toMatchObject({ acknowledged: 0, waiting: 0, underWay: 0 });
    expect(dead!.dropped + dead!.lost).toBe(41);
    expect(new Set(losses)).toEqual(new Set(["stuck"]));
    expect(good).toMatchObject({ acknowledged: 41, dropped: 0, lost: 0 });
  });
});

describe("the descriptor", () => {
  it("opens viewers by address, as a backend of a session does", async () => {
    const { url, receiver } = await listening();
    const items = collecting(receiver);
    const backend = (await createRegistry().open("websocket", {
      viewers: [{ url, name: "one" }],
      url,
      reconnect: { attempts: 1 },
    })) as StreamBackend;
    await backend.save(image(), "a");
    // Two ways to one receiver: it processes a value once, and answers both.
    expect(items).toHaveLength(1);
    expect(backend.report()).toMatchObject([
      { name: url.slice(5), acknowledged: 1 },
      { name: "one", acknowledged: 1 },
    ]);
    await backend.close();
  });

  it.each([
    ["no viewer", {}],
    ["an address of another kind", { url: "http://127.0.0.1:1" }],
    ["a password in the address", { url: "ws://me:secret@127.0.0.1:1" }],
    ["an unknown policy", { url: "ws://127.0.0.1:1", policy: "hope" }],
  ])("refuses %s, without repeating secrets", async (_, options) => {
    const error = await createRegistry()
      .open("stream", options)
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(String(error)).not.toContain("secret");
  });
});
