/** What may leave a store of live scans, and when. */
import { StorageError } from "../../core/errors.ts";

/** Rules of a {@link Retention}. Each that is named may remove points; all of them keep to the two that protect. */
export interface RetentionPolicy {
  /** Points that are older leave. Default: points leave for no age. */
  readonly maxAgeMs?: number | undefined;
  /** Points that each stream keeps, the newest. Default: any number. */
  readonly maxPoints?: number | undefined;
  /** Bytes that the store may take; the oldest points of all streams leave until it does. Default: any number. */
  readonly maxBytes?: number | undefined;
  /** The same as a part of what the engine may take, from 0 to 1, for engines that have a limit. Default 0.8. */
  readonly pressure?: number | undefined;
  /** How long scans stay once they are CLOSED. Default 604,800,000 ms, a week; `Infinity`: for ever. */
  readonly closedScanMs?: number | undefined;
  /**
   * Open scans of which nobody holds a lease are closed with the end reason LOST once nothing has come for so long.
   * Default 86,400,000 ms, a day; `Infinity`: never.
   */
  readonly inactiveScanMs?: number | undefined;
  /** Protects: no point leaves that is younger. Default 180,000 ms. */
  readonly protectedMs?: number | undefined;
  /**
   * False protects what is not yet in a store of its own: no point at or above the durable index of its stream leaves, and
   * no scan that has such points. Default false.
   */
  readonly lossy?: boolean | undefined;
}

/** A policy with its defaults. */
export interface CheckedPolicy {
  readonly maxAgeMs: number;
  readonly maxPoints: number;
  readonly maxBytes: number;
  readonly pressure: number;
  readonly closedScanMs: number;
  readonly inactiveScanMs: number;
  readonly protectedMs: number;
  readonly lossy: boolean;
}

/** Numbers that a policy has where it names none. */
const defaults = {
  maxAgeMs: Number.POSITIVE_INFINITY,
  maxPoints: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  pressure: 0.8,
  closedScanMs: 604_800_000,
  inactiveScanMs: 86_400_000,
  protectedMs: 180_000,
} as const;

/**
 * The policy with its defaults.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that names the member at fault.
 */
export function checkPolicy(policy: RetentionPolicy): CheckedPolicy {
  const numberOf = (name: keyof typeof defaults): number => {
    const value = policy[name] ?? defaults[name];
    const most = name === "pressure" ? 1 : Number.POSITIVE_INFINITY;
    if (value >= 0 && value <= most) return value;
    const range = name === "pressure" ? "from 0 to 1" : "≥ 0";
    throw new StorageError("CONFIG_INVALID", `${name} of a retention policy is a number ${range}, got ${value}`);
  };
  return {
    maxAgeMs: numberOf("maxAgeMs"),
    maxPoints: numberOf("maxPoints"),
    maxBytes: numberOf("maxBytes"),
    pressure: numberOf("pressure"),
    closedScanMs: numberOf("closedScanMs"),
    inactiveScanMs: numberOf("inactiveScanMs"),
    protectedMs: numberOf("protectedMs"),
    lossy: policy.lossy ?? false,
  };
}
