/** Conformance of engines of live streams: what scans, streams and those who wait for them may rely on. */
import type { LiveCapabilities } from "../live/engine.ts";
import { declareKit, type KitGroup, type Runner } from "./kit.ts";
import { historyChecks, historyGapChecks, searchChecks } from "./live-engine-history.ts";
import { leaseChecks, scanChecks } from "./live-engine-scans.ts";
import { pageChecks, streamChecks, writerChecks } from "./live-engine-streams.ts";
import type { LiveEngineSetup, LiveEngineSubject } from "./live-engine-subject.ts";
import { spaceChecks, trimChecks } from "./live-engine-trimming.ts";
import { lifeChecks, scanWaitChecks, waitChecks } from "./live-engine-waiting.ts";

/**
 * Declares the conformance checks of an engine of live streams to a test runner.
 *
 * @param runner - `{ describe, test }` of vitest, Jest or `node:test`, or a `CollectingRunner`.
 * @param name - Name of the engine, for headings.
 */
export function liveEngineConformance(runner: Runner, name: string, setup: LiveEngineSetup): void {
  const dispose = (subject: LiveEngineSubject) => subject.dispose();
  declareKit(runner, `live engine ${name}`, { make: setup.make, dispose }, liveEngineGroups(setup.capabilities));
}

/** The groups of checks. */
export function liveEngineGroups(capabilities: LiveCapabilities): KitGroup<LiveEngineSubject>[] {
  const { historyLimit, limitsMemory } = capabilities;
  return [
    { name: "scans", checks: scanChecks },
    { name: "leases", checks: leaseChecks },
    { name: "history", checks: historyChecks },
    {
      name: "history that forgets",
      gate: historyLimit === undefined ? "historyLimit is absent" : undefined,
      checks: historyLimit === undefined ? [] : historyGapChecks(historyLimit),
    },
    { name: "search", checks: searchChecks },
    { name: "streams", checks: streamChecks },
    { name: "one writer", checks: writerChecks },
    { name: "pages", checks: pageChecks },
    { name: "trimming", checks: trimChecks(capabilities) },
    {
      name: "limited memory",
      gate: limitsMemory ? undefined : "limitsMemory is false",
      checks: limitsMemory ? spaceChecks : [],
    },
    { name: "waiting for streams", checks: waitChecks },
    { name: "waiting for scans", checks: scanWaitChecks },
    { name: "life", checks: lifeChecks },
  ];
}
