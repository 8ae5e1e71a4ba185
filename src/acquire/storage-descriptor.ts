/**
 * Storage slots: how a device class says that it wants a writer, and where it will find it.
 *
 * @see sunflare, `StorageDescriptor`
 */
import { StorageError } from "../core/errors.ts";
import type { StorageProxy } from "../core/frame-writer.ts";

/** Slots of a class lie on its prototype under this symbol, so that subclasses inherit them, from any copy of the package. */
const SLOTS = Symbol.for("sluice.storageSlots");

/** A class, as far as slots care. */
export interface DeviceClass {
  readonly prototype: object;
  readonly name: string;
}

/** One slot of a device class. Holds `null` for each instance until a writer is put in. */
export class StorageDescriptor<W = StorageProxy> {
  /** Name of the property. */
  readonly name: string;
  readonly #writers = new WeakMap<object, W>();

  constructor(name: string) {
    this.name = name;
  }

  /** The writer of one device, or `null`. */
  get(device: object): W | null {
    return this.#writers.get(device) ?? null;
  }

  /** Gives one device its writer; `null` takes it away. */
  set(device: object, writer: W | null): void {
    if (writer === null) this.#writers.delete(device);
    else this.#writers.set(device, writer);
  }
}

/**
 * Declares a slot on a device class: a property that is `null` until the session puts a writer there, inherited by
 * subclasses, separate for each instance. Works in plain JavaScript; in TypeScript the property is declared too.
 *
 * A function in a static block and no decorator: a decorated field would be created by each instance and hide the slot.
 *
 * @param name - Any name. Default `storage`.
 * @example
 * ```ts
 * class Camera extends Device {
 *   static { storageSlot(this); }
 *   declare storage: StorageProxy | null;
 * }
 * ```
 */
export function storageSlot(type: DeviceClass, name = "storage"): StorageDescriptor {
  const slot = new StorageDescriptor(name);
  const prototype = type.prototype as { [SLOTS]?: Map<string, StorageDescriptor> };
  if (!Object.hasOwn(prototype, SLOTS)) Object.defineProperty(prototype, SLOTS, { value: new Map() });
  (prototype[SLOTS] as Map<string, StorageDescriptor>).set(name, slot);
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: object) {
      return slot.get(this);
    },
    set(this: object, writer: StorageProxy | null) {
      slot.set(this, writer);
    },
  });
  return slot;
}

/** The slots of a device or a device class by name, inherited ones included; empty for those that declare none. */
export function storageSlotsOf(device: object): ReadonlyMap<string, StorageDescriptor> {
  const slots = new Map<string, StorageDescriptor>();
  let level: unknown = typeof device === "function" ? device.prototype : device;
  while (typeof level === "object" && level !== null) {
    const own = Object.hasOwn(level, SLOTS) ? (level as { [SLOTS]: Map<string, StorageDescriptor> })[SLOTS] : [];
    for (const [name, slot] of own) if (!slots.has(name)) slots.set(name, slot);
    level = Object.getPrototypeOf(level);
  }
  return slots;
}

/**
 * Puts a writer into the slots of a device. A device without slots is left alone.
 *
 * @param only - One slot instead of all.
 * @returns Names of the slots that were filled.
 * @throws A {@link StorageError} `CONFIG_INVALID`: the named slot is not there, or a field of the same name hides it.
 */
export function injectStorage(device: object, writer: StorageProxy | null, only?: string): string[] {
  const slots = storageSlotsOf(device);
  if (only !== undefined && !slots.has(only)) {
    const known = [...slots.keys()].join(", ") || "none";
    throw invalid(device, `has no storage slot "${only}". Declared: ${known}`);
  }
  const names = only === undefined ? [...slots.keys()] : [only];
  for (const name of names) {
    if (Object.hasOwn(device, name)) {
      throw invalid(device, `has a field "${name}" that hides its storage slot; write \`declare ${name}\``);
    }
    slots.get(name)?.set(device, writer);
  }
  return names;
}

function invalid(device: object, problem: string): StorageError {
  return new StorageError("CONFIG_INVALID", `${device.constructor?.name || "A device"} ${problem}`);
}
