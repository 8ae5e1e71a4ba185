/** One stream of a scan that is being recorded. */
import { type Clock, pause } from "../../core/clock.ts";
import { StorageError, toStorageError } from "../../core/errors.ts";
import { appendRun, type FramePlace, type FrameRun } from "../../io/frame-runs.ts";
import type { FrameReference } from "../encoding/frames.ts";
import { IndexConflictError } from "../errors.ts";
import type { StreamDefinition } from "../stream-definition.ts";
import type { StreamWriter } from "../stream-writer.ts";
import type { PointKind } from "./point-kind.ts";
import type { Pulse } from "./pulse.ts";
import type { WaitingBytes } from "./waiting-bytes.ts";

/** Points of one entry at most: who wants one of them gets them all. */
const ENTRY_POINTS = 1024;
/** References of one entry at most. */
const ENTRY_FRAMES = 64;
/** References that are sent at once. */
const SEND_FRAMES = 32 * ENTRY_FRAMES;
/** Bytes that are sent at once, unless one point has more. */
const SEND_BYTES = 2 ** 20;

/** What all streams of a recording share. */
export interface RecordingContext {
  readonly waiting: WaitingBytes;
  readonly clock: Clock;
  /** When points are sent. */
  readonly pulse: Pulse;
  /** Time from a failure that may pass to the next try. */
  readonly retryMs: number;
  /** Gives up what waits. */
  readonly signal: AbortSignal;
  /** Told of each failure. */
  readonly onError: (error: StorageError) => void;
}

/** How much of a stream its readers have. */
export interface RecordedPoints {
  /** Points that readers have. */
  readonly sent: number;
  /** Points that they do not have. */
  readonly missing: number;
}

interface Batch {
  /** What goes to the writer, in one turn. */
  readonly data: readonly unknown[];
  readonly count: number;
}

/**
 * Points that wait until the engine has them, in order and without a gap: index *n* is the *n*-th value that came. Nobody
 * who gives points waits; what the engine refuses for a while is sent again. A stream that cannot go on ends where it is,
 * rather than that later points take the indexes of those that are missing.
 */
export class RecordedStream {
  readonly name: string;
  readonly definition: StreamDefinition;
  readonly #kind: PointKind | undefined;
  readonly #context: RecordingContext;
  /** What waits, and the memory that each takes: two lists of numbers are a fraction of one of objects. */
  readonly #points: unknown[] = [];
  readonly #sizes: number[] = [];
  readonly #frames: FrameRun[] = [];
  #writer: StreamWriter | undefined;
  /** Points that came. */
  #known = 0;
  #sent = 0;
  /** Of the next points, how many may be there: appends were not answered. */
  #unsure = 0;
  #durable = 0;
  #durableSaid = 0;
  #broken: StorageError | undefined;
  #sending: Promise<void> | undefined;

  /** @param kind - Of values of events; `undefined` for frames. */
  constructor(name: string, definition: StreamDefinition, kind: PointKind | undefined, context: RecordingContext) {
    this.name = name;
    this.definition = definition;
    this.#kind = kind;
    this.#context = context;
  }

  /** How much of it is there. */
  get points(): RecordedPoints {
    return { sent: this.#sent, missing: this.#known - this.#sent };
  }

  /** Why it does not go on. */
  get broken(): StorageError | undefined {
    return this.#broken;
  }

  /** From now on what waits is sent. */
  attach(writer: StreamWriter): void {
    this.#writer = writer;
    this.#wake();
  }

  /** Takes the value of an event. */
  value(value: unknown): void {
    this.#known++;
    if (this.#broken !== undefined) return;
    try {
      const { point, bytes } = (this.#kind as PointKind).take(value);
      if (!this.#context.waiting.take(bytes)) throw this.#full();
      this.#points.push(point);
      this.#sizes.push(bytes);
      this.#wake();
    } catch (error) {
      // What waits is right, and is still sent.
      this.#break(error);
    }
  }

  /** Says that a place has frames `first` to `end`; those that are known already are passed over. */
  frames(place: FramePlace, first: number, end: number): void {
    const last = this.#frames.at(-1);
    const isSame = last?.place.uri === place.uri && last?.place.path === place.path;
    const from = isSame && last !== undefined ? Math.max(first, last.first + last.count) : first;
    if (end <= from) return;
    const run = { place: isSame && last !== undefined ? last.place : place, first: from, count: end - from };
    appendRun(this.#frames, run);
    this.#known += run.count;
    this.#wake();
  }

  /** Says that points below an index are safe in a store of their own; `Infinity`: all of them. */
  durable(index: number): void {
    this.#durable = Math.max(this.#durable, index);
    this.#wake();
  }

  /** Gives up. What was sent stays. */
  fail(error: unknown): void {
    this.#break(error);
    this.#drop();
  }

  /** Resolves when nothing waits any more. Never rejects. */
  async idle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  #wake(): void {
    if (this.#writer === undefined || this.#sending !== undefined) return;
    this.#sending = this.#sendAll(this.#writer).finally(() => {
      this.#sending = undefined;
      if (this.#hasWork()) this.#wake();
    });
  }

  #hasWork(): boolean {
    const canSend = this.#points.length > 0 || (this.#broken === undefined && this.#hasFrames());
    return canSend || this.#durableNow() > this.#durableSaid;
  }

  #hasFrames(): boolean {
    return this.#kind === undefined && this.#sent < this.#known;
  }

  #durableNow(): number {
    return Math.min(this.#durable, this.#sent);
  }

  async #sendAll(writer: StreamWriter): Promise<void> {
    while (this.#hasWork()) {
      try {
        await this.#context.pulse.next();
        await this.#send(writer);
        const durable = this.#durableNow();
        if (durable > this.#durableSaid) await writer.setDurable(durable);
        this.#durableSaid = Math.max(durable, this.#durableSaid);
      } catch (error) {
        const failure = toStorageError(error, { operation: "record", identifier: this.name });
        // An append that was not answered may be made at any time after; whoever sends again finds itself in its place.
        const isOwn = this.#unsure > 0 && failure instanceof IndexConflictError;
        if (!isOwn && !mayPass(failure)) return this.#end(failure);
        if (!isOwn) this.#context.onError(failure);
        const { clock, retryMs, signal } = this.#context;
        try {
          await pause(clock, retryMs, signal, { operation: "record", identifier: this.name });
        } catch {
          return this.#end(failure);
        }
      }
    }
  }

  /** One append of the engine, so that what fails fails whole. */
  async #send(writer: StreamWriter): Promise<void> {
    if (this.#unsure > 0) await this.#agree(writer);
    const batch = this.#next();
    if (batch.count === 0) return;
    this.#unsure = Math.max(this.#unsure, batch.count);
    await Promise.all(batch.data.map((data) => writer.send(data)));
    this.#done(batch.count);
  }

  /** Finds out whether what was not answered is there. */
  async #agree(writer: StreamWriter): Promise<void> {
    const length = await writer.resume({ signal: this.#context.signal });
    const made = length - this.#sent;
    if (made < 0 || made > this.#unsure) {
      const message = `"${this.name}" has ${length} points, and ${this.#sent} were sent: somebody else writes it`;
      throw new StorageError("UNEXPECTED", message, { operation: "record", identifier: this.name });
    }
    if (made > 0) this.#done(made);
  }

  #done(count: number): void {
    this.#unsure = 0;
    this.#sent += count;
    if (this.#kind !== undefined) this.#forget(count);
  }

  /** Gives back the memory of the first points that wait. */
  #forget(count: number): void {
    this.#points.splice(0, count);
    this.#context.waiting.give(this.#sizes.splice(0, count).reduce((sum, bytes) => sum + bytes, 0));
  }

  #next(): Batch {
    if (this.#kind === undefined) return this.#nextFrames();
    let count = 0;
    let bytes = 0;
    for (const size of this.#sizes) {
      if (count === ENTRY_POINTS || (count > 0 && bytes + size > SEND_BYTES)) break;
      count++;
      bytes += size;
    }
    return { data: count === 0 ? [] : this.#kind.join(this.#points.slice(0, count)), count };
  }

  #nextFrames(): Batch {
    const count = this.#hasFrames() ? Math.min(SEND_FRAMES, this.#known - this.#sent) : 0;
    const references = this.#references(count);
    const data: FrameReference[][] = [];
    for (let at = 0; at < count; at += ENTRY_FRAMES) data.push(references.slice(at, at + ENTRY_FRAMES));
    return { data, count };
  }

  /** References of the frames from the first that was not sent on. */
  #references(count: number): FrameReference[] {
    const references: FrameReference[] = [];
    let before = 0;
    for (const { place, first, count: length } of this.#frames) {
      const from = Math.max(this.#sent + references.length - before, 0);
      for (let i = from; i < length && references.length < count; i++) references.push(referenceOf(place, first + i));
      before += length;
    }
    return references;
  }

  #end(failure: StorageError): void {
    this.#break(failure);
    this.#drop();
  }

  #break(error: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = toStorageError(error, { operation: "record", identifier: this.name });
    this.#context.onError(this.#broken);
  }

  /** Forgets what waits. */
  #drop(): void {
    this.#forget(this.#points.length);
    this.#durable = 0;
  }

  #full(): StorageError {
    const message = `${this.#context.waiting.used} bytes wait for the live engine already: "${this.name}" ends here`;
    return new StorageError("CAPACITY_EXCEEDED", message, { operation: "record", identifier: this.name });
  }
}

/** The reference of one frame of a place. */
export function referenceOf(place: FramePlace, index: number): FrameReference {
  return { ...placeReference(place), index };
}

/** What the references of all frames of a place have in common. */
export function placeReference({ uri, path, mimetype, parameters }: FramePlace): FrameReference {
  const { template } = parameters;
  const files = typeof template === "string" && mimetype !== undefined ? { mimetype, template } : {};
  return { kind: "array", uri: uri ?? "", ...(path === "" ? {} : { path }), ...files };
}

const passing: ReadonlySet<string> = new Set(["NO_SPACE", "TIMED_OUT", "RATE_LIMITED"]);

/** True for a failure after which the same may succeed. */
export function mayPass({ code, retryable }: StorageError): boolean {
  return retryable || passing.has(code);
}
