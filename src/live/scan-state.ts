/** Where a scan is in its life. States only grow, so that a reader can wait for `state >= X`. */

/** The number of a state, as it is kept; see {@link scanStates} for the names. */
export type ScanState = 0 | 1 | 2 | 3 | 4;

/** The states by name. */
export const scanStates = {
  /** The scan has its identity and a place in the history. Readers see no stream yet. */
  CREATED: 0,
  /** Its streams are declared, and its info is what readers will see. */
  PREPARED: 1,
  /** Data comes. */
  STARTED: 2,
  /** Every stream is sealed. */
  STOPPED: 3,
  /** Nothing will change any more. */
  CLOSED: 4,
} as const satisfies Record<string, ScanState>;

/** Name of a state. */
export type ScanStateName = keyof typeof scanStates;

/** The names by number. */
export const scanStateNames = [
  "CREATED",
  "PREPARED",
  "STARTED",
  "STOPPED",
  "CLOSED",
] as const satisfies ScanStateName[];

/** Reasons why a scan ended, in its header once it is CLOSED. Producers may add their own. */
export const endReasons = {
  SUCCESS: "SUCCESS",
  FAILURE: "FAILURE",
  USER_ABORT: "USER_ABORT",
  /** It was deleted while it was open. */
  DELETION: "DELETION",
  /** Its writer stopped renewing its lease. */
  LOST: "LOST",
} as const;
