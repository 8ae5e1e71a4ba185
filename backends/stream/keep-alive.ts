/** Notices that nobody is at the other end of a WebSocket any more. */
import type { Clock } from "../../src/layers/clock.ts";

/** How often a side asks unless told otherwise. */
export const DEFAULT_PING_MS = 10_000;

/** Intervals without a single byte after which the other side is taken for dead. */
const SILENT_INTERVALS = 2;

/** The part of a WebSocket that is used. */
export interface PingedSocket {
  ping(): void;
  on(event: "close", listener: () => void): unknown;
}

/** Options of {@link keepAlive}. */
export interface KeepAliveOptions {
  readonly pingMs: number;
  readonly clock: Clock;
  /** Bytes that came so far. Any byte is a sign of life, also one in the middle of a long message. */
  readonly bytesRead: () => number;
  /** True while nothing is read on purpose: then silence says nothing. */
  readonly isPaused?: (() => boolean) | undefined;
  /** The other side has been silent for so long. Called once. */
  readonly onDead: (silentMs: number) => void;
}

/**
 * Pings at each interval until the socket is closed.
 *
 * A dead peer is noticed after two to three intervals. One missed interval is not enough: timers run before sockets
 * when a process that was busy or asleep goes on, and would count its own pause against the other side. What waits in
 * a stuck connection is bounded: three pings of a few bytes.
 */
export function keepAlive(socket: PingedSocket, options: KeepAliveOptions): void {
  const { pingMs, clock, bytesRead, isPaused = () => false, onDead } = options;
  let seen = bytesRead();
  let silent = 0;
  const check = () => {
    const now = bytesRead();
    silent = now === seen && !isPaused() ? silent + 1 : 0;
    seen = now;
    if (silent === SILENT_INTERVALS) {
      onDead(SILENT_INTERVALS * pingMs);
      return;
    }
    socket.ping();
    cancel = clock.after(pingMs, check);
  };
  let cancel = clock.after(pingMs, check);
  socket.on("close", () => cancel());
}
