/** A proxy between a client and a server of any protocol over TCP, which cuts connections or holds what goes through. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A running proxy. */
export interface TcpProxy {
  readonly port: number;
  /** How many connections are open. */
  readonly connections: number;
  /** Cuts all connections; new ones can be made. */
  cut(): void;
  /** Nothing goes through the connections that there are any more, and nobody is told; new ones are as before. */
  hold(): void;
  /** Answers of the server are dropped from now on, and the connection is cut with the next one. */
  loseNextAnswer(): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a port of this machine. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isLosing = false;
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = () => {
      for (const socket of pair) socket.destroy();
      pairs.delete(pair);
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      if (!isLosing) return void client.write(chunk);
      isLosing = false;
      end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hold = () => {
    for (const [client, upstream] of pairs) {
      client.unpipe(upstream);
      client.pause();
      upstream.pause();
    }
  };
  const cut = () => {
    for (const [client, upstream] of pairs) {
      client.destroy();
      upstream.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    cut,
    hold,
    loseNextAnswer: () => {
      isLosing = true;
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
