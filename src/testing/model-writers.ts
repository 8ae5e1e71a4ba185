/** Commands of the state machine that write in pieces: writers stay open while other commands run. */
import { checkEqual } from "./assertions.ts";
import {
  type Cancel,
  Choices,
  type CommandFactory,
  cancelText,
  canDemand,
  checkHeld,
  checkOutcome,
  DEMANDS,
  demandText,
  hold,
  outcomeOf,
  wasCancelled,
} from "./model-command.ts";
import { type ModelReal, type ModelState, type OpenSlot, SLOTS } from "./model-state.ts";

const open: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [slot, key, demand, cancel] = [choices.below(SLOTS), choices.key(), choices.of(DEMANDS), choices.cancel()];
  const text = `writer ${slot} = openWriter("${key}"${demandText(demand)}${cancelText(cancel)})`;
  return {
    check: (model) => model.slots[slot] === undefined && canDemand(model, demand),
    run: async (model, real) => {
      const condition = model.condition(key, demand);
      const refusal = model.refusal(key, condition);
      const outcome = await outcomeOf((options) => real.store.openWriter(key, { ...condition, ...options }), cancel);
      await checkHeld(model, real, key);
      if (wasCancelled(outcome, cancel, text)) return;
      // A condition that does not hold may be refused now or when the writer closes.
      if (refusal !== undefined && "code" in outcome) return void checkOutcome(outcome, refusal, text);
      real.writers[slot] = checkOutcome(outcome, undefined, text);
      model.slots[slot] = { key, condition, isLost: refusal !== undefined, bytes: new Uint8Array(), next: 0 };
      if (cancel !== undefined) await give(model, real, slot);
    },
    toString: () => text,
  };
};

/** Gives up a writer that is of no more use: its opener's signal has fired, or it has lost. */
async function give(model: ModelState, real: ModelReal, slot: number): Promise<void> {
  const { key } = model.slots[slot] as OpenSlot;
  await real.writers[slot]?.abort();
  release(model, real, slot);
  await checkHeld(model, real, key);
}

const writeChunks: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const slot = choices.below(SLOTS);
  const isCancelled = choices.below(6) === 5;
  const places = [0, 1, 2].slice(0, 1 + choices.below(3)).map(() => ({
    value: choices.value(),
    position: choices.below(4) === 3 ? choices.below(400) : undefined,
  }));
  const parts = places.map(({ value, position }) =>
    position === undefined ? value.text : `${value.text} at ${position}`,
  );
  const text = `writer ${slot}.write(${parts.join("; ")}${isCancelled ? ", signal has fired" : ""})`;
  return {
    check: (model) => {
      const isPositional = places.some(({ position }) => position !== undefined);
      return model.slots[slot] !== undefined && (model.capabilities.positionalWrite || !isPositional);
    },
    run: async (model, real) => {
      const [at, writer] = [model.slots[slot] as OpenSlot, real.writers[slot]];
      if (writer === undefined) return;
      const signal = isCancelled ? AbortSignal.abort() : undefined;
      const copies = places.map(({ value }) => value.bytes.slice());
      const refusal = model.refusal(at.key, at.condition);
      let { bytes, next } = at;
      const works = places.map(({ position }, i) => {
        const work = outcomeOf(() => writer.write(copies[i] as Uint8Array, { position, signal }));
        if (!isCancelled) {
          const start = position ?? next;
          next = start + (copies[i] as Uint8Array).length;
          bytes = placed(bytes, copies[i] as Uint8Array, start);
        }
        if (refusal === undefined)
          checkEqual(writer.byteLength, bytes.length, `the length of writer ${slot} after ${text}`);
        return work;
      });
      const outcomes = await Promise.all(works);
      // A writer that has lost already may say so before it is closed.
      if (refusal !== undefined && outcomes.some((outcome) => "code" in outcome && outcome.code === refusal)) {
        return give(model, real, slot);
      }
      for (const outcome of outcomes) {
        checkOutcome(outcome, isCancelled ? "ABORTED" : undefined, text);
      }
      model.slots[slot] = { ...at, bytes, next };
      for (const copy of copies) copy.fill(0);
      await checkHeld(model, real, at.key);
    },
    toString: () => text,
  };
};

function placed(bytes: Uint8Array, chunk: Uint8Array, position: number): Uint8Array {
  const whole = new Uint8Array(Math.max(bytes.length, position + chunk.length));
  whole.set(bytes);
  whole.set(chunk, position);
  return whole;
}

const close: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [slot, cancel] = [choices.below(SLOTS), choices.cancel()];
  const text = `writer ${slot}.close(${cancelText(cancel).slice(2)})`;
  return {
    check: (model) => model.slots[slot] !== undefined,
    run: (model, real) => closeSlot(model, real, slot, cancel, text),
    toString: () => text,
  };
};

async function closeSlot(
  model: ModelState,
  real: ModelReal,
  slot: number,
  cancel: Cancel,
  text: string,
): Promise<void> {
  const { key, condition, isLost, bytes } = model.slots[slot] as OpenSlot;
  const writer = real.writers[slot];
  if (writer === undefined) return;
  const refusal = model.refusal(key, condition);
  const outcome = await outcomeOf((options) => writer.close(options), cancel);
  // Nothing was published, and the writer can be closed again.
  if (wasCancelled(outcome, cancel, text)) return checkHeld(model, real, key);
  if (refusal === undefined && isLost && "code" in outcome) {
    checkOutcome(outcome, condition.ifAbsent ? "ALREADY_EXISTS" : "PRECONDITION_FAILED", text);
  } else {
    checkOutcome(outcome, refusal, text);
  }
  release(model, real, slot);
  await writer.abort();
  if (!("result" in outcome)) return checkHeld(model, real, key);
  checkEqual(outcome.result.byteLength, bytes.length, `${text}: the length in the result`);
  await hold(model, real, key, bytes, outcome.result.etag);
}

const abort: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [slot, isDisposed] = [choices.below(SLOTS), choices.below(2) === 1];
  const text = `writer ${slot}.${isDisposed ? "[Symbol.asyncDispose]" : "abort"}()`;
  return {
    check: (model) => model.slots[slot] !== undefined,
    run: async (model, real) => {
      const { key } = model.slots[slot] as OpenSlot;
      const writer = real.writers[slot];
      await (isDisposed ? writer?.[Symbol.asyncDispose]() : writer?.abort());
      release(model, real, slot);
      await checkHeld(model, real, key);
    },
    toString: () => text,
  };
};

/** Forgets a writer. */
export function release(model: ModelState, real: ModelReal, slot: number): void {
  model.slots[slot] = undefined;
  real.writers[slot] = undefined;
}

/** Commands of writers. */
export const writerCommands: readonly CommandFactory[] = [open, writeChunks, close, abort];
