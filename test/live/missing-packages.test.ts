import { expect, it, vi } from "vitest";
import { loadWs } from "../../backends/stream/load-ws.ts";
import manifest from "../../package.json" with { type: "json" };
import { LiveBridge } from "../../src/live/bridge/bridge.ts";
import { DataStore } from "../../src/live/data-store.ts";
import { MemoryEngine } from "../../src/live/engines/memory.ts";
import { loadHdf5 } from "../../src/live/view/hdf5-module.ts";
import { failureOf } from "./battery/subject.ts";

vi.mock("ws", () => {
  throw new Error("Cannot find package");
});
vi.mock("h5wasm/node", () => {
  throw new Error("Cannot find package");
});

it.each([
  ["a live bridge", "ws", () => LiveBridge.listen(new DataStore(new MemoryEngine()))],
  ["a WebSocket", "ws", loadWs],
  ["an HDF5 file", "h5wasm", loadHdf5],
] as const)("%s without its package says how to install one that fits", async (_, name, load) => {
  const { code, message } = await failureOf(load());
  expect(code).toBe("MISSING_DEPENDENCY");
  const [, range] = new RegExp(`npm install ${name}@(\\^[\\d.]+)$`).exec(String(message)) ?? [];
  const wanted = { ...manifest.optionalDependencies, ...manifest.peerDependencies }[name];
  // ^8.23 and ^8.23.0 are the same.
  expect(`${range}.0`.split(".").slice(0, 3).join("."), String(message)).toBe(wanted);
});
