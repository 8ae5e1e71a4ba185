/** Commands of the state machine that change whole values. */
import { checkEqual, checkRejects } from "./assertions.ts";
import {
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
  settle,
  wasCancelled,
} from "./model-command.ts";

const POLICIES = ["replace", "error"] as const;

const write: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [key, value, demand, cancel] = [choices.key(), choices.value(), choices.of(DEMANDS), choices.cancel()];
  const text = `write("${key}", ${value.text}${demandText(demand)}${cancelText(cancel)})`;
  return {
    check: (model) => canDemand(model, demand),
    run: async (model, real) => {
      const condition = model.condition(key, demand);
      const refusal = model.refusal(key, condition);
      const bytes = value.bytes.slice();
      const outcome = await outcomeOf((options) => real.store.write(key, bytes, { ...condition, ...options }), cancel);
      // Whoever keeps the caller's memory is found out by the next look at the value.
      bytes.fill(0);
      const isCancelled = wasCancelled(outcome, cancel, text);
      const isInDoubt = demand !== "none" && "code" in outcome && outcome.code === "CONFLICT";
      if (model.losesAnswers && (isCancelled || isInDoubt)) {
        return settle(model, real, new Map([[key, [model.values.get(key)?.bytes, value.bytes]]]));
      }
      if (isCancelled) return checkHeld(model, real, key);
      const result = checkOutcome(outcome, refusal, text);
      if (result === undefined) return checkHeld(model, real, key);
      checkEqual(result.byteLength, value.bytes.length, `${text}: the length in the result`);
      await hold(model, real, key, value.bytes, result.etag);
    },
    toString: () => text,
  };
};

const remove: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [key, cancel] = [choices.key(), choices.cancel()];
  const text = `delete("${key}"${cancelText(cancel)})`;
  return {
    check: () => true,
    run: async (model, real) => {
      const outcome = await outcomeOf((options) => real.store.delete(key, options), cancel);
      if (wasCancelled(outcome, cancel, text)) {
        // Once the value is gone there is nothing to call off.
        return settle(model, real, new Map([[key, [model.values.get(key)?.bytes, undefined]]]));
      }
      checkOutcome(outcome, undefined, text);
      model.set(key, undefined);
      await checkRejects(() => real.store.stat(key), "NOT_FOUND", `stat after ${text}`);
      await checkHeld(model, real, key);
    },
    toString: () => text,
  };
};

const removeMany: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const keys = Array.from({ length: choices.below(5) }, () => choices.key());
  const cancel = choices.cancel();
  const text = `deleteMany(${JSON.stringify(keys)}${cancelText(cancel)})`;
  return {
    check: () => true,
    run: async (model, real) => {
      const outcome = await outcomeOf((options) => real.store.deleteMany(keys, options), cancel);
      if (wasCancelled(outcome, cancel, text)) {
        return settle(model, real, new Map(keys.map((key) => [key, [model.values.get(key)?.bytes, undefined]])));
      }
      const results = checkOutcome(outcome, undefined, text) ?? [];
      const answers = results.map(({ key, error }) => [key, error?.code]);
      checkEqual(
        answers,
        keys.map((key) => [key, undefined]),
        `the answers of ${text}`,
      );
      for (const key of keys) model.set(key, undefined);
      await checkHeld(model, real, ...keys);
    },
    toString: () => text,
  };
};

/** `copy` or `rename`. */
const transfer = (operation: "copy" | "rename"): CommandFactory => {
  return (numbers) => {
    const choices = new Choices(numbers);
    const [from, to, ifExists, cancel] = [choices.key(), choices.key(), choices.of(POLICIES), choices.cancel()];
    const text = `${operation}("${from}", "${to}", ${ifExists}${cancelText(cancel)})`;
    return {
      check: () => true,
      run: async (model, real) => {
        const [source, target] = [model.values.get(from), model.values.get(to)];
        const call = (options: object) => real.store[operation](from, to, { ...options, ifExists });
        const outcome = await outcomeOf<unknown>(call, cancel);
        const isCancelled = wasCancelled(outcome, cancel, text);
        const isMove = operation === "rename" && from !== to;
        if (isCancelled || (model.losesAnswers && "code" in outcome && outcome.code === "CONFLICT")) {
          // An emulated rename may be called off between its copy and its delete; nothing else stops half way.
          const isHalf = isMove && model.capabilities.rename === "emulated";
          const isDone = (isHalf || model.losesAnswers) && (target === undefined || ifExists === "replace");
          const ends = new Map([[from, isMove && model.losesAnswers ? [source?.bytes, undefined] : [source?.bytes]]]);
          if (from !== to) ends.set(to, isDone ? [target?.bytes, source?.bytes] : [target?.bytes]);
          return settle(model, real, ends);
        }
        const isRefused = target !== undefined && ifExists === "error";
        const refusal = source === undefined ? "NOT_FOUND" : isRefused ? "ALREADY_EXISTS" : undefined;
        checkOutcome(outcome, refusal, text);
        if (source === undefined || refusal !== undefined) return checkHeld(model, real, from, to);
        if (isMove) model.set(from, undefined);
        await hold(model, real, to, source.bytes);
        await checkHeld(model, real, from);
      },
      toString: () => text,
    };
  };
};

/** Commands that change whole values. */
export const valueCommands: readonly CommandFactory[] = [
  write,
  remove,
  removeMany,
  transfer("copy"),
  transfer("rename"),
];
