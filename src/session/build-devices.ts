/** Builds the devices of a session one by one, and opens the writers that they ask for. */
import type { DependencyContainer } from "tsyringe";
import type { BackendSet } from "../../registry/index.ts";
import { injectStorage, storageSlotsOf } from "../acquire/index.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { isStorageError, StorageError, toStorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import type { BrokenPart, DevicePart } from "./check-parts.ts";
import { type Constructor, childContainer, construct, injectedTokens, neededTokens } from "./container.ts";
import { closerOf, type Opened } from "./opened.ts";
import type { StorageConfig } from "./schema.ts";
import { DEVICE_NAME, DEVICE_OPTIONS, WRITER, writerGroupOf } from "./tokens.ts";

/** Devices and writers of one session while it opens. */
export class DeviceBuilder {
  /** Devices by name, in the order of the file. */
  readonly devices = new Map<string, object>();
  /** Writers in use by group. */
  readonly writers = new Map<string, FrameWriter>();
  /** Why devices that are not essential are missing. */
  readonly failures = new Map<string, StorageError>();
  readonly #storage: StorageConfig | undefined;
  readonly #backends: BackendSet;
  readonly #container: DependencyContainer;
  readonly #opened: Opened[];
  readonly #signal: AbortSignal | undefined;

  /** @param opened - Everything that is opened here is added to it. */
  constructor(
    storage: StorageConfig | undefined,
    backends: BackendSet,
    container: DependencyContainer,
    opened: Opened[],
    signal: AbortSignal | undefined,
  ) {
    this.#storage = storage;
    this.#backends = backends;
    this.#container = container;
    this.#opened = opened;
    this.#signal = signal;
  }

  /**
   * Builds one device.
   *
   * @throws A {@link StorageError} with the code of the failure, unless the device is not essential: then it is noted in
   * {@link DeviceBuilder.failures}.
   */
  async add(part: DevicePart | BrokenPart): Promise<void> {
    try {
      if ("error" in part) throw part.error;
      this.devices.set(part.name, await this.#build(part));
    } catch (error) {
      // A writer is not the device's: without it there is no session, however dispensable the device.
      if (error instanceof WriterFailure) throw error.failure;
      const failure = deviceFailure(part.name, error);
      if (part.essential) throw failure;
      this.failures.set(part.name, failure);
    }
  }

  async #build({ name, type, options, group }: DevicePart): Promise<object> {
    const device =
      injectedTokens(type) === undefined
        ? new type(name, options)
        : construct(type, childContainer(await this.#values(name, type, options, group), this.#container));
    const close = closerOf(device);
    if (close) this.#opened.push({ close });
    if (group !== undefined && storageSlotsOf(device).size > 0) injectStorage(device, await this.#writer(group, name));
    return device;
  }

  /** What only this device gets: its name, its options, and the writers that its class asks for. */
  async #values(name: string, type: Constructor, options: object, group: string | undefined) {
    const values: [token: unknown, value: unknown][] = [
      [DEVICE_NAME, name],
      [DEVICE_OPTIONS, options],
    ];
    for (const token of neededTokens(type)) {
      const asked = token === WRITER ? group : writerGroupOf(token);
      if (asked !== undefined) values.push([token, await this.#writer(asked, name)]);
    }
    return values;
  }

  async #writer(group: string, device: string): Promise<FrameWriter> {
    const known = this.writers.get(group);
    if (known) return known;
    const config = this.#storage?.writers[group];
    if (config === undefined) {
      const groups = Object.keys(this.#storage?.writers ?? {}).join(", ");
      throw new StorageError("CONFIG_INVALID", `devices.${device}.writer: name one of the groups ${groups}`, {
        operation: "openSession",
        identifier: device,
      });
    }
    const writer = await this.#openWriter(group, config);
    this.#opened.push({ close: () => writer[Symbol.asyncDispose]() });
    this.writers.set(group, writer);
    return writer;
  }

  async #openWriter(group: string, config: InstanceConfig): Promise<FrameWriter> {
    try {
      return await this.#backends.openWriter(config, { instance: group, signal: this.#signal });
    } catch (error) {
      const { code, message } = toStorageError(error, {});
      const context = {
        backend: group,
        operation: "openSession",
        identifier: `storage.writers.${group}`,
        cause: error,
      };
      throw new WriterFailure(new StorageError(code, `storage.writers.${group}: ${message}`, context));
    }
  }
}

/** Tells the failure of a writer from that of the device that asked for it. */
class WriterFailure extends Error {
  readonly failure: StorageError;

  constructor(failure: StorageError) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The failure of a device: keeps the code of what it threw, and that as its cause. */
function deviceFailure(name: string, error: unknown): StorageError {
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageError(isStorageError(error) ? error.code : "UNEXPECTED", `Device "${name}" failed: ${reason}`, {
    operation: "openSession",
    identifier: name,
    cause: error,
  });
}
