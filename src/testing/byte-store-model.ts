/** A state machine of byte stores: any sequence of operations does what a map would do. */
import type { StoreCapabilities } from "../core/capabilities.ts";
import type { CommandFactory } from "./model-command.ts";
import { checkEnd, lifeCommands } from "./model-life.ts";
import { raceCommands } from "./model-races.ts";
import { lookCommands } from "./model-reads.ts";
import { type ModelReal, ModelState, type ModelSubject } from "./model-state.ts";
import { valueCommands } from "./model-values.ts";
import { writerCommands } from "./model-writers.ts";

/** How the state machine gets its stores. */
export interface ByteStoreModelSetup {
  /** Makes a fresh, empty store; called once for each sequence of commands. */
  readonly make: () => Promise<ModelSubject>;
  /** What the stores declare. Default: what each of them says. */
  readonly capabilities?: StoreCapabilities | undefined;
}

/** Numbers that a command is made of; what is missing counts as 0. */
export const COMMAND_CHOICES = 24;

/**
 * The commands: writes under every condition, deletes, copies, renames, reads of every kind, listings, byte writers that
 * stay open meanwhile, several callers at once, signals that fire at any moment, stores that are closed and opened again,
 * processes that are killed. Each is made of {@link COMMAND_CHOICES} numbers from 0.
 */
export const byteStoreCommands: readonly CommandFactory[] = [
  ...valueCommands,
  ...lookCommands,
  ...writerCommands,
  ...raceCommands,
  ...lifeCommands,
];

/**
 * Runs one sequence of commands over a fresh store and a model of it, and looks at everything once more in the end. It
 * knows no property-based tester; the commands are of the form that fast-check takes.
 *
 * @param run - Runs the commands: gets what fast-check's `asyncModelRun` wants as its first argument.
 * @throws A {@link ConformanceError} that says what the store should have done.
 * @example
 * ```ts
 * import fc from "fast-check";
 * import { byteStoreCommands, COMMAND_CHOICES, withByteStoreModel } from "sluice/testing";
 * const numbers = fc.array(fc.nat(), { minLength: COMMAND_CHOICES, maxLength: COMMAND_CHOICES });
 * const commands = fc.commands(byteStoreCommands.map((make) => numbers.map(make)), { size: "max", maxCommands: 40 });
 * await fc.assert(
 *   fc.asyncProperty(commands, (list) => withByteStoreModel({ make }, (setup) => fc.asyncModelRun(setup, list))),
 * );
 * ```
 */
export async function withByteStoreModel(
  setup: ByteStoreModelSetup,
  run: (start: () => Promise<{ model: ModelState; real: ModelReal }>) => Promise<void>,
): Promise<void> {
  const subject = await setup.make();
  const model = new ModelState(setup.capabilities ?? subject.store.capabilities, subject);
  const real: ModelReal = { subject, store: subject.store, writers: [...model.slots].map(() => undefined) };
  try {
    await run(async () => ({ model, real }));
    await checkEnd(model, real);
  } finally {
    await real.store.close();
    await subject.dispose?.();
  }
}
