/** Finds the writers of devices, and gives them what descriptors say. */
import type { EventDescriptor } from "../core/documents.ts";
import type { DataWriter, HasMetadata, HasWriterLogic } from "../core/frame-writer.ts";

/** True if a device shows its writer. */
export function hasWriterLogic(device: unknown): device is HasWriterLogic {
  if (typeof device !== "object" || device === null) return false;
  const { writerLogic } = device as Partial<HasWriterLogic>;
  return (
    typeof writerLogic === "object" &&
    writerLogic !== null &&
    typeof writerLogic.open === "function" &&
    typeof writerLogic.close === "function"
  );
}

/** True if a writer stores metadata. */
export function hasMetadata(writer: unknown): writer is HasMetadata {
  return (
    typeof writer === "object" &&
    writer !== null &&
    typeof (writer as Partial<HasMetadata>).updateMetadata === "function"
  );
}

/** Devices by name. */
export type Devices = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

/** Writers by MIME type, then by group. */
export type AvailableWriters<W extends DataWriter = DataWriter> = Record<string, Record<string, W>>;

/**
 * The writers of all devices, each once, by MIME type and then by name (its group). A writer without a name is in the
 * group `default`; different writers of one type and name are told apart as `name`, `name#2`, ….
 *
 * @see redsun `storage/presenter.py`, `get_available_writers`
 */
export function getAvailableWriters<W extends DataWriter = DataWriter>(devices: Devices): AvailableWriters<W> {
  const found: AvailableWriters<W> = {};
  const seen = new Set<DataWriter>();
  for (const device of devices instanceof Map ? devices.values() : Object.values(devices)) {
    if (!hasWriterLogic(device) || seen.has(device.writerLogic)) continue;
    const writer = device.writerLogic as W & { readonly name?: string };
    seen.add(writer);
    found[writer.mimetype] ??= {};
    const groups = found[writer.mimetype] as Record<string, W>;
    const name = writer.name ?? "default";
    let group = name;
    for (let n = 2; Object.hasOwn(groups, group); n++) group = `${name}#${n}`;
    groups[group] = writer;
  }
  return found;
}

/**
 * Forwards the configuration in a descriptor to the writers: for each configured device that shows a writer which
 * stores metadata, `updateMetadata({ [device]: configuration })`. A device without a writer of its own (a motor) is
 * forwarded too where `forAll` names writers. Devices that are unknown, have no writer, or have nothing configured are
 * skipped.
 *
 * @param forAll - Writers that get the configuration of every device, whoever it belongs to.
 * @see redsun, `handle_descriptor_metadata`
 */
export function handleDescriptorMetadata(
  doc: Pick<EventDescriptor, "configuration">,
  devices: Devices,
  forAll: Iterable<unknown> = [],
): void {
  const shared = [...forAll].filter(hasMetadata);
  for (const [name, configuration] of Object.entries(doc.configuration ?? {})) {
    const device = devices instanceof Map ? devices.get(name) : (devices as Readonly<Record<string, unknown>>)[name];
    const own = hasWriterLogic(device) && hasMetadata(device.writerLogic) ? [device.writerLogic] : [];
    if (device === undefined || Object.keys(configuration).length === 0) continue;
    for (const writer of new Set<HasMetadata>([...own, ...shared])) writer.updateMetadata({ [name]: configuration });
  }
}
