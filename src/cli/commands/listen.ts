/** `sluice listen` */
import { type ReceivedItem, Receiver } from "../../../backends/stream/index.ts";
import { describe } from "../../core/checks.ts";
import type { IfExists } from "../../core/data-sink.ts";
import { joinKey } from "../../core/key.ts";
import { byteLengthOf, isNdArray } from "../../core/nd-array.ts";
import type { TransferEnd } from "../../io/transfer.ts";
import type { CommandContext } from "../command-line.ts";
import { formatBytes, plural } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";
import { describeError } from "../terminal.ts";
import { readTls, type TlsOptions } from "../tls-files.ts";

/** Options of `sluice listen`. */
export interface ListenCommandOptions extends LocationOptions, TlsOptions {
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
  readonly origin?: readonly string[] | undefined;
  readonly into?: string | undefined;
  readonly ifExists?: IfExists | undefined;
}

/** Receives values, prints a line for each, and keeps them where that was asked for, until Ctrl-C. */
export async function listen(options: ListenCommandOptions, { terminal, signal }: CommandContext): Promise<undefined> {
  const { host, port, token, origin: origins, into } = options;
  await using locations = await Locations.open(options, terminal);
  const target = into === undefined ? undefined : locations.find(into);
  const tls = await readTls(options);
  await using receiver = new Receiver();
  const { url } = await receiver.listen({ host, port, token, origins, tls });
  terminal.say(`Listening at ${url}. Ctrl-C ends.`);
  const counts = { received: 0, failed: 0, byteLength: 0 };
  const keep = async (item: ReceivedItem) => {
    try {
      if (target !== undefined) await save(locations, target, item, options.ifExists);
    } catch (error) {
      counts.failed++;
      terminal.say(`${printable(item.path)}: ${printable(describeError(error))}`);
      throw error;
    }
    counts.received++;
    counts.byteLength += byteLengthIn(item.data);
    if (!terminal.json) terminal.print(item, [lineOf(item)]);
  };
  await receiver.serve(keep, { signal });
  if (terminal.json) terminal.print({ url, ...counts }, []);
  else terminal.say(`${plural(counts.received, "value")}, ${formatBytes(counts.byteLength)}`);
  return undefined;
}

async function save(
  locations: Locations,
  { backend, path }: TransferEnd,
  item: ReceivedItem,
  ifExists: IfExists | undefined,
): Promise<void> {
  const options = { createParents: true, ...(ifExists === undefined ? {} : { ifExists }) };
  // The path of an item is a normalised key, which leads nowhere but below.
  await locations.files.save(item.data, joinKey(path, item.path), backend, options);
}

function lineOf({ path, data, axes, producer, batch }: ReceivedItem): string {
  const parts = [
    path,
    isNdArray(data) ? `${data.dtype} [${data.shape.join(", ")}]${axes ? ` ${axes.join(" ")}` : ""}` : describe(data),
    formatBytes(byteLengthIn(data)),
    `from ${producer.name}`,
    ...(batch === undefined ? [] : [`${batch.index + 1} of ${batch.count}`]),
  ];
  return parts.map(printable).join("  ");
}

function byteLengthIn(data: unknown): number {
  if (isNdArray(data)) return byteLengthOf(data);
  if (data instanceof Uint8Array) return data.byteLength;
  return Buffer.byteLength(typeof data === "string" ? data : JSON.stringify(data));
}

/** Text of another program, without what would move the cursor of a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1).replace("\x7f", "\\u007f"));
}
