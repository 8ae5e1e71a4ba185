/** Where commands print: results on stdout, everything else on stderr. */
import { isStorageError } from "../core/errors.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  /** One JSON document on stdout, and nothing else there. */
  readonly json?: boolean | undefined;
  /** Errors with their stacks and causes. */
  readonly verbose?: boolean | undefined;
}

/** The two streams, and how a command speaks to them. */
export class Terminal {
  /** True: results are one JSON document. */
  readonly json: boolean;
  readonly #verbose: boolean;
  readonly #secrets: ReadonlyMap<string, string>;
  #line = "";
  #hasPrinted = false;

  /** @param args - Arguments of the command; user, password and query of a URL among them are never printed. */
  constructor(options: GlobalOptions, args: readonly string[] = []) {
    this.json = options.json ?? false;
    this.#verbose = options.verbose ?? false;
    this.#secrets = new Map(args.map((arg) => [arg, withoutSecrets(arg)] as const).filter(([arg, to]) => arg !== to));
    process.stdout.on("error", endQuietly);
  }

  /** Prints a result: the lines for people, or the value as JSON. */
  print(value: unknown, lines: readonly string[]): void {
    this.#hasPrinted = true;
    const text = this.json
      ? `${JSON.stringify(value, replaceBigInt, 2)}\n`
      : lines.map((line) => endLine(escapeControls(this.#hide(line)))).join("");
    process.stdout.write(this.json ? this.#hide(text) : text);
  }

  /** Prints one of many results as they come: a line for people, or the value as JSON in one line. */
  printLine(value: unknown, line: string): void {
    this.#hasPrinted = true;
    process.stdout.write(this.#hide(endLine(this.json ? JSON.stringify(value, replaceBigInt) : escapeControls(line))));
  }

  /** Tells the person something, on stderr; an error of several lines keeps them. */
  say(line: string): void {
    this.#clear();
    process.stderr.write(endLine(escapeLines(this.#hide(line))));
  }

  /** True if {@link Terminal.progress} draws over its last line rather than adding one. */
  get isInteractive(): boolean {
    return process.stderr.isTTY === true;
  }

  /** Shows how far things are: in place on a terminal, a plain line elsewhere. */
  progress(line: string): void {
    if (!this.isInteractive) {
      this.say(line);
      return;
    }
    const width = process.stderr.columns ?? 80;
    const shown = escapeControls(line).slice(0, width - 1);
    process.stderr.write(`\r${shown.padEnd(this.#line.length)}`);
    this.#line = shown;
  }

  /**
   * Prints an error: one line with its code, and with `--json` the same as a document on stdout, unless the result is
   * there already: what fails after it is told by stderr and the exit code.
   */
  fail(error: unknown): void {
    this.say(`sluice: ${describeError(error)}`);
    if (this.#verbose) process.stderr.write(endLine(escapeLines(this.#hide(stackOf(error)))));
    if (this.json && !this.#hasPrinted) this.print({ error: errorDocument(error) }, []);
  }

  #hide(text: string): string {
    let shown = text;
    for (const [secret, instead] of this.#secrets) shown = shown.replaceAll(secret, instead);
    return shown;
  }

  /** Removes a progress line, so that the next line begins where it should. */
  #clear(): void {
    if (this.#line === "") return;
    process.stderr.write(`\r${" ".repeat(this.#line.length)}\r`);
    this.#line = "";
  }
}

/** Control characters but the tab as `\x1b`: a name that somebody chose must not command the terminal. */
export function escapeControls(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return line.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

function escapeLines(text: string): string {
  return text.split("\n").map(escapeControls).join("\n");
}

/**
 * A URL with stars for user, password and query, which may hold a signature; other arguments as they are. The URL of a
 * schema in PostgreSQL loses its password alone: the rest says which database it is.
 */
export function withoutSecrets(arg: string): string {
  const inPostgres = /^(postgres(?:ql)?:\/\/[^/?#@:]*)(?::[^/?#@]*)?(@[^/?#@]*\/[^/?#@]*\?schema=[^&#@]*)$/i.exec(arg);
  if (inPostgres !== null) return `${inPostgres[1]}${inPostgres[2]}`;
  // A sign in a password may have cut it anywhere.
  if (/^postgres(?:ql)?:\/\//i.test(arg)) return arg.replace(/\/\/.*@/s, "//***@").replace(/\?.*$/s, "?***");
  if (!/^[a-z][a-z\d+.-]*:.*\/\//i.test(arg)) return arg;
  return arg.replace(/\/\/[^/?#]*@/g, "//***@").replace(/\?[^!#]*/g, "?***");
}

/** An error in one line; each of several failures in a line of its own below it. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError) {
    return [error.message, ...error.errors.map((each) => `  ${describeError(each)}`)].join("\n");
  }
  if (isStorageError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

function errorDocument(error: unknown): unknown {
  if (error instanceof AggregateError) {
    return { code: "UNEXPECTED", message: error.message, errors: error.errors.map(errorDocument) };
  }
  return isStorageError(error) ? error.toJSON() : { code: "UNEXPECTED", message: describeError(error) };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const causes = error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause];
  return [error.stack ?? error.message, ...causes.map((cause) => `caused by ${stackOf(cause)}`)].join("\n");
}

function endLine(line: string): string {
  return `${line}\n`;
}

/** 64-bit numbers as JSON numbers where they are exact, else as strings. */
function replaceBigInt(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return BigInt(Number(value)) === value ? Number(value) : String(value);
}

/** `sluice ls | head` closes the pipe early; that is no failure, and hides none that was found before. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit();
  throw error;
}
