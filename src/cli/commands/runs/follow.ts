/** `sluice runs follow` */
import type { CatalogEvent } from "../../../catalog/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { plural } from "../../format.ts";
import { type CatalogOptions, OpenCatalog } from "../../open-catalog.ts";
import { cellText, momentOf } from "../../run-format.ts";

/** Options of `sluice runs follow`. */
export interface FollowRunOptions extends CatalogOptions {
  readonly from: "start" | "now";
}

/** Prints the events of a run as they are committed, by whatever process, until the run ends or Ctrl-C. */
export async function followRun(
  uid: string,
  options: FollowRunOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using open = await OpenCatalog.open(options, terminal);
  const run = await open.run(uid, signal);
  let count = 0;
  if (run.status === "running") terminal.say(`Following run ${run.uid}. Ctrl-C ends.`);
  for await (const event of run.follow({ from: options.from, signal })) {
    count++;
    terminal.printLine(event, lineOf(event));
  }
  const { status } = await run.refresh({ signal });
  terminal.say(`Run ${run.uid}: ${status}, ${plural(count, "event")}`);
  return undefined;
}

function lineOf({ stream, seqNum, time, data }: CatalogEvent): string {
  const values = Object.entries(data).map(([field, value]) => `${field} ${cellText(field, value)}`);
  return [momentOf(time, { exact: true }), stream, seqNum, ...values].join("  ");
}
