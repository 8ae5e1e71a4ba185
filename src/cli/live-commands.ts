/** The commands `sluice live`, their arguments and options. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { SharedOptions } from "./catalog-commands.ts";
import type { Action } from "./command-line.ts";
import { port, time, wholeNumber } from "./parse-options.ts";
import type { GlobalOptions } from "./terminal.ts";

/** Adds the commands to the program. */
export function addLiveCommands(
  program: Command,
  run: (options: GlobalOptions, action: Action) => Promise<void>,
  shared: SharedOptions,
): void {
  const live = program.command("live").description("read scans while they are written, and keep them in order");
  const lines = new Option("--json", "print each as a JSON document of one line");
  const add = (name: string, description: string) =>
    live
      .command(name)
      .description(description)
      .option("--live <place>", "folder, redis:// URL, or the session file that names them")
      .option("--prefix <text>", "begins the keys in redis")
      .addOption(shared.session)
      .addOption(shared.discover)
      .option("--verbose", "show stacks and causes of errors");
  const scan = "key of the scan, the beginning of its ULID, or last";
  const terms = "name=align*, number=12, info.sample=PS*; a pattern alone is one of the name";

  add("ls", "list scans, newest first")
    .argument("[terms...]", terms)
    .addOption(
      new Option("--state <state...>", "in one of these states").choices([
        ...["CREATED", "PREPARED", "STARTED", "STOPPED", "CLOSED"],
      ]),
    )
    .option("--from <time>", "created then or later: 2026-03-05, 2026-03-05T14:30 (UTC)", time)
    .option("--to <time>", "created before then", time)
    .option("-n, --limit <count>", "scans of a page", wholeNumber, 20)
    .option("--cursor <text>", "where the page before ended, as it said")
    .addOption(shared.json)
    .action((words, options) =>
      run(options, async (context) => (await import("./commands/live/list.ts")).listScans(words, options, context)),
    );
  add("watch", "print scans as they are created and change")
    .argument("[terms...]", terms)
    .addOption(lines)
    .action((words, options) =>
      run(options, async (context) => (await import("./commands/live/watch.ts")).watchScans(words, options, context)),
    );
  add("tail", "print the newest points of a stream")
    .argument("<scan>", scan)
    .argument("<stream>", "name of the stream")
    .option("-n, --lines <count>", "points", wholeNumber, 10)
    .option("-f, --follow", "and those that come, until the stream ends")
    .addOption(new Option("--every <n>", "each n-th point").argParser(wholeNumber).conflicts("latest"))
    .option("--latest", "the newest point each time, whatever comes between")
    .addOption(lines)
    .action((id, stream, options) =>
      run(options, async (context) =>
        (await import("./commands/live/tail.ts")).tailStream(id, stream, options, context),
      ),
    );
  add("follow", "print the points of all streams of a scan as they come, until it ends")
    .argument("[scan]", `${scan}, which it is unless given`)
    .option("--latest", "the newest scan, and each that begins after it, until Ctrl-C")
    .option("--stream <name...>", "only these streams")
    .addOption(new Option("--from <where>", "where to begin").choices(["start", "now", "latest"]).default("latest"))
    .addOption(lines)
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/live/follow.ts")).followScan(id, options, context)),
    );
  retention(add("serve", "serve scans to browsers, and let old ones leave"))
    .option("--host <address>", "address to listen at; another than this machine's own needs a token", "127.0.0.1")
    .option("-p, --port <number>", "port to listen at; 0 takes a free one", port, 7591)
    .addOption(new Option("--token <text>", "what clients must know").env("SLUICE_LIVE_TOKEN"))
    .option("--cert <file>", "certificate to listen with over TLS, as PEM, with those that it was signed by")
    .option("--key <file>", "its private key, as PEM")
    .option("--origin <origin...>", "origins of web pages that may read, beside its own")
    .option(
      "--frames-in <folder...>",
      "folders or URLs that frames may be read from, beside that of the live scans and those of the session file",
    )
    .option("--no-retention", "only serve: another process lets old ones leave")
    .option("--interval <time>", "time between looks at what may leave (default: 30s)", duration)
    .addOption(lines)
    .action((options) =>
      run(options, async (context) => (await import("./commands/live/serve.ts")).serveLive(options, context)),
    );
  retention(
    add("gc", "let leave what may, once. How old points of open scans are is only known to who stays: see serve"),
  )
    .option(
      "--blobs <folder>",
      "folder of the large frames of these scans, and of no others: those of points and scans that leave go too, and those " +
        "of streams that no scan has, after a day",
    )
    .option("--dry-run", "only tell what would leave")
    .addOption(shared.json)
    .action((options) =>
      run(options, async (context) => (await import("./commands/live/gc.ts")).collect(options, context)),
    );
}

const retention = (command: Command) =>
  command
    .option("--max-age <time>", "points that are older leave: 90s, 15min, 2h, 7d", duration)
    .option("--max-points <count>", "each stream keeps so many", wholeNumber)
    .option("--max-bytes <count>", "the oldest leave until the store takes so many", wholeNumber)
    .option("--keep-closed <time>", "how long scans stay once they are closed (default: 7d)", duration)
    .option("--protect <time>", "nothing leaves that is younger (default: 3min)", duration)
    .option("--lossy", "also what no store has");

/** A time in milliseconds. */
function duration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|min|h|d)$/.exec(text) ?? [];
  const lengths: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
  if (number !== undefined && unit !== undefined) return Number(number) * (lengths[unit] as number);
  throw new InvalidArgumentError("It must be a number with a unit: 500ms, 90s, 15min, 2h or 7d.");
}
