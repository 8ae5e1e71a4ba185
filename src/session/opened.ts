/** What a session has opened, so that it can be closed in reverse order. */
import { runAll } from "../core/errors.ts";

/** Something open, and how it is closed. */
export interface Opened {
  readonly close: () => unknown;
}

/**
 * Closes in reverse order, all of it although some fail, and empties the list.
 *
 * @param reason - Why this happens, if because of an error: it is thrown along with what fails here.
 * @throws What failed, several as one `AggregateError`. Nothing for `reason` alone: the caller throws that itself.
 */
export async function closeAll(opened: Opened[], reason?: unknown): Promise<void> {
  const steps = opened
    .splice(0)
    .reverse()
    .map(({ close }) => close);
  try {
    await runAll(steps, "Closing the session failed");
  } catch (error) {
    if (reason === undefined) throw error;
    const failures = error instanceof AggregateError ? error.errors : [error];
    throw new AggregateError([reason, ...failures], "The session failed, and so did closing it", { cause: reason });
  }
}

/** The way to close an object that somebody else made: async disposal, disposal, `close()`; `undefined` if none. */
export function closerOf(value: object): (() => unknown) | undefined {
  const candidate = value as { close?: unknown; [Symbol.asyncDispose]?: unknown; [Symbol.dispose]?: unknown };
  const close = candidate[Symbol.asyncDispose] ?? candidate[Symbol.dispose] ?? candidate.close;
  return typeof close === "function" ? () => close.call(value) : undefined;
}
