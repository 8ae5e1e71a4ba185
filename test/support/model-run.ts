/**
 * Runs the state machine of byte stores with fast-check. A failure prints the shortest sequence of commands that was
 * found, and what repeats it: `SLUICE_MODEL_SEED`, `SLUICE_MODEL_PATH` and `SLUICE_MODEL_REPLAY` (beside the name of the
 * test, with `-t`); `SLUICE_MODEL_RUNS` multiplies the runs.
 */
import fc from "fast-check";
import { byteStoreCommands, COMMAND_CHOICES, withByteStoreModel } from "../../src/testing/byte-store-model.ts";
import type { ModelSubject } from "../../src/testing/model-state.ts";

const { SLUICE_MODEL_SEED, SLUICE_MODEL_PATH, SLUICE_MODEL_REPLAY, SLUICE_MODEL_RUNS = "1" } = process.env;
const seed = SLUICE_MODEL_SEED === undefined ? Date.now() % 2 ** 31 : Number(SLUICE_MODEL_SEED);
console.info(`byte store model: SLUICE_MODEL_SEED=${seed}`);

const numbers = fc.array(fc.nat(0xffff), { minLength: COMMAND_CHOICES, maxLength: COMMAND_CHOICES, size: "max" });
const commands = fc.commands(
  byteStoreCommands.map((make) => numbers.map(make)),
  { maxCommands: 50, size: "max", ...(SLUICE_MODEL_REPLAY && { replayPath: SLUICE_MODEL_REPLAY }) },
);

/** Fails unless any sequence of commands does on such a store what it does on a map. */
export async function modelHolds(make: () => Promise<ModelSubject>, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(commands, (list) =>
    withByteStoreModel({ make }, (setup) => fc.asyncModelRun(setup, list)),
  );
  const path = SLUICE_MODEL_PATH === undefined ? {} : { path: SLUICE_MODEL_PATH };
  const runs = Math.max(1, Math.round(numRuns * Number(SLUICE_MODEL_RUNS)));
  await fc.assert(property, { seed, ...path, numRuns: runs });
}
