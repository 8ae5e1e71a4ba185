/** Which layer goes around which, and why. */
import { StorageError } from "../core/errors.ts";

/** Names of the layers, as they stand in configurations. */
export const layerKinds = [
  "meter",
  "read-only",
  "prefix",
  "overlay",
  "route",
  "cache",
  "retry",
  "limit",
  "checksum",
  "timeout",
  "chaos",
  "latency",
] as const;

/** Name of a layer. */
export type LayerKind = (typeof layerKinds)[number];

/** One rule: `outer` goes around `inner` where a stack has both. */
export interface OrderRule {
  readonly outer: LayerKind;
  readonly inner: LayerKind;
  /** What would go wrong the other way round. */
  readonly reason: string;
}

const rule = (outer: LayerKind, inner: LayerKind, reason: string): OrderRule => ({ outer, inner, reason });

/**
 * The rules. Pairs that are not here may stand either way round.
 *
 * @see OpenDAL, whose documentation has the first of them and whose users hung without it
 */
export const orderRules: readonly OrderRule[] = [
  rule(
    "retry",
    "timeout",
    "outside retry, the time limits all attempts together, and one that hangs is never repeated",
  ),
  rule("retry", "limit", "outside retry, a permit is held while nothing is done but waiting for the next attempt"),
  rule("retry", "checksum", "outside retry, bytes that were damaged on the way are never fetched again"),
  rule("retry", "chaos", "outside retry, faults reach the caller and test nothing below"),
  rule("limit", "timeout", "outside limit, the time is used up by waiting for a permit"),
  rule("limit", "latency", "outside limit, delays overlap without end and the limit is not tested"),
  rule("timeout", "chaos", "outside timeout, a fault that hangs hangs for ever"),
  rule("timeout", "latency", "outside timeout, delays are not part of what is timed"),
  rule("checksum", "chaos", "outside checksum, bytes are damaged after they were verified"),
  rule("cache", "retry", "outside cache, a hit pays for what only a miss needs"),
  rule("cache", "limit", "outside cache, hits wait for permits of a network that they do not use"),
  rule("cache", "timeout", "outside cache, one impatient reader fails the download that others wait for"),
  rule("cache", "checksum", "outside cache, unverified bytes are kept"),
  rule("cache", "chaos", "outside cache, faults hit the cache and never what is below it"),
];

/** Layers that a stack has at most once, and why. */
const once: Partial<Record<LayerKind, string>> = {
  retry: "the attempts would multiply",
  timeout: "only the shorter one counts",
  checksum: "every value would be verified twice",
  "read-only": "the second forbids nothing",
};

/**
 * Refuses a layer that does not belong around those below it.
 *
 * @param kind - The new, outermost layer.
 * @param below - Those it would go around, in any order.
 * @throws A {@link StorageError} `CONFIG_INVALID` that has the reason.
 */
export function checkOrder(kind: LayerKind, below: readonly LayerKind[], instance: string): void {
  const mistake = orderMistake(kind, below);
  if (mistake === undefined) return;
  throw new StorageError("CONFIG_INVALID", `Layers of "${instance}": ${mistake}`, {
    backend: instance,
    operation: "stack",
    identifier: kind,
  });
}

/** Why a layer does not belong around those below it; `undefined` if it does. */
export function orderMistake(kind: LayerKind, below: readonly LayerKind[]): string | undefined {
  const broken = orderRules.find(({ outer, inner }) => inner === kind && below.includes(outer));
  if (broken !== undefined) return `${broken.inner} goes inside ${broken.outer}; ${broken.reason}`;
  const why = once[kind];
  return why !== undefined && below.includes(kind) ? `${kind} stands there twice; ${why}` : undefined;
}
