/** Commands of the state machine that end a store and begin another one on the same place. */
import { check, checkEqual, checkRejects, collect } from "./assertions.ts";
import { Choices, type CommandFactory } from "./model-command.ts";
import type { ModelReal, ModelState } from "./model-state.ts";
import { release } from "./model-writers.ts";

const restart: CommandFactory = () => ({
  check: (model) => model.canRestart,
  run: async (model, real) => {
    const open = real.writers.filter((writer) => writer !== undefined);
    await endStore(model, real);
    for (const writer of open) await checkRejects(() => writer.close(), "NOT_OPEN", "close of a writer after restart");
    const { reopen } = real.subject;
    if (reopen === undefined) return;
    real.store = await reopen();
    await checkAll(model, real, "after it was opened again");
  },
  toString: () => "restart",
});

const crash: CommandFactory = (numbers) => {
  const key = new Choices(numbers).key();
  return {
    check: (model) => model.canCrash,
    run: async (model, real) => {
      await real.subject.crash?.(key);
      model.hasLeftovers = true;
      await checkAll(model, real, "beside what a killed process left");
    },
    toString: () => `another process is killed while it writes "${key}"`,
  };
};

const recover: CommandFactory = () => ({
  check: (model) => model.canCrash && model.hasLeftovers,
  run: (model, real) => recoverNow(model, real),
  toString: () => "recover",
});

async function recoverNow(model: ModelState, real: ModelReal): Promise<void> {
  await real.subject.recover?.(real.store);
  model.hasLeftovers = false;
  await checkAll(model, real, "after recovery");
}

/** Closes the store: what was acknowledged is there if values outlive it, and nothing else. */
async function endStore(model: ModelState, real: ModelReal): Promise<void> {
  if (model.hasLeftovers) await recoverNow(model, real);
  for (const slot of model.slots.keys()) release(model, real, slot);
  await real.store.close();
  await checkRejects(() => real.store.stat("b"), "NOT_OPEN", "stat after close");
  const there = (await real.subject.side.keys()).sort();
  if (!model.capabilities.persistent) {
    const left = there.filter((key) => !model.values.has(key));
    checkEqual(left, [], "what is there once it is closed, and never was a value");
    for (const key of model.keys()) model.set(key, undefined);
    return;
  }
  checkEqual(there, model.keys().sort(), "what is there once it is closed");
  for (const [key, { bytes }] of model.values) {
    checkEqual(await real.subject.side.get(key), bytes, `what is stored under "${key}" once it is closed`);
  }
}

/** Compares everything as the store shows it. */
async function checkAll(model: ModelState, { store }: ModelReal, when: string): Promise<void> {
  if (model.capabilities.list) {
    const shown = (await collect(store.list())).map(({ key }) => key);
    checkEqual(shown, model.keys(), `the listing ${when}`);
  }
  for (const [key, { bytes, etag }] of model.values) {
    checkEqual(await store.read(key), bytes, `read("${key}") ${when}`);
    checkEqual((await store.stat(key)).etag, etag, `the etag of "${key}" ${when}`);
  }
}

/** The last look, when all commands have run. */
export async function checkEnd(model: ModelState, real: ModelReal): Promise<void> {
  await checkAll(model, real, "in the end");
  const open = real.writers.filter((writer) => writer !== undefined).length;
  check(open === model.slots.filter((slot) => slot !== undefined).length, "The model has lost a writer");
  await endStore(model, real);
}

/** Commands of beginning and end. */
export const lifeCommands: readonly CommandFactory[] = [restart, crash, recover];
