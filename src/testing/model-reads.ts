/** Commands of the state machine that look. */
import type { ByteRange, ListOptions } from "../core/byte-store.ts";
import type { StorageErrorCode } from "../core/errors.ts";
import { check, checkEqual, collect } from "./assertions.ts";
import { drain } from "./byte-store-checks.ts";
import {
  Choices,
  type CommandFactory,
  cancelText,
  checkOutcome,
  DEMANDS,
  demandText,
  MODEL_KEYS,
  outcomeOf,
  wasCancelled,
} from "./model-command.ts";
import { rangeOf } from "./model-state.ts";

const WAYS = ["read", "readStream", "readRanges"] as const;
const PREFIXES = ["", "a", "a/", "c/d/", "c/d", "x"] as const;

/** A range, or the whole value. */
function rangeFrom(choices: Choices): ByteRange | undefined {
  const kind = choices.below(4);
  const [offset, length] = [choices.below(350), choices.below(350)];
  if (kind === 0) return undefined;
  if (kind === 1) return { offset, length };
  return kind === 2 ? { offset } : { suffix: length };
}

const read: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [key, way, cancel] = [choices.key(), choices.of(WAYS), choices.cancel()];
  const demand = choices.of(DEMANDS.filter((each) => each !== "absent"));
  const ranges = Array.from({ length: 1 + choices.below(3) }, () => rangeFrom(choices) ?? { offset: 0 });
  const range = choices.below(2) === 0 ? undefined : ranges[0];
  const asked = way === "readRanges" ? ranges : range;
  const about = asked === undefined ? "" : `, ${JSON.stringify(asked)}`;
  const text = `${way}("${key}"${about}${demandText(demand)}${cancelText(cancel)})`;
  return {
    check: () => true,
    run: async (model, real) => {
      const held = model.values.get(key);
      const condition = model.condition(key, demand);
      const outcome = await outcomeOf(async (options): Promise<readonly Uint8Array[]> => {
        const given = { ...condition, ...options };
        if (way === "readRanges") return real.store.readRanges(key, ranges, given);
        if (way === "read") return [await real.store.read(key, { ...given, range })];
        return [(await drain(await real.store.readStream(key, { ...given, range }))).bytes];
      }, cancel);
      if (wasCancelled(outcome, cancel, text)) return;
      const expected = (way === "readRanges" ? ranges : [range]).map((each) =>
        rangeOf(held?.bytes ?? new Uint8Array(), each),
      );
      let code: StorageErrorCode | undefined;
      if (held === undefined) code = "NOT_FOUND";
      else if (condition.ifMatch !== undefined && condition.ifMatch !== held.etag) code = "PRECONDITION_FAILED";
      else if (expected.includes(undefined)) code = "OUT_OF_RANGE";
      const found = checkOutcome(outcome, code, text);
      if (found === undefined) return;
      checkEqual(found, expected, text);
      // What was read is the caller's: whoever gave out its own memory is found out by the next look.
      for (const bytes of found) bytes.fill(0);
    },
    toString: () => text,
  };
};

const stat: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const [key, cancel] = [choices.key(), choices.cancel()];
  const text = `stat("${key}"${cancelText(cancel)})`;
  return {
    check: () => true,
    run: async (model, real) => {
      const held = model.values.get(key);
      const outcome = await outcomeOf((options) => real.store.stat(key, options), cancel);
      if (wasCancelled(outcome, cancel, text)) return;
      const found = checkOutcome(outcome, held === undefined ? "NOT_FOUND" : undefined, text);
      if (found === undefined || held === undefined) return;
      const { kind, byteLength, etag } = found;
      checkEqual([found.key, kind, byteLength, etag], [key, "file", held.bytes.length, held.etag], text);
    },
    toString: () => text,
  };
};

const list: CommandFactory = (numbers) => {
  const choices = new Choices(numbers);
  const prefix = choices.of(PREFIXES);
  const startAfter = choices.of([undefined, ...MODEL_KEYS, "a/", "c/", "c/d"]);
  const delimiter = choices.below(2) === 0 ? undefined : ("/" as const);
  const cancel = choices.cancel();
  const asked: ListOptions = { prefix, startAfter, delimiter };
  const text = `list(${JSON.stringify(asked)}${cancelText(cancel)})`;
  return {
    check: (model) => model.capabilities.list,
    run: async (model, real) => {
      const outcome = await outcomeOf((options) => collect(real.store.list({ ...asked, ...options })), cancel);
      if (wasCancelled(outcome, cancel, text)) return;
      const entries = checkOutcome(outcome, undefined, text) ?? [];
      const shown = entries.map(({ key, kind }) => (kind === "directory" ? `${key}/` : key));
      const expected = model.listed(asked);
      const isRight = (line: string) =>
        expected.includes(line) || !model.capabilities.directories || !line.endsWith("/");
      // Real directories outlive what was in them, and are shown rightly.
      checkEqual(shown.filter(isRight), expected, text);
      check(new Set(shown).size === shown.length, `${text} shows something twice`);
      for (const { key, kind, byteLength, etag } of entries) {
        const held = model.values.get(key);
        if (kind === "directory" || held === undefined) continue;
        checkEqual(byteLength, held.bytes.length, `${text}: the length of "${key}"`);
        if (etag !== undefined) checkEqual(etag, held.etag, `${text}: the etag of "${key}"`);
      }
    },
    toString: () => text,
  };
};

/** Commands that look. */
export const lookCommands: readonly CommandFactory[] = [read, stat, list];
