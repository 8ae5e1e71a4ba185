/** Several ordered sequences as one. */

/**
 * Yields the items of all sources, each source's in its own order, and among the next of each always the least.
 *
 * @param sources - Items come in pages.
 * @param rank - What they are compared by.
 */
export async function* mergeOrdered<T>(
  sources: readonly AsyncIterable<readonly T[]>[],
  rank: (item: T) => number,
): AsyncGenerator<T> {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) {
    for await (const page of only) yield* page;
    return;
  }
  const heads: { readonly items: AsyncIterator<T>; item: T }[] = [];
  for (const source of sources) {
    const items = oneByOne(source);
    const { done, value } = await items.next();
    if (!done) heads.push({ items, item: value });
  }
  while (heads.length > 0) {
    const next = heads.reduce((least, head) => (rank(head.item) < rank(least.item) ? head : least));
    yield next.item;
    const { done, value } = await next.items.next();
    if (done) heads.splice(heads.indexOf(next), 1);
    else next.item = value;
  }
}

async function* oneByOne<T>(pages: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const page of pages) yield* page;
}
