/** How much the longest tests do: a little, unless somebody asks for all of it. */

/** For how long a writer writes while fifty readers follow. Default: a few hundred points. */
export const STRESS_SECONDS = Number(process.env.SLUICE_LIVE_SECONDS ?? 0);

/** Scans that are created while others search and watch. */
export const CONCURRENT_SCANS = Number(process.env.SLUICE_LIVE_SCANS ?? 1000);

/** What such a test may take beyond what it is asked for, on a machine that does other things too. */
export const PATIENCE_MS = 120_000;
