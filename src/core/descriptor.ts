/** How a backend presents itself before any of its code is loaded. */
import type { BackendBase } from "./backend.ts";
import type { ByteStore } from "./byte-store.ts";
import type { Capabilities } from "./capabilities.ts";
import type { FrameWriter } from "./frame-writer.ts";

/**
 * The part of the Standard Schema interface that Sluice uses to check options; zod, valibot and arktype have it.
 *
 * @see standardschema.dev
 */
export interface StandardSchemaV1<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  };
}

/** The answer of a {@link StandardSchemaV1}: a value, or what is wrong and where. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One mistake. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A store in a configuration: how one instance is made. */
export interface InstanceConfig {
  /** Key of the backend, for example `"disk"`. */
  readonly use: string;
  /** Options of the backend, beside `use`. */
  readonly [option: string]: unknown;
}

/** What a backend gets when it is opened. Other stores come from here, never by import. */
export interface OpenContext {
  /** Name of the instance, for messages. */
  readonly instance: string;
  /** Opens (or shares) the byte store of a named instance, a URL, or a configuration; its owner closes it. */
  store(reference: string | InstanceConfig): Promise<ByteStore>;
  /**
   * Gives back a store that {@link OpenContext.store} answered, once for each answer, by whoever needs it no more, so
   * that a long session does not keep one for each acquisition. Its owner closes it if nobody else holds it; a named
   * instance stays open, and so does a store whose values would be lost with it.
   */
  release?(store: ByteStore): Promise<void>;
  /**
   * Opens (or shares) the value backend of a named instance, a URL, or a configuration; its owner closes it, after
   * whoever asked. May be called as long as the asker is open: a reference that makes a circle is `CONFIG_INVALID` then.
   * Absent where there is nobody to own a second backend.
   */
  backend?(reference: string | InstanceConfig): Promise<BackendBase>;
  /** Folder that relative paths in the options are relative to: that of the session file, else the working directory. */
  readonly baseDirectory?: string | undefined;
  /** Cancels opening. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A backend before it is loaded: its key, what it can do, and how to open it. Light by rule: making one imports nothing
 * heavy and does no work; `open…` import what they need.
 *
 * At least one of `openStore`, `open` and `openWriter` is there. With `openStore` alone, values go through the shared
 * codecs (`FileBackend`).
 */
export interface BackendDescriptor<Options extends object = object> {
  /** Lower-case key, for example `"disk"`. */
  readonly key: string;
  /** Other keys that mean the same backend. */
  readonly aliases?: readonly string[] | undefined;
  /** URI schemes that lead here, without the colon. */
  readonly schemes?: readonly string[] | undefined;
  /** Version of this contract. */
  readonly contractVersion: 1;
  /** What its instances can do. */
  readonly capabilities: Capabilities;
  /** One line for `sluice doctor` and error messages. */
  readonly summary?: string | undefined;
  /** A checker of the options, loaded when it is first needed. */
  readonly options?: (() => Promise<StandardSchemaV1<Options>>) | undefined;
  /** Opens the byte store. */
  readonly openStore?: ((options: Options, context: OpenContext) => Promise<ByteStore>) | undefined;
  /** Opens the value backend. */
  readonly open?: ((options: Options, context: OpenContext) => Promise<BackendBase>) | undefined;
  /** Opens a frame writer. */
  readonly openWriter?: ((options: Options, context: OpenContext) => Promise<FrameWriter>) | undefined;
}

/**
 * Declares a backend, with its options typed.
 *
 * @example
 * ```ts
 * import { defineBackend, storageCapabilities } from "sluice";
 * export default defineBackend<{ root: string }>({
 *   key: "tape",
 *   capabilities: storageCapabilities,
 *   open: async (options) => new (await import("./tape-backend.ts")).TapeBackend(options),
 * });
 * ```
 */
export function defineBackend<Options extends object>(
  descriptor: Omit<BackendDescriptor<Options>, "contractVersion">,
): BackendDescriptor<Options> {
  return { ...descriptor, contractVersion: 1 };
}
