import { describe, expect, it, test } from "vitest";
import { StreamBackend } from "../../../backends/stream/backend.ts";
import { Receiver } from "../../../backends/stream/receiver.ts";
import type { StorageError } from "../../../src/core/errors.ts";
import { CollectingRunner } from "../../../src/testing/collecting-runner.ts";
import { type ReceivedValue, type SinkSetup, sinkConformance } from "../../../src/testing/sink-kit.ts";
import { type SinkMutant, sinkMutants } from "../../../src/testing/sink-mutants.ts";
import { type Kind, transportTo } from "./support.ts";

function setupOf(kind: Kind): SinkSetup {
  return {
    metadataOptions: (itemMetadata) => ({ itemMetadata }) as object,
    make: async () => {
      const receiver = new Receiver();
      const values: ReceivedValue[] = [];
      const refusals = new Map<string, StorageError>();
      const arrivals: (() => void)[] = [];
      let held = 0;
      let gate: Promise<void> | undefined;
      const serving = receiver.serve(
        async ({ path, data, metadata }) => {
          held++;
          for (const arrived of arrivals) arrived();
          await gate;
          held--;
          const error = refusals.get(path);
          if (error !== undefined) throw error;
          values.push({ path, data, metadata });
        },
        { concurrency: 1 },
      );
      return {
        sink: new StreamBackend({ viewers: [await transportTo(receiver, kind)] }),
        received: () => values,
        hold: () => {
          let release = (): void => {};
          gate = new Promise((resolve) => {
            release = resolve;
          });
          return release;
        },
        held: (count) =>
          new Promise((resolve) => {
            const look = () => {
              if (held >= count) resolve();
            };
            arrivals.push(look);
            look();
          }),
        refuse: (path, error) => void refusals.set(path, error),
        dispose: async () => {
          await receiver.close();
          await serving;
        },
      };
    },
  };
}

sinkConformance({ describe, test }, "stream over a WebSocket", setupOf("websocket"));
sinkConformance({ describe, test }, "stream over a message port", setupOf("port"));

/** Names of the checks that a sink with this mistake fails. */
async function failures(mutant?: SinkMutant): Promise<string[]> {
  const runner = new CollectingRunner();
  const setup = setupOf("port");
  const make = async () => {
    const subject = await setup.make();
    mutant?.plant(subject.sink);
    return subject;
  };
  sinkConformance(runner, "mutant", { ...setup, make });
  const results = await runner.run({ timeoutMs: 500 });
  return results.filter(({ error }) => error !== undefined).map(({ name }) => name);
}

describe("the kit of sinks", () => {
  it("has no check that is never needed, and refuses every mutant", { timeout: 60_000 }, async () => {
    const needed = new Set<string>();
    const alive: string[] = [];
    for (const mutant of sinkMutants) {
      const failed = await failures(mutant);
      if (failed.length === 0) alive.push(mutant.name);
      for (const name of failed) needed.add(name);
    }
    expect(alive).toEqual([]);
    const runner = new CollectingRunner();
    sinkConformance(runner, "mutant", setupOf("port"));
    const idle = (await runner.run()).filter(({ name }) => !needed.has(name));
    expect(idle.map(({ name }) => name)).toEqual([]);
  });
});
