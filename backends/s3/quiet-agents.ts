/** Connections that are kept for the next request, as long as they keep quiet meanwhile. */
import { Agent, type AgentOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import type { Duplex } from "node:stream";

const drop = function (this: Duplex) {
  this.destroy();
};

/**
 * Between two requests the service has nothing to say. Bytes that come then (a response sent twice, say) would be taken
 * for the answer to the next request: a wrong value, or a write that is lost without a word. Such a connection is
 * dropped.
 */
function keepIfQuiet(socket: Duplex, keep: boolean): boolean {
  if (!keep || socket.readableLength > 0) return false;
  socket.on("data", drop);
  return true;
}

class QuietAgent extends Agent {
  // `keepSocketAlive` answers whether to keep the connection; the types of Node 20 have it as void.
  override keepSocketAlive(socket: Duplex): boolean {
    return keepIfQuiet(socket, (super.keepSocketAlive(socket) as unknown as boolean) !== false);
  }

  override reuseSocket(socket: Duplex, request: Parameters<Agent["reuseSocket"]>[1]): void {
    socket.off("data", drop);
    super.reuseSocket(socket, request);
  }
}

class QuietTlsAgent extends TlsAgent {
  override keepSocketAlive(socket: Duplex): boolean {
    return keepIfQuiet(socket, (super.keepSocketAlive(socket) as unknown as boolean) !== false);
  }

  override reuseSocket(socket: Duplex, request: Parameters<Agent["reuseSocket"]>[1]): void {
    socket.off("data", drop);
    super.reuseSocket(socket, request);
  }
}

/** Agents for both schemes. */
export function quietAgents(maxSockets: number): { httpAgent: Agent; httpsAgent: TlsAgent } {
  const options: AgentOptions = { keepAlive: true, maxSockets };
  return { httpAgent: new QuietAgent(options), httpsAgent: new QuietTlsAgent(options) };
}
