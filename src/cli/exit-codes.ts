/** What the `sluice` command answers to the shell. */
export const exitCodes = {
  /** Everything was done. */
  ok: 0,
  /** Something failed; one line on stderr says what. */
  failed: 1,
  /** The command line was wrong; nothing was tried. */
  usage: 2,
  /** Stopped by Ctrl-C or a termination signal; stores are closed, and what was written by then is complete. */
  interrupted: 130,
} as const;
