/** Collects what a run needs to know of its devices. */
import { type Configurable, getAvailableWriters } from "../../acquire/index.ts";
import type { DeviceConfiguration } from "../../core/documents.ts";
import type { FrameWriter } from "../../core/frame-writer.ts";
import type { Session } from "../session.ts";

/** Writers of the session, and those that devices brought themselves. */
export function writersOf(session: Session): FrameWriter[] {
  const writers = new Set<FrameWriter>(session.writers.values());
  for (const groups of Object.values(getAvailableWriters<FrameWriter>(session.devices))) {
    for (const writer of Object.values(groups)) if (typeof writer.setUri === "function") writers.add(writer);
  }
  return [...writers];
}

/** The settings of a device, as a descriptor has them. */
export async function configurationOf(device: Configurable): Promise<DeviceConfiguration> {
  const readings = Object.entries(await device.readConfiguration());
  return {
    data: Object.fromEntries(readings.map(([key, { value }]) => [key, value])),
    timestamps: Object.fromEntries(readings.map(([key, { timestamp }]) => [key, timestamp])),
    data_keys: await device.describeConfiguration(),
  };
}
