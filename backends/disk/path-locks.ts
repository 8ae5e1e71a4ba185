/** Turns in changing one path. */

/**
 * Tail of the queue of each path that is being changed. Shared by every store of this process, so that `ifMatch` is
 * safe also between two stores on one folder (and, with a process lock, between processes); empty whenever nothing is being published.
 */
const tails = new Map<string, Promise<unknown>>();

/**
 * Runs steps that change the same path one after another, in the order of the calls.
 *
 * @param path - Real path: two spellings of one file must not pass each other.
 */
export async function withPathLock<T>(path: string, run: () => Promise<T>): Promise<T> {
  const before = tails.get(path);
  const turn = before === undefined ? run() : before.then(run, run);
  // What comes next waits for this turn, whether it ends well or not; a failure is for the caller of the turn alone.
  const tail = turn.catch(() => {});
  tails.set(path, tail);
  try {
    return await turn;
  } finally {
    if (tails.get(path) === tail) tails.delete(path);
  }
}

/** Paths that are being changed now. For tests: it returns to 0. */
export function lockedPathCount(): number {
  return tails.size;
}
