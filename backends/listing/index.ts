/**
 * The values below a prefix of any byte store, read-only and listed lazily: a bucket as a plate. Light: the backend is
 * loaded when it is opened.
 *
 * @module
 */
import { type BackendDescriptor, defineBackend, type InstanceConfig } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import { listingCapabilities } from "./capabilities.ts";

/** Options of the listing backend. */
export interface ListingOptions {
  /** The store: an instance name, a URL or a configuration. */
  readonly store?: string | InstanceConfig | undefined;
  /** Keys begin with this; what follows is the path. It need not end in a slash. Default: all keys. */
  readonly prefix?: string | undefined;
}

const optionsOfListing = optionsSchema<ListingOptions>({
  store: (value) =>
    typeof value === "string" || (typeof value === "object" && value !== null) ? undefined : "a store or its URL",
  prefix: field.text,
});

/** The listing backend, key `"listing"`. */
export const listing: BackendDescriptor<ListingOptions> = defineBackend<ListingOptions>({
  key: "listing",
  summary: "The values below a prefix of any byte store, read-only and listed lazily",
  capabilities: listingCapabilities,
  options: async () => optionsOfListing,
  open: async ({ store, prefix }, context) => {
    if (store === undefined) {
      throw new StorageError("CONFIG_INVALID", `${context.instance}.store: the store to list is missing`, {
        backend: context.instance,
        operation: "open",
        identifier: "store",
      });
    }
    const { ListingBackend } = await import("./backend.ts");
    return new ListingBackend(await context.store(store), { prefix, instance: context.instance });
  },
});

export default listing;
