/** One value that several paths of a batch want. */

import type { ByteBudget } from "../../src/core/byte-budget.ts";
import type { DataSource, LoadOptions } from "../../src/core/data-source.ts";
import { type ErrorContext, isStorageError, StorageError, toStorageError } from "../../src/core/errors.ts";
import type { AxisSelection } from "../../src/core/nd-array.ts";
import { selectPart } from "../../src/core/selection.ts";
import type { Batch } from "./batch.ts";
import type { WorkspaceEntry } from "./mapping.ts";
import { loadParts } from "./source-value.ts";

/** What a batch asks of one value, and for which of its places. */
interface Wanted {
  readonly path: string;
  readonly part: readonly AxisSelection[];
  readonly index: number;
}

/** A value, and all that a batch wants of it. */
export interface SharedSource {
  /** One of the entries; all have its backend and address. */
  readonly entry: WorkspaceEntry;
  readonly wanted: Wanted[];
}

/**
 * Loads a value for all who want a part of it. A failure is told to each in the name of its own path.
 *
 * @param open - Gives a backend by name.
 * @param workspace - Name for messages.
 */
export async function loadShared(
  { entry, wanted }: SharedSource,
  open: (backend: string) => Promise<DataSource>,
  workspace: string,
  options: LoadOptions,
  budget: ByteBudget,
  batch: Batch,
): Promise<void> {
  // Parts that are shared are cut once they are here; a selection is about each of them.
  const { selection, ...load } = options;
  const fail = ({ index, path }: Wanted, cause: unknown) => {
    if (isStorageError(cause, "ABORTED")) throw cause;
    batch.fail(index, entryError(cause, entry, { backend: workspace, operation: "load", identifier: path }));
  };
  let outcomes: Awaited<ReturnType<typeof loadParts>>;
  try {
    const source = await open(entry.backend);
    const [only] = wanted;
    // The usual case, without detours: the value is the result.
    if (wanted.length === 1 && only?.part.length === 0) {
      batch.results[only.index] = await source.load(entry.address, options);
      return;
    }
    const parts = wanted.map(({ part }) => part);
    outcomes = await loadParts(source, entry.address, parts, load, budget);
  } catch (cause) {
    for (const each of wanted) fail(each, cause);
    return;
  }
  for (const [at, outcome] of outcomes.entries()) {
    const each = wanted[at] as Wanted;
    try {
      if ("error" in outcome) throw outcome.error;
      batch.results[each.index] = selectPart(outcome.value, selection, { identifier: entry.address });
    } catch (cause) {
      fail(each, cause);
    }
  }
}

/** What went wrong with the value of an entry, in the name of its virtual path. */
export function entryError(cause: unknown, { backend, address }: WorkspaceEntry, context: ErrorContext): StorageError {
  const { code, message, retryable, retryAfterMs } = toStorageError(cause, { backend, identifier: address });
  const text = `"${context.identifier}" ("${address}" in "${backend}"): ${message}`;
  return new StorageError(code, text, { ...context, retryable, retryAfterMs, cause });
}
