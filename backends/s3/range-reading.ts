/** Reads several ranges of one version, near ones in one request. */
import { groupRanges, resolveRange } from "../../src/core/byte-range.ts";
import type { ByteRange, ObjectStat, ReadOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";

/** Reading this many bytes for nothing costs less than another request. */
const GROUPING = { maxGap: 256 << 10, maxLength: 8 << 20 };

/** Groups of ranges that are read at once. */
const CONCURRENT_GROUPS = 8;

/** How often a value that is replaced meanwhile is begun again. */
const ATTEMPTS = 20;

/** The store, as the ranges of one key need it. */
export interface RangeSource {
  stat(): Promise<ObjectStat>;
  read(part: { readonly range: ByteRange; readonly ifMatch: string | undefined }): Promise<Uint8Array>;
}

/**
 * Reads ranges, all of the version that `stat` describes. A value that is replaced meanwhile is read again from the
 * beginning, so that no mixture of two versions is answered.
 */
export async function readRangesOf(
  ranges: readonly ByteRange[],
  options: ReadOptions,
  context: ErrorContext,
  source: RangeSource,
): Promise<Uint8Array[]> {
  const [single] = ranges;
  if (ranges.length === 1 && single !== undefined)
    return [await source.read({ range: single, ifMatch: options.ifMatch })];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { byteLength, etag } = await source.stat();
    if (options.ifMatch !== undefined && options.ifMatch !== etag) {
      throw new StorageError("PRECONDITION_FAILED", `"${context.identifier}" is not the version asked for`, context);
    }
    const resolved = ranges.map((range) => resolveRange(range, byteLength, context));
    try {
      return await readGroups(resolved, etag, source);
    } catch (error) {
      if (!isStorageError(error, "PRECONDITION_FAILED") || options.ifMatch !== undefined) throw error;
    }
  }
  const message = `"${context.identifier}" was replaced ${ATTEMPTS} times while it was read`;
  throw new StorageError("CONFLICT", message, { ...context, retryable: true });
}

async function readGroups(
  ranges: readonly { offset: number; length: number }[],
  ifMatch: string | undefined,
  source: RangeSource,
): Promise<Uint8Array[]> {
  const groups = groupRanges(ranges, GROUPING);
  const results = new Array<Uint8Array>(ranges.length);
  let next = 0;
  const worker = async () => {
    for (let group = groups[next++]; group !== undefined; group = groups[next++]) {
      const { offset, length, parts } = group;
      const bytes = length === 0 ? new Uint8Array(0) : await source.read({ range: { offset, length }, ifMatch });
      for (const part of parts) {
        const start = part.offset - offset;
        results[part.index] = parts.length === 1 ? bytes : bytes.slice(start, start + part.length);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_GROUPS, groups.length) }, worker));
  return results;
}
