/** The error that work rejects with (or throws at once), for looking at it closely. */
export async function rejectionOf(work: (() => unknown) | PromiseLike<unknown>): Promise<Error & { code?: string }> {
  let result: unknown;
  try {
    result = await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`Rejected with no error: ${String(error)}`);
  }
  throw new Error(`Did not reject; gave ${String(result)}`);
}
