/** Viewers in real worker threads, over ports of which one end has been handed to another thread. */
import { once } from "node:events";
import { pathToFileURL } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { StreamBackend, type StreamBackendOptions } from "../../../backends/stream/backend.ts";
import { messagePortTransport } from "../../../backends/stream/message-port.ts";
import { Receiver } from "../../../backends/stream/receiver.ts";
import type { ViewerLoss } from "../../../backends/stream/viewer-settings.ts";
import { ndArray } from "../../../src/core/nd-array.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { collecting, image, transportTo, until } from "./support.ts";

let child: Bundle;
beforeAll(async () => {
  child = await bundle(new URL("children/viewer.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Seen {
  readonly path: string;
  readonly sum?: number;
}

/** A worker with a receiver in it, and what it has seen. */
async function startWorker(stuck: readonly string[] = []) {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(pathToFileURL(child.path), { workerData: { port: port2, stuck }, transferList: [port2] });
  closers.push(() => worker.terminate());
  const seen: Seen[] = [];
  worker.on("message", (what: Seen) => seen.push(what));
  await once(worker, "online");
  return { worker, seen, port: port1 };
}

function sending(options: StreamBackendOptions): StreamBackend {
  const backend = new StreamBackend(options);
  closers.push(() => backend.close());
  return backend;
}

describe("a viewer in a worker thread", () => {
  it("sees what was saved, answers when it has processed it, and says why it refuses", {
    timeout: 30_000,
  }, async () => {
    const { port, seen } = await startWorker();
    const backend = sending({ viewers: [messagePortTransport(port)] });
    const pixels = Uint16Array.from({ length: 512 * 512 }, (_, i) => i % 7);
    const sum = pixels.reduce((a, b) => a + b, 0);
    const results = await backend.saveBatch(
      [ndArray(pixels, [512, 512]), { wells: 6 }, "text"],
      ["A01/f0", "plate", "note"],
    );
    expect(results.map(({ status }) => status)).toEqual(["created", "created", "created"]);
    // What a worker says here comes by another channel than its answers.
    await until(() => seen.length === 3);
    expect(seen).toEqual([{ path: "A01/f0", sum }, { path: "plate" }, { path: "note" }]);
    // The caller's pixels were copied once and not handed over.
    expect(pixels.byteLength).toBe(512 * 512 * 2);
    await expect(backend.save(1, "bad")).rejects.toMatchObject({
      code: "UNEXPECTED",
      message: expect.stringContaining("cannot draw this"),
    });
    await backend.save(2, "after");
    expect(backend.report()).toMatchObject([{ acknowledged: 4, refused: 1, lost: 0 }]);
  });

  it("killed in the middle, loses what it has not answered and nothing before it", { timeout: 30_000 }, async () => {
    const { port, seen, worker } = await startWorker(["stuck"]);
    const backend = sending({ viewers: [messagePortTransport(port, "worker")] });
    await backend.save(image(), "before");
    const saves = ["stuck", "stuck", "stuck"].map((path) => backend.save(image(), path));
    const outcomes = Promise.allSettled(saves);
    await until(() => seen.length === 4);
    await worker.terminate();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: "NOT_OPEN", retryable: false, message: expect.stringContaining("port to viewer worker") },
      });
    }
    // Nobody is there any more, and nobody waits for long to hear it.
    await expect(backend.save(image(), "later")).rejects.toMatchObject({ code: "NOT_OPEN" });
    expect(backend.report()).toMatchObject([{ acknowledged: 1, lost: 4, underWay: 0, waiting: 0 }]);
    await backend.close();
  });

  it("killed in the middle, costs the viewers beside it nothing", { timeout: 30_000 }, async () => {
    const doomed = await startWorker(["p5"]);
    const healthy = await startWorker();
    const losses: ViewerLoss[] = [];
    const backend = sending({
      viewers: [
        { transport: messagePortTransport(doomed.port, "doomed"), policy: "dropOldest" },
        messagePortTransport(healthy.port, "healthy"),
      ],
      onLoss: (loss) => losses.push(loss),
    });
    for (let i = 0; i < 6; i++) await backend.save(image(i), `p${i}`);
    await until(() => doomed.seen.some(({ path }) => path === "p5"));
    await doomed.worker.terminate();
    for (let i = 6; i < 12; i++) await backend.save(image(i), `p${i}`);
    await until(() => healthy.seen.length === 12);
    const sumOf = (i: number) => (image(i).data as Uint16Array).reduce((a, b) => a + b, 0);
    expect(healthy.seen).toEqual(Array.from({ length: 12 }, (_, i) => ({ path: `p${i}`, sum: sumOf(i) })));
    await backend.flush();
    const [dead, good] = backend.report();
    expect(good).toMatchObject({ acknowledged: 12, lost: 0 });
    expect(dead).toMatchObject({ acknowledged: 5, lost: 7, isConnected: false });
    expect(losses.map(({ viewer, path }) => `${viewer} ${path}`)).toEqual(
      Array.from({ length: 7 }, (_, i) => `doomed p${i + 5}`),
    );
  });
});

describe("the memory of a message", () => {
  /** A port that notes what is handed over with each message. */
  async function watched(viewers: number) {
    const receiver = new Receiver();
    closers.push(() => receiver.close());
    const items = collecting(receiver);
    const { port1, port2 } = new MessageChannel();
    receiver.attach(port2);
    const handed: { readonly bytes: number; readonly left: number }[] = [];
    const original = port1.postMessage.bind(port1);
    port1.postMessage = (message: Uint8Array, transfer?: ArrayBuffer[]) => {
      const bytes = message.byteLength;
      original(message, transfer);
      handed.push({ bytes, left: message.byteLength });
    };
    const others = await Promise.all(Array.from({ length: viewers - 1 }, () => transportTo(receiver, "port")));
    const backend = sending({ viewers: [messagePortTransport(port1), ...others] });
    await backend.save(image(1, [64, 64]), "a");
    expect(items[0]?.data).toEqual(image(1, [64, 64]));
    expect(backend.report()[0]).toMatchObject({ acknowledged: 1, waitingBytes: 0, underWay: 0 });
    return handed.filter(({ bytes }) => bytes > 64 * 64 * 2);
  }

  it("is handed over to the only viewer, and not copied", async () => {
    expect(await watched(1)).toEqual([{ bytes: expect.any(Number), left: 0 }]);
  });

  it("that was handed over leaves its window when it is answered", async () => {
    const receiver = new Receiver();
    closers.push(() => receiver.close());
    const { port1, port2 } = new MessageChannel();
    receiver.attach(port2);
    const backend = sending({ viewers: [messagePortTransport(port1)], windowBytes: 2500 });
    const stop = new AbortController();
    const first = receiver.serve(() => {}, { signal: stop.signal });
    for (let i = 0; i < 8; i++) await backend.save(image(i, [20, 20]), "a");
    stop.abort();
    await first;
    // Two fit into the window beside each other, however many went before them.
    const saves = ["b", "c"].map((path) => backend.save(image(1, [20, 20]), path));
    await until(() => receiver.waiting === 2);
    expect(backend.report()[0]).toMatchObject({ underWay: 2, waiting: 0 });
    collecting(receiver);
    await Promise.all(saves);
  });

  it("is copied where other viewers get the message too", async () => {
    const [first] = await watched(2);
    expect(first?.left).toBe(first?.bytes);
  });
});
