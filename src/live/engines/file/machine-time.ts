/**
 * The time that all processes of a machine share.
 *
 * A wall clock can be set back or forth while scans run: a lease that is measured by it ends at once, or an hour late.
 * `process.hrtime` counts from the start of the machine, the same in every process, and nobody can set it; but it begins
 * anew when the machine does. So times are kept with the run of the machine that they belong to.
 */
import { readFile } from "node:fs/promises";

/** Where an engine gets the time from. */
export interface MachineTime {
  /** Names this run of the machine, from its start to its end; `""` where that cannot be told. */
  readonly boot: string;
  /** Milliseconds since the machine started; never set, the same in all processes. */
  now(): number;
  /** Milliseconds since 1970, as far as the machine knows. */
  wall(): number;
}

/** The time of this machine. */
export async function machineTime(): Promise<MachineTime> {
  // Linux says it. Elsewhere a new start is noticed by times that begin later than now.
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return { boot: boot.trim(), now: () => Number(process.hrtime.bigint()) / 1e6, wall: () => Date.now() };
}

/** A span of time as it is kept. */
export interface KeptSpan {
  readonly boot: string;
  readonly from: number;
  readonly until: number;
  /** When it ends, by the wall clock of its beginning. */
  readonly wall: number;
}

/** The span of so many milliseconds that begins now. */
export function spanOf(time: MachineTime, ms: number): KeptSpan {
  const from = time.now();
  return { boot: time.boot, from, until: from + ms, wall: time.wall() + ms };
}

/** True if a span began while the machine ran as it does now. */
export function isOfThisRun(time: MachineTime, span: Pick<KeptSpan, "boot" | "from">): boolean {
  return span.boot === time.boot && span.from <= time.now();
}

/** What is left of a lease, in milliseconds. It does not outlive the machine that its owner ran on. */
export function leaseLeft(time: MachineTime, span: KeptSpan): number {
  return isOfThisRun(time, span) ? span.until - time.now() : 0;
}

/** True if the time to live is over; that goes on while the machine is off, and only then the wall clock is asked. */
export function isExpired(time: MachineTime, span: KeptSpan): boolean {
  return isOfThisRun(time, span) ? span.until <= time.now() : span.wall <= time.wall();
}

/** Milliseconds since a moment, never below 0. */
export function elapsed(time: MachineTime, { boot, from, wall }: Omit<KeptSpan, "until">): number {
  return Math.max(0, isOfThisRun(time, { boot, from }) ? time.now() - from : time.wall() - wall);
}
