/** Readings of simulated devices. */
import type { Reading } from "../../acquire/index.ts";

/** Values as readings of this moment, under `<device>-<name>`: event-model keys have no dots. */
export function readingsOf(device: string, values: Readonly<Record<string, unknown>>): Record<string, Reading> {
  const timestamp = Date.now() / 1000;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${device}-${name}`, { value, timestamp }]));
}
