/** The devices that come with Sluice: the one table of dynamic imports. */
import type { BuiltinTable } from "./load-export.ts";

/** Built-in devices by the name that `use` has in a session file. */
export const builtinDevices: BuiltinTable = {
  "simulated-camera": async () => (await import("./devices/simulated-camera.ts")).SimulatedCamera,
  "simulated-stage": async () => (await import("./devices/simulated-stage.ts")).SimulatedStage,
  "replay-camera": async () => (await import("./devices/replay-camera.ts")).ReplayCamera,
};
