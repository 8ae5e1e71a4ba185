/**
 * Runs something for every item, several at once. After a failure nothing new begins; what is under way is waited for,
 * and the first failure is thrown.
 *
 * @param items - Taken one by one, as there is room.
 */
export async function concurrently<T>(
  items: Iterable<T>,
  limit: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  // One iterator for all: each item goes to whoever asks first.
  const iterator = items[Symbol.iterator]();
  const work = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done) return;
      try {
        await run(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  if (failures.length > 0) throw failures[0];
}
