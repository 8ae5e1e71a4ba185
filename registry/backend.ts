/** The class decorator: a backend that is one class needs no descriptor of its own. */
import { BackendBase, type BackendOptions } from "../src/core/backend.ts";
import { DataSource } from "../src/core/data-source.ts";
import { type BackendDescriptor, defineBackend, type OpenContext } from "../src/core/descriptor.ts";
import { StorageError } from "../src/core/errors.ts";
import { StreamingBackend } from "../src/core/special-backends.ts";
import { StorageBackend } from "../src/core/storage-backend.ts";

const DESCRIPTOR = Symbol.for("sluice.backendDescriptor");

/** What {@link backend} is told. */
export type BackendDeclaration = Omit<BackendDescriptor, "contractVersion" | "open" | "options"> & {
  /** A checker of the options, loaded when it is first needed. */
  readonly options?: BackendDescriptor["options"];
};

/** A class that {@link backend} takes: it is built with its options, the instance name among them, and the context. */
export type BackendClass<Options extends object = never> = new (options: Options, context: OpenContext) => BackendBase;

/**
 * Declares a class as a backend, so that `registry.register(TheClass)` takes it. Registers nothing by itself: importing
 * a module changes no registry. Works as a legacy and as a standard decorator, and as a plain function.
 *
 * @example
 * ```ts
 * import { backend, StorageBackend, storageCapabilities } from "sluice";
 * @backend({ key: "tape", capabilities: storageCapabilities })
 * class TapeBackend extends StorageBackend { … }
 * registry.register(TapeBackend);
 * ```
 * @see OpenHCS `AutoRegisterMeta`, which registers a class because it was defined
 */
export function backend(
  declaration: BackendDeclaration,
): <Options extends object>(target: BackendClass<Options>, context?: unknown) => void {
  return <Options extends object>(target: BackendClass<Options>) => {
    const descriptor = defineBackend<Options & BackendOptions>({
      ...(declaration as BackendDescriptor<Options & BackendOptions>),
      open: async (options, context) => new target({ ...options, instance: context.instance }, context),
    });
    Object.defineProperty(target, DESCRIPTOR, { value: descriptor, configurable: true });
  };
}

/**
 * The descriptor of a decorated class, once the class was found complete.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID`: no descriptor of its own (one that is inherited does not count: a
 * subclass would take its parent's place unseen), no backend base class, or methods that are missing.
 */
export function descriptorOf(target: BackendClass): BackendDescriptor {
  const fail = (problem: string) =>
    new StorageError("CONFIG_INVALID", `Class ${target.name || "(anonymous)"} cannot be registered: ${problem}`, {
      operation: "register",
    });
  const own = Object.getOwnPropertyDescriptor(target, DESCRIPTOR)?.value as BackendDescriptor | undefined;
  if (own === undefined)
    throw fail("it has no descriptor of its own; decorate it with @backend({ key, capabilities })");
  const prototype: unknown = target.prototype;
  if (!(prototype instanceof BackendBase)) {
    throw fail("it extends none of StorageBackend, ReadOnlyBackend, VirtualBackend and StreamingBackend");
  }
  const missing = requiredMethods(prototype, own).filter(
    (name) => !isImplemented(prototype as unknown as Record<string, unknown>, name),
  );
  if (missing.length > 0) throw fail(`it does not implement ${missing.join(", ")}`);
  return own;
}

/** The hooks that a class must write, by its base and by what it declares. */
function requiredMethods(prototype: BackendBase, { capabilities }: BackendDescriptor): string[] {
  const methods: string[] = [];
  if (prototype instanceof DataSource) methods.push("doLoad", "doStat", "doList");
  if (prototype instanceof StorageBackend) {
    methods.push("doSave", "doDelete");
    if (capabilities.directories) methods.push("doCreateDirectory");
    if (capabilities.symlinks) methods.push("doSymlink");
  }
  if (prototype instanceof StreamingBackend) methods.push("doSend");
  return methods;
}

/** True if the class, or one between it and the base, wrote the method: the base's own refuses with `UNSUPPORTED`. */
function isImplemented(prototype: Record<string, unknown>, name: string): boolean {
  const method = prototype[name];
  const inherited = (StorageBackend.prototype as unknown as Record<string, unknown>)[name];
  return typeof method === "function" && method !== inherited;
}
