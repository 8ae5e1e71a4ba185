import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";

/** What viewers can do: take values. */
export const streamCapabilities: Capabilities = {
  ...storageCapabilities,
  read: false,
  list: false,
  directories: false,
  requiresFilesystemValidation: false,
  persistent: false,
};
