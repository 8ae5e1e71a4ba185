// Values to a viewer in another process, beside the same bytes over the bare package `ws` with an answer for each.
import { fork } from "node:child_process";
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import { Receiver, StreamBackend, webSocketTransport } from "../dist/backends/stream/index.js";
import { ndArray } from "../dist/src/index.js";
import { interleave } from "./support/interleave.mjs";

if (process.argv[2] === "viewer") {
  await startViewers();
} else {
  const viewer = fork(new URL(import.meta.url), ["viewer"]);
  const [{ bare, ours }] = await once(viewer, "message");
  await compare(bare, ours);
  viewer.kill();
}

/** The other process: a bare server that answers each message, and a receiver. */
async function startViewers() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 2 ** 28 });
  await once(server, "listening");
  server.on("connection", (socket) => socket.on("message", () => socket.send("ok")));
  const receiver = new Receiver();
  const { url } = await receiver.listen();
  process.send({ bare: `ws://127.0.0.1:${server.address().port}`, ours: url });
  await receiver.serve(() => {});
}

/** Sends so many payloads, a few of them without an answer at any time. */
async function overBare(socket, payload, count, underWay) {
  let sent = 0;
  let answered = 0;
  await new Promise((resolve) => {
    const more = () => {
      while (sent < count && sent - answered < underWay) {
        sent++;
        socket.send(payload);
      }
    };
    socket.on("message", () => {
      answered++;
      if (answered < count) more();
      else resolve();
    });
    more();
  });
  socket.removeAllListeners("message");
}

async function overOurs(backend, array, count, underWay) {
  let sent = 0;
  const work = async () => {
    while (sent < count) {
      sent++;
      await backend.save(array, "live/frame");
    }
  };
  await Promise.all(Array.from({ length: underWay }, work));
}

async function compare(bareUrl, url) {
  const rounds = Number(process.env.ROUNDS ?? 5);
  const socket = new WebSocket(bareUrl, { perMessageDeflate: false });
  await once(socket, "open");
  const backend = new StreamBackend({ viewers: [webSocketTransport({ url })], windowBytes: 2 ** 26 });
  const frame = new Uint16Array(2048 * 2048).map((_, i) => i);
  const image = ndArray(frame, [2048, 2048]);
  const bytes = new Uint8Array(frame.buffer);
  const frames = 12;
  const megabytes = (frames * bytes.byteLength) / 1e6;
  await interleave(
    "frames of 2048 × 2048 uint16 to a viewer, four under way",
    [
      { name: "bare ws", run: () => overBare(socket, bytes, frames, 4).then(() => megabytes) },
      { name: "sluice", run: () => overOurs(backend, image, frames, 4).then(() => megabytes) },
    ],
    { rounds, unit: "MB/s" },
  );
  const small = ndArray(new Uint16Array(64), [8, 8]);
  const smallBytes = new Uint8Array(300);
  const messages = 3000;
  for (const underWay of [1, 64]) {
    await interleave(
      `small values, ${underWay} under way: time for each until it is answered`,
      [
        {
          name: "bare ws",
          run: () => overBare(socket, smallBytes, messages, underWay).then(() => messages / 1e6),
        },
        { name: "sluice", run: () => overOurs(backend, small, messages, underWay).then(() => messages / 1e6) },
      ],
      { rounds, unit: "µs", invert: true },
    );
  }
  await backend.close();
  socket.close();
}
