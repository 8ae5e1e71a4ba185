/** What a store can do that is made of several. */
import type { StoreCapabilities, Support } from "../core/capabilities.ts";

const order: readonly Support[] = ["none", "emulated", "native"];

function least(...levels: readonly Support[]): Support {
  return order[Math.min(...levels.map((level) => order.indexOf(level)))] as Support;
}

/** What all of them can do. Directories are implied by the keys below them, and nothing can be linked. */
export function commonCapabilities(all: readonly StoreCapabilities[]): StoreCapabilities {
  const every = (claim: (capabilities: StoreCapabilities) => boolean) => all.every(claim);
  const level = (name: "ifAbsent" | "ifMatch" | "ranges" | "streamingWrite") => least(...all.map((one) => one[name]));
  return {
    write: every((one) => one.write),
    list: every((one) => one.list),
    ifAbsent: level("ifAbsent"),
    ifMatch: level("ifMatch"),
    ranges: level("ranges"),
    streamingWrite: level("streamingWrite"),
    positionalWrite: every((one) => one.positionalWrite),
    directories: false,
    // "May": whoever reads must reckon with it as soon as one of them has it.
    ...(all.some((one) => one.flatKeys) ? { flatKeys: true } : {}),
    symlinks: false,
    rename: least("emulated", ...all.map((one) => one.rename)),
    persistent: every((one) => one.persistent),
  };
}
