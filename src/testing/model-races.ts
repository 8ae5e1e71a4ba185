/** The command of the state machine in which several callers work on one key at the same time. */
import type { ByteStore } from "../core/byte-store.ts";
import { check, isEqual } from "./assertions.ts";
import {
  Choices,
  type CommandFactory,
  canDemand,
  checkHeld,
  DEMANDS,
  demandText,
  hold,
  type ModelValue,
  type Outcome,
  outcomeOf,
} from "./model-command.ts";
import { type Demand, type ModelReal, type ModelState, type OpenSlot, SLOTS } from "./model-state.ts";
import { release } from "./model-writers.ts";

/** What one of the callers does. */
type Racer =
  | { readonly kind: "write"; readonly value: ModelValue; readonly demand: Demand }
  | { readonly kind: "delete" | "read" | "stat" };

/** What a key holds, as far as racers can tell. */
type State = { readonly bytes: Uint8Array; readonly etag: string } | undefined;

/** The change that one racer made, if it saw this state; `"impossible"` if it cannot have seen it. */
type Step = (state: State) => State | "impossible";

const race: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const key = choices.key();
  const withSlot = choices.below(SLOTS + 1) - 1;
  const racers = Array.from({ length: 2 + choices.below(2) }, (): Racer => {
    const kind = choices.of(["write", "write", "delete", "read", "stat"] as const);
    return kind === "write" ? { kind, demand: choices.of(DEMANDS), value: choices.value() } : { kind };
  });
  const closing = withSlot < 0 ? "" : `, writer ${withSlot}.close()`;
  const text = `at once on "${key}": ${racers.map(racerText).join(", ")}${closing}`;
  return {
    check: (model) => {
      const isAbout = withSlot < 0 || model.slots[withSlot]?.key === key;
      // With answers lost, too much is possible to be worth a look.
      return (
        !model.losesAnswers &&
        isAbout &&
        racers.every((racer) => racer.kind !== "write" || canDemand(model, racer.demand))
      );
    },
    run: async (model, real) => {
      const steps = racers.map((racer) => start(racer, model, real.store, key));
      if (withSlot >= 0) steps.push(closeWriter(model, real, withSlot));
      const done = await Promise.all(steps);
      if (model.repeatsDeletes) {
        // Each takes effect once or more; what follows itself at once changes nothing.
        const deletes = done.filter((_, i) => racers[i]?.kind === "delete");
        done.push(...deletes, ...deletes);
      }
      const end = await endOf(real.store, key);
      const before = model.values.get(key);
      check(
        hasOrder(before, done, end),
        `${text}: no order of these calls, one after another, explains their answers and what is stored`,
      );
      if (end === undefined) model.set(key, undefined);
      else await hold(model, real, key, end.bytes, end.etag);
      await checkHeld(model, real, key);
    },
    toString: () => text,
  };
};

function racerText(racer: Racer): string {
  return racer.kind === "write" ? `write ${racer.value.text}${demandText(racer.demand)}` : racer.kind;
}

/** Begins a racer's call at once; answers, when it has ended, what it says about the key. */
async function start(racer: Racer, model: ModelState, store: ByteStore, key: string): Promise<Step> {
  switch (racer.kind) {
    case "write": {
      const { bytes } = racer.value;
      const condition = model.condition(key, racer.demand);
      return writeStep(condition, bytes, await outcomeOf(() => store.write(key, bytes, condition)));
    }
    case "delete": {
      const outcome = await outcomeOf(() => store.delete(key));
      return () => ("result" in outcome ? undefined : "impossible");
    }
    case "read": {
      const outcome = await outcomeOf(() => store.read(key));
      return (state) => {
        if (!("result" in outcome)) return outcome.code === "NOT_FOUND" && state === undefined ? state : "impossible";
        return state !== undefined && isEqual(state.bytes, outcome.result) ? state : "impossible";
      };
    }
    case "stat": {
      const outcome = await outcomeOf(() => store.stat(key));
      return (state) => {
        if (!("result" in outcome)) return outcome.code === "NOT_FOUND" && state === undefined ? state : "impossible";
        return state?.etag === outcome.result.etag ? state : "impossible";
      };
    }
  }
}

/** Closes a writer among the racers. */
async function closeWriter(model: ModelState, real: ModelReal, slot: number): Promise<Step> {
  const { condition, bytes, isLost } = model.slots[slot] as OpenSlot;
  const writer = real.writers[slot];
  release(model, real, slot);
  if (writer === undefined) return (state) => state;
  const outcome = await outcomeOf(() => writer.close());
  await writer.abort();
  const step = writeStep(condition, bytes, outcome);
  return (state) => (isLost && "code" in outcome ? state : step(state));
}

function writeStep(
  { ifAbsent, ifMatch }: OpenSlot["condition"],
  bytes: Uint8Array,
  outcome: Outcome<{ readonly etag: string }>,
): Step {
  return (state) => {
    const isRefused = (ifAbsent && state !== undefined) || (ifMatch !== undefined && state?.etag !== ifMatch);
    if ("result" in outcome) return isRefused ? "impossible" : { bytes, etag: outcome.result.etag };
    const code = ifAbsent ? "ALREADY_EXISTS" : "PRECONDITION_FAILED";
    return isRefused && outcome.code === code ? state : "impossible";
  };
}

async function endOf(store: ByteStore, key: string): Promise<State> {
  const outcome = await outcomeOf(async () => {
    const { etag } = await store.stat(key);
    return { bytes: await store.read(key, { ifMatch: etag }), etag: String(etag) };
  });
  if ("result" in outcome) return outcome.result;
  if (outcome.code === "NOT_FOUND") return undefined;
  throw outcome.error;
}

/** True if the steps, in some order, lead from one state to the other. */
function hasOrder(state: State, steps: readonly Step[], end: State): boolean {
  if (steps.length === 0) return state?.etag === end?.etag && isEqual(state?.bytes, end?.bytes);
  return steps.some((step, i) => {
    const next = step(state);
    return next !== "impossible" && hasOrder(next, steps.toSpliced(i, 1), end);
  });
}

/** Several callers at once. */
export const raceCommands: readonly CommandFactory[] = [race];
