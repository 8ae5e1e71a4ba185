/**
 * The bases of backends. Public methods check their arguments once and call protected `do…` methods with clean ones;
 * the author of a backend writes only those, and throws what the vendor throws.
 *
 * @see OpenHCS `io/base.py`; abstract-level for the template methods
 */
import { brand, hasBrand } from "./brand.ts";
import type { OperationOptions } from "./byte-store.ts";
import type { Capabilities } from "./capabilities.ts";
import { checkAborted, checkOpen } from "./checks.ts";
import type { IfExists } from "./data-sink.ts";
import { type ErrorContext, located, StorageError, toStorageError } from "./errors.ts";
import { normalizeKey } from "./key.ts";

/** Options that every backend takes. */
export interface BackendOptions {
  /** Name in messages: the instance name in a backend set. Default: the backend's key. */
  readonly instance?: string | undefined;
  /** Overwrite policy of saves that name none. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
}

/** One entry of a directory, as `doList` yields it. */
export interface DirectoryEntry {
  /** Name within the directory. */
  readonly name: string;
  /** What it is; a link is not followed. */
  readonly kind: "file" | "directory" | "symlink";
}

/**
 * The base of all backends: a key, capabilities, and a life that ends.
 *
 * @see OpenHCS `io/base.py`, `BackendBase`
 */
export abstract class BackendBase implements AsyncDisposable {
  /** Key under which the backend registers, for example `"disk"`. */
  abstract readonly key: string;
  /** What it can do. */
  abstract readonly capabilities: Capabilities;
  /** Name in messages. */
  readonly instance: string | undefined;
  /** Overwrite policy of saves that name none. */
  readonly ifExists: IfExists;
  #isOpen = true;

  constructor(options: BackendOptions = {}) {
    this.instance = options.instance;
    this.ifExists = options.ifExists ?? "error";
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, BackendBase, "BackendBase", value);
  }

  /** The instance name if it has one, else the key. */
  get name(): string {
    return this.instance ?? this.key;
  }

  /** False once {@link BackendBase.close} was called. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Whether paths are checked against the backend before an operation; see
   * {@link Capabilities.requiresFilesystemValidation}.
   */
  get requiresFilesystemValidation(): boolean {
    return this.capabilities.requiresFilesystemValidation;
  }

  /** Releases everything the backend holds. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.doClose();
  }

  /** Closes the backend; see {@link BackendBase.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Releases what the backend holds; called once. */
  protected async doClose(): Promise<void> {}

  /** The key that an identifier stands for. Override where addresses of a larger tree make sense. */
  protected resolveKey(identifier: string): string {
    return normalizeKey(identifier, { absolute: this.capabilities.absoluteKeys === "distinct" ? "keep" : "strip" });
  }

  /** Makes a {@link StorageError} of what a vendor threw. Override, and leave what you do not know to `super`. */
  protected translate(error: unknown, context: ErrorContext): StorageError {
    return toStorageError(error, context);
  }

  /**
   * Runs one public operation: checks that the backend is open and the signal has not fired, normalises the identifier,
   * and translates what is thrown.
   */
  protected async perform<T>(
    operation: string,
    identifier: string,
    options: OperationOptions,
    run: (key: string, context: ErrorContext) => Promise<T>,
  ): Promise<T> {
    const context = { backend: this.name, operation, identifier: String(identifier) };
    try {
      checkOpen(this.#isOpen, `Backend "${this.name}"`, context);
      checkAborted(options.signal, context);
      return await run(this.resolveKey(identifier), context);
    } catch (error) {
      throw located(this.translate(error, context), context);
    }
  }

  /** The error of an operation that this backend does not have. */
  protected unsupported(operation: string): StorageError {
    return new StorageError("UNSUPPORTED", `Backend "${this.name}" does not support ${operation}`, {
      backend: this.name,
      operation,
    });
  }
}

brand(BackendBase, "BackendBase");
