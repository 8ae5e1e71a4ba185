/** Peers that are there and silent, stopped, or killed: noticed, and no burden to the others. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { StreamBackend } from "../../../backends/stream/backend.ts";
import { encodeItem } from "../../../backends/stream/item.ts";
import { keepAlive } from "../../../backends/stream/keep-alive.ts";
import { decodeMessage, encodeMessage } from "../../../backends/stream/message.ts";
import { Receiver, type ReceiverOptions } from "../../../backends/stream/receiver.ts";
import { type WebSocketOptions, webSocketTransport } from "../../../backends/stream/websocket.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { collecting, image, until } from "./support.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(options: Parameters<Receiver["listen"]>[0] = {}, receiverOptions: ReceiverOptions = {}) {
  const receiver = new Receiver(receiverOptions);
  closers.push(() => receiver.close());
  return { receiver, ...(await receiver.listen(options)) };
}

function sending(options: WebSocketOptions, more: object = {}): StreamBackend {
  const backend = new StreamBackend({ viewers: [webSocketTransport(options)], ...more });
  closers.push(() => backend.close());
  return backend;
}

describe("asking whether the other side is there", () => {
  /** A socket whose every byte the test decides. */
  function asked() {
    const socket = Object.assign(new EventEmitter(), { pings: 0, ping: () => void socket.pings++ });
    const clock = new FakeClock();
    const state = { bytesRead: 0, isPaused: false, deaths: [] as number[] };
    keepAlive(socket, {
      pingMs: 1000,
      clock,
      bytesRead: () => state.bytesRead,
      isPaused: () => state.isPaused,
      onDead: (silentMs) => state.deaths.push(silentMs),
    });
    return { socket, clock, state };
  }

  it("is done at every interval, and ends with the connection", async () => {
    const { socket, clock, state } = asked();
    for (let i = 0; i < 5; i++) {
      await clock.advance(1000);
      state.bytesRead += 2;
    }
    expect(socket.pings).toBe(5);
    socket.emit("close");
    expect(clock.pending).toBe(0);
    await clock.advance(10_000);
    expect([socket.pings, state.deaths]).toEqual([5, []]);
  });

  it("is answered by any byte; two silent intervals are death, told once, and one is not", async () => {
    const { socket, clock, state } = asked();
    await clock.advance(1000);
    state.bytesRead = 1;
    await clock.advance(1000);
    await clock.advance(1000);
    expect(state.deaths).toEqual([]);
    await clock.advance(1000);
    expect(state.deaths).toEqual([2000]);
    await clock.advance(10_000);
    // Nothing more is asked of the dead, and nothing is left that would.
    expect([socket.pings, state.deaths, clock.pending]).toEqual([3, [2000], 0]);
  });

  it("proves nothing while nothing is read, and counts anew afterwards", async () => {
    const { clock, state } = asked();
    state.isPaused = true;
    await clock.advance(10_000);
    state.isPaused = false;
    await clock.advance(1000);
    expect(state.deaths).toEqual([]);
    await clock.advance(1000);
    expect(state.deaths).toEqual([2000]);
  });

  it.each([0, -1, 1.5])("wants a whole number of milliseconds, not %d", async (pingMs) => {
    expect(() => webSocketTransport({ url: "ws://127.0.0.1:1", pingMs })).toThrow(
      expect.objectContaining({ code: "INVALID_DATA" }),
    );
    await expect(listening({ pingMs })).rejects.toMatchObject({ code: "INVALID_DATA" });
  });
});

describe("over a real connection", () => {
  it("an idle one stays as long as both are there", async () => {
    const [sender, viewer] = [new FakeClock(), new FakeClock()];
    const { url, receiver } = await listening({ pingMs: 1000, clock: viewer });
    collecting(receiver);
    const backend = sending({ url, pingMs: 1000, clock: sender });
    await backend.save(1, "a");
    for (let i = 0; i < 10; i++) {
      await Promise.all([sender.advance(1000), viewer.advance(1000)]);
      // Pings and pongs go through the system.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(backend.report()[0]!.isConnected).toBe(true);
    await backend.save(2, "b");
    expect(backend.report()[0]).toMatchObject({ acknowledged: 2, resent: 0 });
  });

  it("a viewer that falls silent is given up, and what is under way is sent again", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", autoPong: false });
    closers.push(() => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    });
    await once(server, "listening");
    const items: string[] = [];
    let connections = 0;
    server.on("connection", (socket) => {
      const isSilent = connections++ === 0;
      socket.send(encodeMessage({ type: "hello" }));
      socket.on("message", (data) => {
        const message = decodeMessage(data as Buffer);
        if (message.type !== "item") return;
        items.push(`${message.item.path}${isSilent ? " in vain" : ""}`);
        if (!isSilent) socket.send(encodeMessage({ type: "ack", id: message.item.id }));
      });
    });
    const clock = new FakeClock();
    const { port } = server.address() as AddressInfo;
    const reconnect = { attempts: 1, delayMs: 1, maxDelayMs: 1 };
    const backend = sending({ url: `ws://127.0.0.1:${port}`, pingMs: 1000, clock }, { reconnect });
    const saving = backend.save(1, "a");
    await until(() => items.length === 1);
    await clock.advance(3000);
    await saving;
    expect(items).toEqual(["a in vain", "a"]);
    expect(backend.report()[0]).toMatchObject({ resent: 1, acknowledged: 1, lost: 0 });
  });

  it("a sender that falls silent loses its paths to others", async () => {
    const clock = new FakeClock();
    const { url, receiver } = await listening({ pingMs: 1000, clock });
    collecting(receiver);
    const silent = new WebSocket(url, { autoPong: false });
    silent.on("error", () => {});
    closers.push(() => silent.terminate());
    await once(silent, "open");
    silent.send(encodeMessage({ type: "hello", sender: "silent" }));
    silent.send(encodeItem({ id: 0, path: "a", data: 1, metadata: {}, producer: { name: "silent" } }));
    await once(silent, "message");
    const backend = sending({ url, pingMs: 3_600_000 });
    const save = () =>
      backend.save(1, "a").then(
        () => "saved",
        (error: { code: string }) => error.code,
      );
    expect(await save()).toBe("CONFLICT");
    await Promise.all([once(silent, "close"), clock.advance(4000)]);
    expect(await save()).toBe("saved");
  });

  it("a receiver that is full takes no sender for dead", async () => {
    const clock = new FakeClock();
    const { url, receiver } = await listening({ pingMs: 1000, clock }, { bufferBytes: 1000 });
    const backend = sending({ url });
    // More than what a socket takes in while nobody reads from it.
    const saves = ["a", "b", "c", "d"].map((path, i) => backend.save(image(i, [256, 256]), path));
    await until(() => receiver.waiting > 0);
    await clock.advance(20_000);
    expect(backend.report()[0]).toMatchObject({ isConnected: true, resent: 0 });
    collecting(receiver);
    await Promise.all(saves);
    expect(backend.report()[0]).toMatchObject({ acknowledged: 4, resent: 0 });
  });
});

describe("viewers in processes of their own", () => {
  let child: Bundle;
  beforeAll(async () => {
    child = await bundle(new URL("children/viewer.ts", import.meta.url), installed);
  }, 60_000);
  afterAll(() => child.remove());

  interface Shown {
    readonly path: string;
  }

  async function startViewer(port = 0) {
    const process_ = spawn(process.execPath, [child.path, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
    closers.push(() => end(process_));
    const seen: string[] = [];
    const lines = createInterface({ input: process_.stdout });
    const [url] = await once(lines, "line");
    lines.on("line", (line) => seen.push((JSON.parse(line) as Shown).path));
    return { process: process_, url: JSON.parse(String(url)) as string, seen };
  }

  async function end(process_: ChildProcess): Promise<void> {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    process_.kill("SIGKILL");
    await once(process_, "exit");
  }

  const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `p${from + i}`);

  it("one is killed and one is stopped: the third sees everything at its own pace, and the stopped one comes back", {
    timeout: 60_000,
  }, async () => {
    const [killed, stopped, healthy] = await Promise.all([startViewer(), startViewer(), startViewer()]);
    const losses: string[] = [];
    const transport = (url: string, name: string) => webSocketTransport({ url, name, pingMs: 100 });
    const backend = new StreamBackend({
      viewers: [
        { transport: transport(killed.url, "killed"), policy: "dropOldest" },
        { transport: transport(stopped.url, "stopped"), policy: "dropOldest" },
        transport(healthy.url, "healthy"),
      ],
      connectTimeoutMs: 500,
      bufferBytes: 2000,
      windowBytes: 1000,
      reconnect: { attempts: 100, delayMs: 20, maxDelayMs: 100 },
      onLoss: ({ viewer }) => losses.push(viewer),
    });
    closers.push(() => backend.close());
    const save = async (paths: string[]) => {
      for (const path of paths) await backend.save(image(1, [8, 8]), path);
    };
    await save(names(0, 5));
    await backend.flush();
    killed.process.kill("SIGKILL");
    stopped.process.kill("SIGSTOP");
    await save(names(5, 40));
    // The dead one is noticed by the system, the stopped one because it answers nothing.
    await until(() =>
      backend
        .report()
        .slice(0, 2)
        .every(({ isConnected }) => !isConnected),
    );
    await save(names(40, 45));
    await until(() => healthy.seen.length === 45);
    expect(healthy.seen).toEqual(names(0, 45));
    expect(new Set(losses)).toEqual(new Set(["killed", "stopped"]));
    for (const { waitingBytes } of backend.report()) expect(waitingBytes).toBeLessThanOrEqual(2000);

    stopped.process.kill("SIGCONT");
    await until(() => backend.report()[1]!.underWay + backend.report()[1]!.waiting === 0);
    await save(["last"]);
    await until(() => stopped.seen.includes("last") && healthy.seen.includes("last"));
    const [, back, good] = backend.report();
    expect(good).toMatchObject({ acknowledged: 46, dropped: 0, lost: 0, resent: 0 });
    // It sees once what was sent twice. What was on its way to it when it was stopped may arrive although it was given
    // up; the rest is counted.
    expect(stopped.seen).toEqual([...new Set(stopped.seen)]);
    expect(back!.acknowledged).toBeGreaterThan(5);
    expect(back!.acknowledged).toBeLessThanOrEqual(stopped.seen.length);
    expect(stopped.seen.length).toBeLessThan(46);
    expect(back!.acknowledged + back!.dropped + back!.lost).toBe(46);
    await end(killed.process);
  });
});
