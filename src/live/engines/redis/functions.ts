/**
 * Runs the scripts as functions of a library of our own; where the server has or allows no functions, as scripts.
 *
 * The name of the library has a part that follows from its text: two versions of Sluice on one server do not replace each
 * other's, nor blissdata's `mylib`.
 */
import { createHash } from "node:crypto";
import { StorageError } from "../../../core/errors.ts";
import type { RedisArgument, RedisCallOptions, RedisConnection, RedisReply } from "./connection.ts";
import { LinkLostError } from "./errors.ts";
import { scanScripts } from "./scan-scripts.ts";
import { type RedisScript, sharedLua } from "./shared-lua.ts";
import { streamScripts } from "./stream-scripts.ts";

const scripts = { ...scanScripts, ...streamScripts };

/** Name of a script. */
export type ScriptName = keyof typeof scripts;

/** How scripts reach the server. */
export type ScriptMode = "functions" | "scripts";

const version = createHash("sha1").update(sharedLua).update(JSON.stringify(scripts)).digest("hex").slice(0, 10);

/** Name of the library. */
export const libraryName = `sluice_live_${version}`;

/** The library as `FUNCTION LOAD` takes it. */
export function libraryCode(): string {
  const functions = Object.entries(scripts as Record<string, RedisScript>).map(
    ([name, script]) => `redis.register_function{
  function_name = '${functionName(name)}',
  callback = function(_, args)
${script.body}
  end,
  flags = { ${flagsOf(script)
    .map((flag) => `'${flag}'`)
    .join(", ")} }
}`,
  );
  return `#!lua name=${libraryName}\n${sharedLua}\n${functions.join("\n")}`;
}

/** Runs scripts on one connection. */
export class RedisFunctions {
  readonly #connection: RedisConnection;
  readonly #commands = new Map<ScriptName, readonly string[]>();
  #mode: ScriptMode;

  constructor(connection: RedisConnection, mode: ScriptMode) {
    this.#connection = connection;
    this.#mode = mode;
  }

  /** How the scripts reach the server now. */
  get mode(): ScriptMode {
    return this.#mode;
  }

  /** Runs a script, also again after a lost connection: each script is made so that this does no harm. */
  async call(name: ScriptName, args: readonly RedisArgument[], options: RedisCallOptions): Promise<RedisReply> {
    for (let loads = 0; ; loads++) {
      try {
        return await this.#connection.call(this.#command(name, args), options);
      } catch (error) {
        if (loads === 2 || !isMissing((error as Error).cause)) throw error;
        await this.load(options);
      }
    }
  }

  /**
   * Runs a script once; `LinkLostError` also if the server has to be told the script first, see {@link restore}. It says so
   * at once: commands that follow may be answered before the server knows the script again.
   */
  send(name: ScriptName, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#connection.send(this.#command(name, args)).catch((error: unknown) => {
      throw isMissing(error) ? new LinkLostError(error) : error;
    });
  }

  /** Tells the server the scripts, if that is what a failed {@link send} was for. */
  async restore({ cause }: LinkLostError, options: RedisCallOptions): Promise<void> {
    if (isMissing(cause)) await this.load(options);
  }

  /** Tells the server the scripts. */
  async load(options: RedisCallOptions): Promise<void> {
    if (this.#mode === "functions") {
      try {
        await this.#loadLibrary(options);
        // Whoever may load functions may not always call them.
        await this.#connection.call(this.#command("bounds", [""]), options);
        return;
      } catch (error) {
        const said = String(((error as Error).cause as Error | undefined)?.message);
        if (!/^NOPERM|unknown command|unknown subcommand/i.test(said)) throw error;
        this.#mode = "scripts";
        this.#commands.clear();
      }
    }
    for (const name of Object.keys(scripts) as ScriptName[]) {
      await this.#connection.call(["SCRIPT", "LOAD", scriptCode(name)], options);
    }
  }

  async #loadLibrary(options: RedisCallOptions): Promise<void> {
    try {
      await this.#connection.call(["FUNCTION", "LOAD", libraryCode()], options);
    } catch (error) {
      if (!/already exists/.test(String(((error as Error).cause as Error | undefined)?.message))) throw error;
    }
  }

  #command(name: ScriptName, args: readonly RedisArgument[]): RedisArgument[] {
    const command = this.#commands.get(name) ?? this.#commandOf(name);
    return [...command, "0", ...args];
  }

  /** The words before the arguments. */
  #commandOf(name: ScriptName): readonly string[] {
    const isRead = (scripts as Record<string, RedisScript>)[name]?.isRead;
    const command =
      this.#mode === "scripts"
        ? ["EVALSHA", createHash("sha1").update(scriptCode(name)).digest("hex")]
        : [isRead ? "FCALL_RO" : "FCALL", functionName(name)];
    this.#commands.set(name, command);
    return command;
  }
}

function isMissing(error: unknown): boolean {
  const said = error instanceof Error ? error.message : "";
  return /^NOSCRIPT |Function not found/.test(said);
}

function functionName(name: string): string {
  return `${libraryName}_${name}`;
}

function flagsOf({ isRead, runsWhenFull }: RedisScript): string[] {
  if (isRead) return ["no-writes"];
  return runsWhenFull ? ["allow-oom"] : [];
}

/** The script alone. */
function scriptCode(name: ScriptName): string {
  const script = (scripts as Record<string, RedisScript>)[name];
  if (script === undefined) throw new StorageError("UNEXPECTED", `No script "${name}"`);
  const flags = flagsOf(script);
  const first = `#!lua${flags.length === 0 ? "" : ` flags=${flags.join(",")}`}`;
  return `${first}\n${sharedLua}\nlocal args = ARGV\n${script.body}`;
}
