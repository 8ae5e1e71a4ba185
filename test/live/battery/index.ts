import { clockBattery } from "./clocks.ts";
import { cursorBattery } from "./cursors.ts";
import { discoveryBattery } from "./discovery.ts";
import { fallbackBattery } from "./fallback.ts";
import { retentionBattery } from "./retention.ts";
import { scanBattery } from "./scans.ts";
import { streamBattery } from "./streams.ts";
import type { BatteryEngine } from "./subject.ts";
import { takeOverBattery } from "./take-over.ts";
import { viewBattery } from "./view.ts";

/** Everything that holds for every engine: scans, discovery, streams, cursors, retention, fallback, take-over, clocks, files. */
export function liveBattery(engine: BatteryEngine): void {
  scanBattery(engine);
  discoveryBattery(engine);
  streamBattery(engine);
  cursorBattery(engine);
  retentionBattery(engine);
  fallbackBattery(engine);
  takeOverBattery(engine);
  clockBattery(engine);
  viewBattery(engine);
}
