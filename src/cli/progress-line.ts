/** A line that says how far things are, not more often than anyone can read it. */
import type { Terminal } from "./terminal.ts";

/** How long a progress line stands before the next one, in milliseconds. */
const REDRAW_MS = 100;
const NEXT_LINE_MS = 5000;

/** Draws a few times a second on a terminal, and adds a line to a log now and then. */
export class ProgressLine {
  readonly #terminal: Terminal;
  #shown: number;

  /** @param startsAtOnce - Also a log gets a first line at once. Otherwise what is over soon leaves none there. */
  constructor(terminal: Terminal, { startsAtOnce = terminal.isInteractive } = {}) {
    this.#terminal = terminal;
    this.#shown = startsAtOnce ? Number.NEGATIVE_INFINITY : performance.now();
  }

  /** @param text - Asked for only if the line is due. */
  show(text: () => string): void {
    const now = performance.now();
    if (now - this.#shown < (this.#terminal.isInteractive ? REDRAW_MS : NEXT_LINE_MS)) return;
    this.#shown = now;
    this.#terminal.progress(text());
  }
}
