/** The commands, their arguments and options. What a command does is imported when it runs. */
import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isStorageError } from "../core/errors.ts";
import { addCatalogCommands } from "./catalog-commands.ts";
import { exitCodes } from "./exit-codes.ts";
import { Interruption } from "./interruption.ts";
import { addLiveCommands } from "./live-commands.ts";
import { port, wholeNumber } from "./parse-options.ts";
import { type GlobalOptions, Terminal } from "./terminal.ts";

/** What every command gets besides its own arguments. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** What was typed, without the program's own name; the command's name comes first. */
  readonly args: readonly string[];
}

/** What a command's action runs; it answers an exit code if that is not 0. */
export type Action = (context: CommandContext) => Promise<number | undefined>;

/**
 * Runs the `sluice` command.
 *
 * @param args - Without the program's own name.
 * @returns One of {@link exitCodes}.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = createProgram(async (options, action) => {
    exitCode = await perform(args, options, action);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
}

async function perform(args: readonly string[], options: GlobalOptions, action: Action): Promise<number> {
  const terminal = new Terminal(options, args);
  using interruption = new Interruption((line) => terminal.say(line));
  const { signal } = interruption;
  try {
    return (await action({ terminal, signal, args })) ?? exitCodes.ok;
  } catch (error) {
    terminal.fail(error);
    return signal.aborted && isStorageError(error, "ABORTED") ? exitCodes.interrupted : exitCodes.failed;
  }
}

function createProgram(run: (options: GlobalOptions, action: Action) => Promise<void>): Command {
  const program = new Command("sluice")
    .description("Storage for scientific imaging, from detector to analysis")
    .version(version(), "-V, --version")
    .exitOverride()
    .showHelpAfterError("(sluice --help lists the commands)")
    .showSuggestionAfterError()
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.");
  const add = (name: string, description: string) =>
    program.command(name).description(description).option("--verbose", "show stacks and causes of errors");
  const json = new Option("--json", "print one JSON document on stdout");
  const session = new Option("--session <file>", "session file whose backends can be named as NAME:path");
  const discover = new Option(
    "--discover <folder>",
    "also use backends of the packages in its node_modules; runs their code",
  );

  add("acquire", "run the plan of a session file and store what its devices record")
    .argument("<session>", "YAML or JSON session file")
    .option("-n, --num <count>", "readings, instead of the number in the file", wholeNumber)
    .addOption(discover)
    .addOption(json)
    .action((file, options) =>
      run(options, async (context) => (await import("./commands/acquire.ts")).acquire(file, options, context)),
    );
  add("info", "describe a Zarr store, an image, an array or a folder of images")
    .argument("<address>", "path, URL or NAME:path")
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((address, options) =>
      run(options, async (context) => (await import("./commands/info.ts")).info(address, options, context)),
    );
  add("ls", "list a directory, in natural order")
    .argument("[address]", "path, URL or NAME:path", ".")
    .option("-r, --recursive", "list files in all directories below")
    .option("-p, --pattern <glob>", "only files that match: *.tif by name, **/raw/*.tif by path")
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((address, options) =>
      run(options, async (context) => (await import("./commands/ls.ts")).ls(address, options, context)),
    );
  add("cat", "print a stored file: text to the terminal, anything to a pipe")
    .argument("<address>", "path, URL or NAME:path")
    .addOption(session)
    .addOption(discover)
    .action((address, options) =>
      run(options, async (context) => (await import("./commands/cat.ts")).cat(address, options, context)),
    );
  const concurrency = new Option("-c, --concurrency <count>", "files at a time").argParser(wholeNumber);
  const verify = new Option("--verify <how>", "how copies are checked").choices(["written", "read"]).default("written");
  const onError = new Option("--on-error <what>", "end at the first failure, or try every file")
    .choices(["stop", "continue"])
    .default("continue");
  add("cp", "copy a file, or with -r a directory tree, also between backends; goes on where it was interrupted")
    .argument("<from>", "path, URL or NAME:path")
    .argument("<to>", "path, URL or NAME:path; an existing directory gets the copy inside")
    .option("-r, --recursive", "copy a directory with all it holds")
    .option("-T, --no-target-directory", "the target is the copy itself, never a directory that it goes into")
    .addOption(
      new Option("--if-exists <policy>", "what to do with existing files that differ").choices([
        "error",
        "replace",
        "skip",
      ]),
    )
    .option("--convert", "load and save, so that the suffix of the target decides the format")
    .addOption(concurrency)
    .addOption(verify)
    .addOption(onError)
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((from, to, options) =>
      run(options, async (context) => (await import("./commands/cp.ts")).cp(from, to, options, context)),
    );
  add("sync", "make a tree hold what another holds, also between backends; goes on where it was interrupted")
    .argument("<from>", "path, URL or NAME:path")
    .argument("<to>", "path, URL or NAME:path")
    .option("--delete", "remove what only the target has, if everything else worked")
    .option("-n, --dry-run", "only tell what would happen")
    .addOption(new Option("--compare <how>", "when files are equal").choices(["content", "size"]).default("content"))
    .addOption(concurrency)
    .addOption(verify)
    .addOption(onError)
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((from, to, options) =>
      run(options, async (context) => (await import("./commands/sync.ts")).sync(from, to, options, context)),
    );
  add("recover", "list what killed processes left in a folder or a bucket; no value is touched")
    .argument("[address]", "folder, URL or NAME:path", ".")
    .option("--finish", "store the frames of shards that were under way")
    .option("--remove", "finish shards, and remove the rest")
    .option(
      "--older-than <hours>",
      "also files of other machines, quiet for this long; uploads begun this long ago",
      hours,
    )
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((address, options) =>
      run(options, async (context) => (await import("./commands/recover.ts")).recover(address, options, context)),
    );
  add("validate", "check images and plates against OME-NGFF 0.4 and 0.5, and say what breaks which rule")
    .argument("<address>", "folder, URL or NAME:path")
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((address, options) =>
      run(options, async (context) => (await import("./commands/validate.ts")).validate(address, options, context)),
    );
  add("listen", "receive what pipelines send to a viewer, and print a line for each value")
    .option("--host <address>", "address to listen at; another than this machine's own needs a token", "127.0.0.1")
    .option("-p, --port <number>", "port to listen at; 0 takes a free one", port, 7590)
    .addOption(new Option("--token <text>", "what senders must know").env("SLUICE_LISTEN_TOKEN"))
    .option("--cert <file>", "certificate to listen with for wss:, as PEM, with those that it was signed by")
    .option("--key <file>", "its private key, as PEM")
    .option("--origin <origin...>", "origins of web pages that may send; none may otherwise")
    .option("--into <address>", "path, URL or NAME:path that values are saved below")
    .addOption(
      new Option("--if-exists <policy>", "what to do with existing files").choices(["error", "replace", "skip"]),
    )
    .addOption(session)
    .addOption(discover)
    .addOption(json)
    .action((options) =>
      run(options, async (context) => (await import("./commands/listen.ts")).listen(options, context)),
    );
  add("doctor", "say what is installed and how fast a folder is; or whether a session keeps up with its cameras")
    .argument("[target]", "folder that data will be written to, or session file", ".")
    .option("--seconds <number>", "for a session: how long each measurement takes, about (default: 3)", positive)
    .option("--max-mib <count>", "for a session: MiB that each measurement writes at most (default: 1024)", wholeNumber)
    .option("--backend <name...>", "for a session: measure these backends instead, as if frames went there")
    .addOption(discover)
    .addOption(json)
    .action((target, options) =>
      run(options, async (context) => (await import("./commands/doctor.ts")).doctor(target, options, context)),
    );
  addCatalogCommands(program, run, { json, session, discover });
  addLiveCommands(program, run, { json, session, discover });
  return program;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0.");
}

function hours(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("It must be a number of hours, at least 0.");
}

function version(): string {
  return (createRequire(import.meta.url)("sluice/package.json") as { version: string }).version;
}
