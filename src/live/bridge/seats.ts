/** Who is connected to a bridge. */
import type { WebSocket } from "ws";

/**
 * So many places for clients, and as many for sockets that have not said hello yet. Anybody can open a socket: where those
 * are too many, the first of them makes room, so that who does say hello is kept out by none who does not.
 */
export class Seats {
  readonly #limit: number;
  readonly #seated = new Set<WebSocket>();
  /** In the order in which they came. */
  readonly #waiting = new Set<WebSocket>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many have said hello. */
  get taken(): number {
    return this.#seated.size;
  }

  /** A socket that is open, until it is closed. */
  add(socket: WebSocket): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#waiting.size >= this.#limit) {
      this.#waiting.delete(first);
      first.terminate();
    }
    this.#waiting.add(socket);
    socket.on("close", () => {
      this.#waiting.delete(socket);
      this.#seated.delete(socket);
    });
  }

  /** It has said hello. False if there is no place. */
  take(socket: WebSocket): boolean {
    if (this.#seated.size >= this.#limit) return false;
    if (this.#waiting.delete(socket)) this.#seated.add(socket);
    return true;
  }
}
