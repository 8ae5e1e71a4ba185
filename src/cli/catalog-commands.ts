/** The commands `sluice runs` and `sluice index`, their arguments and options. */
import { type Command, Option } from "commander";
import type { Action } from "./command-line.ts";
import { integer, time, wholeNumber } from "./parse-options.ts";
import type { GlobalOptions } from "./terminal.ts";

/** Options that these commands share with others. */
export interface SharedOptions {
  readonly json: Option;
  readonly session: Option;
  readonly discover: Option;
}

/** Runs a command to its end. */
type RunAction = (options: GlobalOptions, action: Action) => Promise<void>;

/** Adds the commands to the program. */
export function addCatalogCommands(program: Command, run: RunAction, shared: SharedOptions): void {
  addRuns(program, run, shared);
  addIndex(program, run, shared);
}

const filters = (command: Command) =>
  command
    .option("--plan <name...>", "of these plans")
    .addOption(
      new Option("--status <status...>", "that ended so").choices([
        ...["running", "success", "aborted", "failed", "lost"],
      ]),
    )
    .option("--sample <name>", "of the sample with exactly this name")
    .option("--tag <word...>", "with all of these tags, of the run or of its sample")
    .option("--any-tag <word...>", "with at least one of these tags")
    .option("--from <time>", "that started then or later: 2026-03-05, 2026-03-05T14:30 (UTC)", time)
    .option("--to <time>", "that started before then", time);

const pages = (command: Command, what: string) =>
  command
    .option("-n, --limit <count>", `${what} of a page`, wholeNumber, 20)
    .option("--cursor <text>", "where the page before ended, as it said");

function addRuns(program: Command, run: RunAction, shared: SharedOptions): void {
  const runs = program.command("runs").description("find and read the runs of a catalogue");
  const catalog = new Option("--catalog <file>", "beamtime file, or the session file that names it");
  const add = (name: string, description: string, options?: { isDefault: boolean }) =>
    runs
      .command(name, options)
      .description(description)
      .addOption(catalog)
      .addOption(shared.session)
      .addOption(shared.discover)
      .option("--verbose", "show stacks and causes of errors");
  const uid = "uid of the run, the beginning of one, or last";

  pages(add("list", "list runs, newest first", { isDefault: true }), "runs")
    .addOption(shared.json)
    .action((options) =>
      run(options, async (context) => (await import("./commands/runs/list.ts")).listRuns([], options, context)),
    );
  pages(filters(add("search", "find runs, newest first")), "runs")
    .argument("[words...]", "each in the plan, operator, sample or metadata")
    .addOption(shared.json)
    .action((words, options) =>
      run(options, async (context) => (await import("./commands/runs/list.ts")).listRuns(words, options, context)),
    );
  add("show", "say what is known of a run, and where its images lie")
    .argument("<uid>", uid)
    .addOption(shared.json)
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/runs/show.ts")).showRun(id, options, context)),
    );
  pages(add("table", "print the events of a stream as a table"), "rows")
    .argument("<uid>", uid)
    .option("--stream <name>", "name of the stream", "primary")
    .option("--field <name...>", "only these fields, in this order")
    .addOption(shared.json)
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/runs/table.ts")).printTable(id, options, context)),
    );
  add("follow", "print the events of a run as they come, until it ends")
    .argument("<uid>", uid)
    .addOption(new Option("--from <where>", "where to begin").choices(["start", "now"]).default("start"))
    .option("--json", "print each event as a JSON document of one line")
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/runs/follow.ts")).followRun(id, options, context)),
    );
  add("image", "write one frame of a run as a file: .tif, .npy, .png …")
    .argument("<uid>", uid)
    .requiredOption("-o, --output <address>", "path, URL or NAME:path, which must not exist")
    .option("--field <name>", "field of the images, where the run has several")
    .option("--frame <index>", "from 0; negative numbers count from the end", integer, -1)
    .addOption(shared.json)
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/runs/image.ts")).writeImage(id, options, context)),
    );
  add("export", "write a run, or a stream of it, as a file")
    .argument("<uid>", uid)
    .addOption(
      new Option("--format <format>", "documents and json have all streams")
        .choices(["documents", "csv", "json", "ndjson", "arrow"])
        .default("documents"),
    )
    .option("--stream <name>", "name of the stream", "primary")
    .option("--field <name...>", "only these fields, in this order")
    .option("-o, --output <address>", "path, URL or NAME:path, which must not exist; left out: standard output")
    .action((id, options) =>
      run(options, async (context) => (await import("./commands/runs/export.ts")).exportRun(id, options, context)),
    );
}

function addIndex(program: Command, run: RunAction, shared: SharedOptions): void {
  const index = program.command("index").description("find runs in the beamtimes of a master index, and keep it right");
  const place = new Option("--index <file>", "index file, or the session file that names it");
  const add = (name: string, description: string) =>
    index
      .command(name)
      .description(description)
      .addOption(place)
      .addOption(shared.session)
      .addOption(shared.json)
      .option("--verbose", "show stacks and causes of errors");

  add("add", "register a beamtime and index its runs; again: bring it up to date")
    .argument("<file>", "beamtime file")
    .requiredOption("--researcher <name>", "whose beamtime it is")
    .option("--label <text>", "label of the beamtime; the name of the file unless given")
    .option("--description <text>", "words that its runs are found by")
    .option("--root <folder>", "folder of the researcher's data; that of the file unless given")
    .option("--email <address>", "of the researcher")
    .option("--orcid <id>", "of the researcher")
    .option("--affiliation <text>", "of the researcher")
    .action((file, options) =>
      run(options, async (context) =>
        (await import("./commands/index-of-runs/add.ts")).addBeamtime(file, options, context),
      ),
    );
  pages(filters(add("search", "find runs in all beamtimes, newest first")), "runs")
    .argument("[words...]", 'all in names, tags, metadata or descriptions; poly* is a beginning, "two words" a phrase')
    .option("--researcher <name>", "by exact name")
    .option("--beamtime <label>", "by label, or path of its file")
    .action((words, options) =>
      run(options, async (context) =>
        (await import("./commands/index-of-runs/search.ts")).searchIndex(words, options, context),
      ),
    );
  add("verify", "compare the index with the beamtime files; the exit code is 1 if they differ").action((options) =>
    run(options, async (context) => (await import("./commands/index-of-runs/verify.ts")).verifyIndex(options, context)),
  );
  add("repair", "make the index say what the beamtime files say")
    .option("-n, --dry-run", "only tell what would happen")
    .action((options) =>
      run(options, async (context) =>
        (await import("./commands/index-of-runs/repair.ts")).repairIndex(options, context),
      ),
    );
  addBeamtimes(add, run);
}

/** What moves and removes beamtimes. */
function addBeamtimes(add: (name: string, description: string) => Command, run: RunAction): void {
  const beamtime = "its label, or the path of its file";
  add("move", "say where the file of a beamtime is now, and bring the index up to date with it")
    .argument("<beamtime>", beamtime)
    .argument("<file>", "where it is now")
    .action((name, file, options) =>
      run(options, async (context) =>
        (await import("./commands/index-of-runs/move.ts")).moveBeamtime(name, file, options, context),
      ),
    );
  add("remove", "take a beamtime and its runs out of the index; its file stays")
    .argument("<beamtime>", beamtime)
    .action((name, options) =>
      run(options, async (context) =>
        (await import("./commands/index-of-runs/remove.ts")).removeBeamtime(name, options, context),
      ),
    );
}
