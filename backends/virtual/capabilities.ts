/** What a workspace can do. */
import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";

/** Capabilities of a workspace; without `writeTo`, `write` is false. */
export const workspaceCapabilities: Capabilities = {
  ...storageCapabilities,
  directories: false,
  requiresFilesystemValidation: false,
};
