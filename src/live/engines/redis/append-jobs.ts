/** Calls of `append` that wait or are under way, and how several of them go as one command. */
import type { Entry } from "../../engine.ts";
import type { RedisArgument } from "./connection.ts";

/** A call of `append`. */
export interface AppendJob {
  readonly entries: readonly Entry[];
  /** Who appends. */
  readonly writer: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  wasSent: boolean;
}

/** What one command takes at most, unless a single call has more. */
const GROUP_ENTRIES = 512;
const GROUP_BYTES = 1 << 20;
/** Payloads up to this go together as one argument: less to parse, on both sides, for a copy of so many bytes. */
const PACKED_BYTES = 4096;
/** The longest of such arguments: for those of 32 KiB and more Redis keeps a buffer of the same size ready. */
const PACK_BYTES = 30 << 10;
/** Before a packed payload: how many points it has (float64) and how long it is (uint32). */
const PACKED_HEADER_BYTES = 12;

/** Calls that follow each other without a hole, as many as one command takes. */
export function groupsOf(jobs: readonly AppendJob[]): AppendJob[][] {
  const groups: AppendJob[][] = [];
  let last: AppendJob[] = [];
  let expected = -1;
  let count = 0;
  let bytes = 0;
  for (const job of jobs) {
    const { entries } = job;
    let size = 0;
    for (const { payload } of entries) size += payload.byteLength;
    const fits = count + entries.length <= GROUP_ENTRIES && bytes + size <= GROUP_BYTES;
    if (fits && entries[0]?.index === expected && job.writer === last[0]?.writer) {
      last.push(job);
    } else {
      last = [job];
      groups.push(last);
      count = 0;
      bytes = 0;
    }
    const end = entries[entries.length - 1] as Entry;
    expected = end.index + end.length;
    count += entries.length;
    bytes += size;
  }
  return groups;
}

/** Those that were sent before those that were not; each in the order of their indexes, which is that of the calls. */
export function inOrder(jobs: readonly AppendJob[]): AppendJob[] {
  const sent = jobs.filter(({ wasSent }) => wasSent);
  sent.sort((a, b) => (a.entries[0]?.index ?? 0) - (b.entries[0]?.index ?? 0));
  return [...sent, ...jobs.filter(({ wasSent }) => !wasSent)];
}

/**
 * What the script `append` takes after the prefix: the stream, who appends, whether some of it was sent before, the first
 * index, and then pairs: the number of points of an entry and its payload, or `*` and several entries packed.
 */
export function appendArguments(stream: string, again: boolean, group: readonly AppendJob[]): RedisArgument[] {
  const entries = group.length === 1 ? (group[0] as AppendJob).entries : group.flatMap((job) => job.entries);
  const args: RedisArgument[] = [stream, group[0]?.writer ?? "", again ? "1" : "0", String(entries[0]?.index)];
  for (let at = 0; at < entries.length; ) {
    let end = at;
    let bytes = 0;
    for (;;) {
      const size = packedSize(entries[end]);
      if (size === 0 || bytes + size > PACK_BYTES) break;
      bytes += size;
      end++;
    }
    if (end - at > 1) {
      args.push("*", pack(entries, at, end, bytes));
      at = end;
    } else {
      const { length, payload } = entries[at] as Entry;
      args.push(String(length), Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
      at++;
    }
  }
  return args;
}

/** Bytes that an entry takes when packed; 0 if it goes alone, or there is none. */
function packedSize(entry: Entry | undefined): number {
  if (entry === undefined || entry.payload.byteLength > PACKED_BYTES) return 0;
  return PACKED_HEADER_BYTES + entry.payload.byteLength;
}

function pack(entries: readonly Entry[], from: number, to: number, bytes: number): Buffer {
  const packed = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = from; i < to; i++) {
    const { length, payload } = entries[i] as Entry;
    packed.writeDoubleLE(length, at);
    packed.writeUInt32LE(payload.byteLength, at + 8);
    packed.set(payload, at + PACKED_HEADER_BYTES);
    at += PACKED_HEADER_BYTES + payload.byteLength;
  }
  return packed;
}
