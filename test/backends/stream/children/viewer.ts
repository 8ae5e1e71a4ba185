/** A viewer in a worker, which gets its port, or in a process of its own, which says where it listens. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Receiver } from "../../../../backends/stream/receiver.ts";
import { isNdArray } from "../../../../src/core/nd-array.ts";

interface Orders {
  readonly port: MessagePort;
  /** Paths that are never answered. */
  readonly stuck?: readonly string[];
}

const receiver = new Receiver();
const say = (what: unknown) => {
  if (parentPort === null) console.log(JSON.stringify(what));
  else parentPort.postMessage(what);
};
const { port, stuck = [] } = (workerData ?? {}) as Partial<Orders>;
if (port !== undefined) receiver.attach(port);
else say((await receiver.listen({ port: Number(process.argv[2] ?? 0), pingMs: 50 })).url);

await receiver.serve(
  async ({ path, data }) => {
    const sum = isNdArray(data) ? (data.data as Uint16Array).reduce((a, b) => a + b, 0) : undefined;
    say({ path, sum });
    if (stuck.includes(path)) await new Promise(() => {});
    if (path === "bad") throw new TypeError("cannot draw this");
  },
  { concurrency: 4 },
);
