// A proxy between a client and a service on loopback that behaves as a distant one: each connection carries so much a
// second and no more, and everything arrives later. Run as a process of its own, it prints its port:
//   node bench/support/slow-link.mjs http://127.0.0.1:7480 BYTES_PER_SECOND ROUND_TRIP_MS
import { connect, createServer } from "node:net";

const [target, rate, roundTripMs] = process.argv.slice(2);
const { hostname, port } = new URL(target);
const bytesPerMs = Number(rate) / 1000;
const delayMs = Number(roundTripMs) / 2;
/** What a connection may have under way before its sender is made to wait. */
const WINDOW_MS = 40;

function carry(from, to) {
  let free = 0;
  let last = Promise.resolve();
  from.on("data", (bytes) => {
    const now = performance.now();
    free = Math.max(free, now) + bytes.length / bytesPerMs;
    const waitMs = free - now + delayMs;
    const sent = new Promise((resolve) => setTimeout(resolve, waitMs));
    last = Promise.all([last, sent]).then(() => to.writable && to.write(bytes));
    if (free - now > WINDOW_MS) {
      from.pause();
      setTimeout(() => from.resume(), free - now - WINDOW_MS);
    }
  });
  from.on("end", () => last.then(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => from.readableEnded || to.destroy());
}

const server = createServer((client) => {
  const service = connect(Number(port), hostname);
  for (const socket of [client, service]) socket.setNoDelay(true);
  carry(client, service);
  carry(service, client);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
