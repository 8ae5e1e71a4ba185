/** `sluice live tail` */
import { isStorageError } from "../../../core/errors.ts";
import type { Cursor } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { plural } from "../../format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { PointPrinter } from "../../point-printer.ts";

/** Options of `sluice live tail`. */
export interface TailStreamOptions extends LiveOptions {
  readonly lines: number;
  readonly follow?: boolean | undefined;
  readonly every?: number | undefined;
  readonly latest?: boolean | undefined;
}

/** Prints the newest points of a stream, and with `follow` those that come, until it ends or Ctrl-C. */
export async function tailStream(
  name: string,
  streamName: string,
  options: TailStreamOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { lines, follow = false, every, latest = false } = options;
  await using open = await OpenLive.open(options, terminal);
  const scan = await open.scan(name, signal);
  const stream = scan.stream(streamName);
  const { length, floor } = await stream.bounds({ signal });
  const { cold } = await stream.opened();
  const from = Math.max(length - lines * (every ?? 1), cold === undefined ? floor : 0, 0);
  const mode = latest ? "latest" : every === undefined ? "all" : { every };
  const cursor: Cursor = await stream.cursor({ from, mode, onGap: cold === undefined ? "skip" : "throw", signal });
  const printer = new PointPrinter(terminal);
  if (follow) terminal.say(`Following ${streamName} of ${scan.key}. Ctrl-C ends.`);
  try {
    while (follow || cursor.position < length) {
      const maxItems = follow ? undefined : length - cursor.position;
      const view = await cursor.read({ signal, maxItems, ...(follow ? {} : { timeoutMs: 0 }) });
      if (view === undefined) break;
      await printer.print(view, signal);
    }
  } catch (error) {
    if (signal.aborted && isStorageError(error, "ABORTED")) return undefined;
    if (!isStorageError(error, "END_OF_STREAM")) throw error;
    terminal.say(`${streamName} has ended, with ${plural(await stream.length({ signal }), "point")}`);
  }
  return undefined;
}
