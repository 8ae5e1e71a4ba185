/** What the commands of the state machine have in common. */
import type { OperationOptions } from "../core/byte-store.ts";
import { isStorageError, type StorageErrorCode } from "../core/errors.ts";
import { ConformanceError, check, checkEqual, isEqual } from "./assertions.ts";
import { checkEtag, pattern } from "./byte-store-checks.ts";
import type { Demand, ModelReal, ModelState } from "./model-state.ts";

/**
 * One step of the state machine: what a property-based tester calls a command. fast-check takes it as it is.
 */
export interface StoreCommand {
  /** True if the step makes sense now. */
  check(model: Readonly<ModelState>): boolean;
  /** Takes the step on both and compares. */
  run(model: ModelState, real: ModelReal): Promise<void>;
  /** The step as one would write it down. */
  toString(): string;
}

/** Makes a command from a few numbers from 0; each 0 is the simplest choice, so that shrinking them shrinks the step. */
export type CommandFactory = (choices: readonly number[]) => StoreCommand;

/** Keys of which none is a directory of another, so that a map says all there is to say. */
export const MODEL_KEYS = ["a/x", "a/y z", "a-b", "a0", "b", "c/d/e[1]", "c/d/\u{1f600}", "c/d/\uffee", ".h"] as const;

/** Turns numbers into the parts of a command, one after another. */
export class Choices {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** A whole number from 0 up to and without `end`. */
  below(end: number): number {
    return (this.#numbers[this.#next++] ?? 0) % end;
  }

  /** One of several; the first is the simplest. */
  of<T>(options: readonly T[]): T {
    return options[this.below(options.length)] as T;
  }

  key(): string {
    return this.of(MODEL_KEYS);
  }

  /** A value: mostly short, now and then longer than one piece of a stream. */
  value(): ModelValue {
    const byteLength = this.below(16) === 15 ? 70_000 : this.below(300);
    const seed = this.below(1000);
    return { bytes: pattern(byteLength, seed), text: `${byteLength} bytes #${seed}` };
  }

  /** When the signal of a command fires; mostly never. */
  cancel(): Cancel {
    const moment = this.below(12);
    return moment < 6 ? undefined : moment - 6;
  }
}

/** Bytes and how to call them. */
export interface ModelValue {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Turns of the event loop after which a signal fires; 0: it has fired before the call. `undefined`: never. */
export type Cancel = number | undefined;

/** How a call ended. */
export type Outcome<T> = { readonly result: T } | { readonly code: StorageErrorCode; readonly error: unknown };

/** Makes a call whose signal may fire, and tells how it ended. Only typed errors are ends. */
export async function outcomeOf<T>(
  work: (options: OperationOptions) => Promise<T>,
  cancel?: Cancel,
): Promise<Outcome<T>> {
  const controller = new AbortController();
  if (cancel === 0) controller.abort();
  const ended = (async (): Promise<Outcome<T>> => {
    try {
      return { result: await work(cancel === undefined ? {} : { signal: controller.signal }) };
    } catch (error) {
      if (isStorageError(error)) return { code: error.code, error };
      throw error;
    }
  })();
  for (let turn = 1; cancel !== undefined && turn < cancel; turn++) {
    // Every other turn lets only promises go on: a store without I/O has no other moments.
    if (turn % 2 === 1) await Promise.resolve();
    else await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
  if (cancel !== undefined) controller.abort();
  return ended;
}

/** True if a call was called off; one whose signal had fired before must have been. */
export function wasCancelled(outcome: Outcome<unknown>, cancel: Cancel, what: string): boolean {
  const isAborted = "code" in outcome && outcome.code === "ABORTED";
  if (cancel === 0) check(isAborted, `${what}: the signal had fired, and yet it ended with ${ending(outcome)}`);
  if (cancel === undefined) check(!isAborted, `${what}: ABORTED, although nobody has a signal`);
  return isAborted;
}

/** Checks how a call ended: with this code, or, without one, well. Answers its result. */
export function checkOutcome<T>(outcome: Outcome<T>, code: StorageErrorCode | undefined, what: string): T | undefined {
  const expected = code ?? "success";
  if ("code" in outcome ? outcome.code === code : code === undefined)
    return "result" in outcome ? outcome.result : undefined;
  const cause = "error" in outcome ? { cause: outcome.error } : undefined;
  throw new ConformanceError(`${what}: expected ${expected}, got ${ending(outcome)}`, cause);
}

function ending(outcome: Outcome<unknown>): string {
  return "code" in outcome ? `${outcome.code} (${String((outcome.error as Error).message)})` : "success";
}

/** Checks by the side door what one key holds. */
export async function checkHeld(model: ModelState, real: ModelReal, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    checkEqual(await real.subject.side.get(key), model.values.get(key)?.bytes, `what is stored under "${key}"`);
  }
}

/** Notes that a key holds new bytes, and checks that the store describes them so. */
export async function hold(model: ModelState, real: ModelReal, key: string, bytes: Uint8Array, etag?: string) {
  const stat = await real.store.stat(key);
  checkEqual([stat.key, stat.kind, stat.byteLength], [key, "file", bytes.length], `stat("${key}")`);
  checkEtag(stat.etag);
  if (etag !== undefined) checkEqual(stat.etag, etag, `the etag of "${key}" after it was written`);
  model.set(key, { bytes, etag: stat.etag });
  await checkHeld(model, real, key);
}

/**
 * Learns what a call that was called off has left, where it may have left one of several things.
 *
 * @param possible - For each key what it may hold now; `undefined` for nothing.
 */
export async function settle(
  model: ModelState,
  real: ModelReal,
  possible: ReadonlyMap<string, readonly (Uint8Array | undefined)[]>,
): Promise<void> {
  for (const [key, states] of possible) {
    const found = await real.subject.side.get(key);
    const isPossible = states.some((state) => isEqual(found, state));
    check(isPossible, `"${key}" holds neither its old value nor the new one after a call that was called off`);
    if (isEqual(found, model.values.get(key)?.bytes)) continue;
    if (found === undefined) model.set(key, undefined);
    else await hold(model, real, key, found);
  }
}

/** `, ifAbsent` and so on, for the text of a command. */
export function demandText(demand: Demand): string {
  if (demand === "none") return "";
  return demand === "absent" ? ", ifAbsent" : `, ifMatch ${demand}`;
}

/** `, called off at once` and so on, for the text of a command. */
export function cancelText(cancel: Cancel): string {
  if (cancel === undefined) return "";
  return cancel === 0 ? ", signal has fired" : `, signal fires after ${cancel}`;
}

/** Demands that a store can meet. */
export function canDemand(model: Readonly<ModelState>, demand: Demand): boolean {
  const { ifAbsent, ifMatch } = model.capabilities;
  if (demand === "none") return true;
  return demand === "absent" ? ifAbsent !== "none" : ifMatch !== "none";
}

/** All demands, the simplest first. */
export const DEMANDS: readonly Demand[] = ["none", "absent", "current", "stale"];
