/**
 * Appends to streams in the order of the calls. What is called in one turn of the event loop goes as one command. After a
 * lost connection what was not answered goes again, in order, and the server leaves out what it has already.
 */
import { StorageError } from "../../../core/errors.ts";
import type { CallOptions, Entry } from "../../engine.ts";
import { IndexConflictError, StreamSealedError } from "../../errors.ts";
import { aborted, type RedisArgument, type RedisConnection } from "./connection.ts";
import { LinkLostError, redisError } from "./errors.ts";
import type { RedisFunctions } from "./functions.ts";
import { listOf } from "./wire.ts";

interface Job {
  readonly entries: readonly Entry[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  wasSent: boolean;
}

interface Lane {
  readonly stream: string;
  /** Not sent yet, or to be sent again. */
  queue: Job[];
  /** Sent and not answered, as groups. */
  readonly inFlight: Set<readonly Job[]>;
  isScheduled: boolean;
  isRecovering: boolean;
  /** What waits until nothing is under way. */
  readonly idle: (() => void)[];
}

/** What one command takes at most, unless a single call has more. */
const GROUP_ENTRIES = 512;
const GROUP_BYTES = 1 << 20;

/** Appends to the streams of one engine. */
export class Appender {
  readonly #connection: RedisConnection;
  readonly #functions: RedisFunctions;
  readonly #lanes = new Map<string, Lane>();

  constructor(connection: RedisConnection, functions: RedisFunctions) {
    this.#connection = connection;
    this.#functions = functions;
  }

  /** See `LiveEngine.append`; the entries have been checked. */
  append(stream: string, entries: readonly Entry[], { signal }: CallOptions = {}): Promise<void> {
    let lane = this.#lanes.get(stream);
    if (lane === undefined) {
      lane = { stream, queue: [], inFlight: new Set(), isScheduled: false, isRecovering: false, idle: [] };
      this.#lanes.set(stream, lane);
    }
    const { queue } = lane;
    const done = new Promise<void>((resolve, reject) => {
      queue.push({ entries, signal, resolve, reject, wasSent: false });
    });
    this.#schedule(lane);
    return done;
  }

  /** Resolves once everything that was appended to a stream until now has been answered. */
  async idle(stream: string): Promise<void> {
    const lane = this.#lanes.get(stream);
    if (lane !== undefined) await new Promise<void>((resolve) => lane.idle.push(resolve));
  }

  /** The same for all streams. */
  async allIdle(): Promise<void> {
    await Promise.all([...this.#lanes.keys()].map((stream) => this.idle(stream)));
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
    const jobs = lane.queue;
    lane.queue = [];
    for (const job of jobs) {
      if (job.signal?.aborted && !job.wasSent)
        job.reject(aborted({ operation: "append", identifier: lane.stream }, job.signal));
    }
    const groups = groupsOf(jobs.filter(({ signal, wasSent }) => wasSent || !signal?.aborted));
    for (const group of groups) {
      lane.inFlight.add(group);
      void this.#send(lane, group);
    }
    this.#settleIdle(lane);
  }

  async #send(lane: Lane, group: readonly Job[]): Promise<void> {
    const { stream } = lane;
    const about = { operation: "append", identifier: stream };
    const again = group.some(({ wasSent }) => wasSent);
    for (const job of group) job.wasSent = true;
    let isAgain = false;
    try {
      const args: RedisArgument[] = [stream, again ? "1" : "0"];
      for (const { entries } of group) for (const entry of entries) args.push(...argumentsOf(entry));
      const [status, first, second] = listOf(await this.#functions.send("append", args, about)).map(String);
      // One that follows on a lost one.
      if (status === "index" && lane.isRecovering) isAgain = true;
      else this.#answer(group, status, first, second, stream);
    } catch (error) {
      if (error instanceof LinkLostError && !this.#connection.isClosed) {
        isAgain = true;
        lane.isRecovering = true;
        await this.#connection.pause(error);
      } else {
        const failure = this.#connection.isClosed
          ? new StorageError("NOT_OPEN", "The engine is closed", { backend: "redis", ...about })
          : redisError(error, about);
        for (const { reject } of group) reject(failure);
      }
    }
    lane.inFlight.delete(group);
    if (isAgain) lane.queue = inOrder([...lane.queue, ...group]);
    if (lane.inFlight.size > 0) return;
    if (lane.isRecovering) await this.#recover(lane);
    else this.#settleIdle(lane);
  }

  #answer(
    group: readonly Job[],
    status: string | undefined,
    first: string | undefined,
    second: string | undefined,
    stream: string,
  ): void {
    const about = { backend: "redis", operation: "append", identifier: stream };
    for (const job of group) {
      if (status === "done") job.resolve();
      else if (status === "sealed") job.reject(new StreamSealedError(Number(first), about));
      else {
        const index = job === group[0] ? Number(first) : (job.entries[0]?.index ?? Number(first));
        job.reject(new IndexConflictError(index, Number(second), about));
      }
    }
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

function argumentsOf({ index, length, payload }: Entry): RedisArgument[] {
  return [String(index), String(length), Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)];
}

/** Calls that follow each other without a hole, as many as one command takes. */
function groupsOf(jobs: readonly Job[]): Job[][] {
  const groups: Job[][] = [];
  let expected = -1;
  let count = 0;
  let bytes = 0;
  for (const job of jobs) {
    const size = job.entries.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    const fits = count + job.entries.length <= GROUP_ENTRIES && bytes + size <= GROUP_BYTES;
    const last = groups[groups.length - 1];
    if (last !== undefined && fits && job.entries[0]?.index === expected) {
      last.push(job);
    } else {
      groups.push([job]);
      count = 0;
      bytes = 0;
    }
    const end = job.entries[job.entries.length - 1] as Entry;
    expected = end.index + end.length;
    count += job.entries.length;
    bytes += size;
  }
  return groups;
}

/** Those that were sent before those that were not; each in the order of their indexes, which is that of the calls. */
function inOrder(jobs: readonly Job[]): Job[] {
  const sent = jobs.filter(({ wasSent }) => wasSent);
  sent.sort((a, b) => (a.entries[0]?.index ?? 0) - (b.entries[0]?.index ?? 0));
  return [...sent, ...jobs.filter(({ wasSent }) => !wasSent)];
}
