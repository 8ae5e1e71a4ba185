/** What is known of a backend without importing it. */
import type { Capabilities } from "../src/core/capabilities.ts";
import type { BackendDescriptor, StandardSchemaV1 } from "../src/core/descriptor.ts";

/** A descriptor of whatever options: what a registry takes. */
export type AnyBackendDescriptor = Omit<BackendDescriptor<never>, "options"> & {
  readonly options?: (() => Promise<StandardSchemaV1<object>>) | undefined;
};

/** The ways to open a backend. */
export interface BackendOpens {
  /** Opens a byte store. */
  readonly store: boolean;
  /** Opens a value backend, its own or the shared codecs above its byte store. */
  readonly values: boolean;
  /** Opens a frame writer. */
  readonly writer: boolean;
}

/** A registered backend, as listings, `sluice doctor` and messages see it. */
export interface BackendInfo {
  /** Lower-case key. */
  readonly key: string;
  /** Other keys that mean the same backend. */
  readonly aliases: readonly string[];
  /** URI schemes that lead here, without the colon. */
  readonly schemes: readonly string[];
  /** Version of the descriptor contract. */
  readonly contractVersion: number;
  /** What its instances can do. */
  readonly capabilities: Capabilities;
  /** One line about it; may be empty. */
  readonly summary: string;
  /** The ways to open it. */
  readonly opens: BackendOpens;
}

/**
 * A backend whose module is imported when it is first used. The information repeats what the module's descriptor says;
 * the registry compares the two when the module arrives.
 */
export interface LazyBackend
  extends Pick<BackendDescriptor, "key" | "aliases" | "schemes" | "contractVersion" | "capabilities" | "summary"> {
  /** The ways to open it. */
  readonly opens: BackendOpens;
  /** Imports the module: a descriptor, or a module whose default export is one. */
  readonly load: () => Promise<AnyBackendDescriptor | { readonly default: AnyBackendDescriptor }>;
}

/** The information of a descriptor, with its key, aliases and schemes in lower case. */
export function infoOf(descriptor: AnyBackendDescriptor): BackendInfo {
  const { openStore, open, openWriter } = descriptor;
  return inform(descriptor, {
    store: openStore !== undefined,
    values: open !== undefined || openStore !== undefined,
    writer: openWriter !== undefined,
  });
}

/** The information of a lazy backend, with its key, aliases and schemes in lower case. */
export function infoOfLazy(lazy: LazyBackend): BackendInfo {
  return inform(lazy, lazy.opens);
}

function inform(from: Omit<LazyBackend, "opens" | "load">, opens: BackendOpens): BackendInfo {
  const lower = (names: readonly string[] = []) => names.map((name) => name.toLowerCase());
  return {
    key: from.key.toLowerCase(),
    aliases: lower(from.aliases),
    schemes: lower(from.schemes),
    contractVersion: from.contractVersion,
    capabilities: from.capabilities,
    summary: from.summary ?? "",
    opens,
  };
}
