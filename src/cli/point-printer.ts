/** Prints points of live streams, a line for each. */
import { isStorageError } from "../core/errors.ts";
import type { View } from "../live/index.ts";
import { pointRecord, pointText } from "./live-format.ts";
import type { Terminal } from "./terminal.ts";

/** Options of a {@link PointPrinter}. */
export interface PointPrinterOptions {
  /** Said before each line, and with each JSON document: which stream it is. Default: nothing. */
  readonly about?: { readonly text: string; readonly record: Readonly<Record<string, unknown>> } | undefined;
}

/** Writes a line for each point, and for those that are gone. */
export class PointPrinter {
  readonly #terminal: Terminal;
  readonly #text: string;
  readonly #record: Readonly<Record<string, unknown>>;

  constructor(terminal: Terminal, { about }: PointPrinterOptions = {}) {
    this.#terminal = terminal;
    this.#text = about === undefined ? "" : `${about.text}  `;
    this.#record = about?.record ?? {};
  }

  /** Prints what a cursor has read. */
  async print(view: View, signal: AbortSignal): Promise<void> {
    const { index, step, skipped } = view;
    if (skipped > 0) this.#gap(index - skipped, index);
    for (let i = 0; i < view.length; i++) {
      const at = index + i * step;
      let point: unknown;
      try {
        point = await view.at(i, { signal });
      } catch (error) {
        if (!isStorageError(error, "EXPIRED")) throw error;
        this.#gap(at, at + step);
        continue;
      }
      this.#terminal.printLine(
        { ...this.#record, index: at, value: pointRecord(point) },
        `${this.#text}${at}  ${pointText(point)}`,
      );
    }
  }

  #gap(from: number, to: number): void {
    this.#terminal.printLine({ ...this.#record, gap: { from, to } }, `${this.#text}${from} to ${to - 1} have left`);
  }
}
