import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";

/** What the memory backend can do. */
export const memoryCapabilities: Capabilities = {
  ...storageCapabilities,
  symlinks: true,
  absoluteKeys: "distinct",
  persistent: false,
  frames: true,
};
