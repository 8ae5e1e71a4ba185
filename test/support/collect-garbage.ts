/** Collects garbage at once, so that a test can tell what is held. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** A whole collection. */
export const gc = runInNewContext("gc") as () => void;
