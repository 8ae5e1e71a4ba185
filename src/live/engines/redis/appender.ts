/**
 * Appends to streams in the order of the calls. What is called in one turn of the event loop goes as one command. After a
 * lost connection what was not answered goes again, in order, and the server leaves out what it has already.
 */
import { StorageError } from "../../../core/errors.ts";
import type { CallOptions, Entry } from "../../engine.ts";
import { IndexConflictError, StreamSealedError, writerReplaced } from "../../errors.ts";
import { type AppendJob, appendArguments, groupsOf, inOrder } from "./append-jobs.ts";
import { aborted, type RedisConnection, type RedisReply } from "./connection.ts";
import { LinkLostError, redisError } from "./errors.ts";
import type { RedisFunctions } from "./functions.ts";
import { listOf } from "./wire.ts";

interface Lane {
  readonly stream: string;
  /** Not sent yet, or to be sent again. */
  queue: AppendJob[];
  /** Sent and not answered, as groups. */
  readonly inFlight: Set<readonly AppendJob[]>;
  isScheduled: boolean;
  isRecovering: boolean;
  /** What waits until nothing is under way. */
  readonly idle: (() => void)[];
}

/** Appends to the streams of one engine. */
export class Appender {
  readonly #connection: RedisConnection;
  readonly #functions: RedisFunctions;
  readonly #prefix: string;
  readonly #lanes = new Map<string, Lane>();

  /** @param prefix - Begins the keys of the engine's own. */
  constructor(connection: RedisConnection, functions: RedisFunctions, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#functions = functions;
  }

  /** See `LiveEngine.append`; the entries have been checked. */
  append(
    stream: string,
    entries: readonly Entry[],
    { signal, writer }: CallOptions & { readonly writer?: string | undefined } = {},
  ): Promise<void> {
    let lane = this.#lanes.get(stream);
    if (lane === undefined) {
      lane = { stream, queue: [], inFlight: new Set(), isScheduled: false, isRecovering: false, idle: [] };
      this.#lanes.set(stream, lane);
    }
    const { queue } = lane;
    const done = new Promise<void>((resolve, reject) => {
      queue.push({ entries, writer, signal, resolve, reject, wasSent: false });
    });
    this.#schedule(lane);
    return done;
  }

  /** Resolves once everything that was appended to a stream until now has been answered. */
  async idle(stream: string): Promise<void> {
    const lane = this.#lanes.get(stream);
    if (lane !== undefined) await new Promise<void>((resolve) => lane.idle.push(resolve));
  }

  #schedule(lane: Lane): void {
    if (lane.isScheduled || lane.isRecovering) return;
    lane.isScheduled = true;
    // After all microtasks: who appends again when an earlier append has resolved is still in this command.
    process.nextTick(() => {
      lane.isScheduled = false;
      this.#flush(lane);
    });
  }

  #flush(lane: Lane): void {
    if (lane.isRecovering) return;
    const jobs = lane.queue.filter((job) => {
      const isGiven = job.wasSent || !job.signal?.aborted;
      if (!isGiven) job.reject(aborted({ operation: "append", identifier: lane.stream }, job.signal as AbortSignal));
      return isGiven;
    });
    lane.queue = [];
    for (const group of groupsOf(jobs)) this.#send(lane, group);
    this.#settleIdle(lane);
  }

  #send(lane: Lane, group: readonly AppendJob[]): void {
    const args = appendArguments(
      lane.stream,
      group.some(({ wasSent }) => wasSent),
      group,
    );
    for (const job of group) job.wasSent = true;
    lane.inFlight.add(group);
    this.#functions.send("append", [this.#prefix, ...args]).then(
      (reply) => {
        const isAgain = this.#answer(lane, group, reply);
        this.#after(lane, group, isAgain);
      },
      (error) => void this.#failed(lane, group, error),
    );
  }

  /** The connection was lost, or the server refuses. */
  async #failed(lane: Lane, group: readonly AppendJob[], error: unknown): Promise<void> {
    const about = { operation: "append", identifier: lane.stream };
    let failure = error;
    if (error instanceof LinkLostError && !this.#connection.isClosed) {
      lane.isRecovering = true;
      try {
        await this.#functions.restore(error, about);
        await this.#connection.pause(error);
        this.#after(lane, group, true);
        return;
      } catch (refusal) {
        failure = refusal;
      }
    }
    const told = this.#connection.isClosed
      ? new StorageError("NOT_OPEN", "The engine is closed", { backend: "redis", ...about })
      : redisError(failure, about);
    for (const { reject } of group) reject(told);
    this.#after(lane, group, false);
  }

  #after(lane: Lane, group: readonly AppendJob[], isAgain: boolean): void {
    lane.inFlight.delete(group);
    if (isAgain) lane.queue = inOrder([...lane.queue, ...group]);
    if (lane.inFlight.size > 0) return;
    if (lane.isRecovering) void this.#recover(lane);
    else this.#settleIdle(lane);
  }

  /** Tells the callers; true if they are to be sent again instead. */
  #answer(lane: Lane, group: readonly AppendJob[], reply: RedisReply): boolean {
    if (reply === 1) {
      for (const { resolve } of group) resolve();
      return false;
    }
    const [status, first, second] = listOf(reply).map(String);
    // One that follows on a lost one.
    if (status === "index" && lane.isRecovering) return true;
    const about = { backend: "redis", operation: "append", identifier: lane.stream };
    for (const job of group) {
      if (status === "replaced") job.reject(writerReplaced(about));
      else if (status === "sealed") job.reject(new StreamSealedError(Number(first), about));
      else {
        const index = job === group[0] ? Number(first) : (job.entries[0]?.index ?? Number(first));
        job.reject(new IndexConflictError(index, Number(second), about));
      }
    }
    return false;
  }

  async #recover(lane: Lane): Promise<void> {
    try {
      await this.#connection.ready({ operation: "append", identifier: lane.stream });
      lane.isRecovering = false;
      this.#flush(lane);
    } catch (error) {
      lane.isRecovering = false;
      const jobs = lane.queue;
      lane.queue = [];
      for (const { reject } of jobs) reject(error);
      this.#settleIdle(lane);
    }
  }

  #settleIdle(lane: Lane): void {
    if (lane.queue.length > 0 || lane.inFlight.size > 0 || lane.isRecovering) return;
    this.#lanes.delete(lane.stream);
    for (const resolve of lane.idle.splice(0)) resolve();
  }
}
