/** Checks of what an instance is called and made from. */
import type { InstanceConfig } from "../src/core/descriptor.ts";
import { StorageError } from "../src/core/errors.ts";
import { isUri } from "./uri.ts";

/** A name for an instance, in lower case. */
export function instanceName(name: string): string {
  if (typeof name === "string" && name.trim() === name && name !== "" && !isUri(name)) return name.toLowerCase();
  throw new StorageError(
    "CONFIG_INVALID",
    `${JSON.stringify(name)} cannot name a backend instance: it must have letters, no space at its ends and no scheme`,
    { operation: "set", identifier: String(name) },
  );
}

/** The configuration, if it says which backend it is of. */
export function checkConfig(config: InstanceConfig, name: string): InstanceConfig {
  if (typeof config === "object" && config !== null && typeof config.use === "string") return config;
  throw new StorageError("CONFIG_INVALID", `${name}.use: the key of a backend is missing, for example use: disk`, {
    operation: "open",
    identifier: `${name}.use`,
  });
}
