/** What a listing can do. */
import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";

/** Capabilities of a listing. */
export const listingCapabilities: Capabilities = {
  ...storageCapabilities,
  write: false,
  directories: false,
  requiresFilesystemValidation: false,
};
