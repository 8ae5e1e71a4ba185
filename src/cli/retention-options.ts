/** What may leave live scans, as options of commands. */
import type { RetentionPolicy, RetentionReport } from "../live/index.ts";
import { plural } from "./format.ts";
import { shortKey } from "./live-format.ts";
import { describeError } from "./terminal.ts";

/** Options of commands that let old points and scans leave; times in milliseconds. */
export interface RetentionCommandOptions {
  readonly maxAge?: number | undefined;
  readonly maxPoints?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly keepClosed?: number | undefined;
  readonly protect?: number | undefined;
  readonly lossy?: boolean | undefined;
}

/** The policy of a session file, if there is one, with what options say instead. */
export function policyOf(options: RetentionCommandOptions, ofSession: RetentionPolicy = {}): RetentionPolicy {
  return {
    ...ofSession,
    maxAgeMs: options.maxAge ?? ofSession.maxAgeMs,
    maxPoints: options.maxPoints ?? ofSession.maxPoints,
    maxBytes: options.maxBytes ?? ofSession.maxBytes,
    closedScanMs: options.keepClosed ?? ofSession.closedScanMs,
    protectedMs: options.protect ?? ofSession.protectedMs,
    lossy: options.lossy ?? ofSession.lossy,
  };
}

/** What a pass did, in a few lines. */
export function reportLines(report: RetentionReport, { isDryRun = false } = {}): string[] {
  const { scans, points, heldPoints, closed, leaving, orphans } = report;
  const would = isDryRun ? "would leave" : "left";
  return [
    `${plural(scans, "scan")} looked at, ${plural(points, "point")} ${would}`,
    ...(heldPoints > 0 ? [`${plural(heldPoints, "point")} stay: no store has them yet`] : []),
    ...closed.map((key) => `${shortKey(key)}  ${isDryRun ? "would be closed" : "closed"}: its writer is gone`),
    ...leaving.map(
      (key) => `${shortKey(key)}  ${isDryRun ? "would leave" : "leaves"} once it has been closed for long enough`,
    ),
    ...orphans.map((key) => `${key}  frames ${isDryRun ? "would leave" : "left"}: no scan has this stream`),
  ];
}

/** What a pass did, as JSON. */
export function reportRecord({ failed, ...report }: RetentionReport): Record<string, unknown> {
  return { ...report, failed: failed.map(({ scan, error }) => ({ scan, error: describeError(error) })) };
}
