/** Runs the scripts of one engine. */
import { checkAborted, checkOpen } from "../../../core/checks.ts";
import type { CallOptions } from "../../engine.ts";
import type { RedisArgument, RedisReply } from "./connection.ts";
import type { RedisFunctions, ScriptName } from "./functions.ts";

/** A call of the engine, for errors. */
export interface About {
  readonly backend: string;
  readonly operation: string;
  readonly identifier?: string;
}

/** Calls of one engine, until it is closed. */
export class RedisCalls {
  /** Begins the keys of the engine's own. */
  readonly prefix: string;
  readonly #functions: RedisFunctions;
  #isOpen = true;

  constructor(functions: RedisFunctions, prefix: string) {
    this.#functions = functions;
    this.prefix = prefix;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Calls are refused from now on. */
  close(): void {
    this.#isOpen = false;
  }

  /** Refuses what cannot be begun. */
  check(operation: string, identifier: string | undefined, { signal }: CallOptions): About {
    const about = { backend: "redis", operation, ...(identifier === undefined ? {} : { identifier }) };
    checkOpen(this.#isOpen, "The engine", about);
    checkAborted(signal, about);
    return about;
  }

  /** A script that changes something of a stream. */
  change(name: ScriptName, about: About, { signal }: CallOptions, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#functions.call(name, args, { ...about, signal, isRead: false });
  }

  /** A script that changes something and begins with the prefix. */
  write(name: ScriptName, about: About, options: CallOptions, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.change(name, about, options, [this.prefix, ...args]);
  }

  /** A script that changes nothing and begins with the prefix; the signal ends it at any time. */
  read(name: ScriptName, about: About, { signal }: CallOptions, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#functions.call(name, [this.prefix, ...args], { ...about, signal, isRead: true });
  }
}
