/** What the index keeps of one run. */
import { createHash } from "node:crypto";
import type { IndexedText } from "./index-dialect.ts";
import { wordsOf } from "./search-text.ts";

/** A run, as the index has it. */
export interface IndexEntry {
  readonly uid: string;
  readonly planName: string;
  readonly sampleName: string | undefined;
  /** Seconds since 1970. */
  readonly timeStart: number;
  /** Seconds since 1970; `undefined` while the run is open. */
  readonly timeStop: number | undefined;
  /** `success`, `aborted`, `failed`, `lost`; `undefined` while the run is open. */
  readonly exitStatus: string | undefined;
  /** `undefined` while the run is open. */
  readonly numEvents: number | undefined;
  /** Of the run and of its sample, without repetition. */
  readonly tags: readonly string[];
  /** What else can be found by: texts of the metadata, of the sample, of the beamtime. */
  readonly texts: readonly string[];
}

/** Where a run belongs. */
export interface EntryOwner {
  readonly beamtimeId: number;
  readonly researcherId: number;
}

/** What is exact about a run. */
export type FacetKind = "researcher" | "beamtime" | "plan" | "sample" | "tag" | "status";

const kinds = { researcher: "r", beamtime: "b", plan: "p", sample: "s", tag: "t", status: "e" } as const;

/** What all facets begin with. */
const FACET = "0000";
/** Longer values are stood for by their hash. */
const MAX_FACET_BYTES = 24;

/**
 * An exact value as one word of letters and digits, so that the full text index finds it as fast as any word, also
 * together with others: the index intersects their lists.
 */
export function facet(kind: FacetKind, value: string | number): string {
  const bytes = Buffer.from(String(value), "utf8");
  if (bytes.length <= MAX_FACET_BYTES) return `${FACET}${kinds[kind]}${bytes.toString("hex")}`;
  const hash = createHash("sha256").update(bytes).digest("hex");
  // A z, which no hexadecimal number has: no short value has the name of a long one.
  return `${FACET}${kinds[kind]}z${hash.slice(0, 2 * MAX_FACET_BYTES)}`;
}

/** What a run is found by. */
export function textOfEntry(entry: IndexEntry, owner: EntryOwner): IndexedText {
  const { planName, sampleName, exitStatus, tags, texts } = entry;
  const fields = [planName, sampleName ?? "", ...tags, ...texts].map(wordsOf).filter(({ length }) => length > 0);
  const facets = [
    facet("researcher", owner.researcherId),
    facet("beamtime", owner.beamtimeId),
    facet("plan", planName),
    ...(sampleName === undefined ? [] : [facet("sample", sampleName)]),
    facet("status", exitStatus ?? "running"),
    ...tags.map((tag) => facet("tag", tag)),
  ];
  return { fields, facets };
}

/** A short name of all that the index keeps of a run: another one if anything of it is different. */
export function fingerprint(entry: IndexEntry, owner: EntryOwner): string {
  const { uid, planName, sampleName, timeStart, timeStop, exitStatus, numEvents, tags, texts } = entry;
  const all = [
    [uid, planName, sampleName ?? null, timeStart, timeStop ?? null, exitStatus ?? null, numEvents ?? null],
    [...tags],
    [...texts],
    [owner.beamtimeId, owner.researcherId],
  ];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

/** Of one run no more text than this is indexed, in UTF-16 code units. */
const MAX_TEXT = 65_536;

/** All texts and numbers in a value, however deep; names of fields are not among them. */
export function textsIn(...values: readonly unknown[]): string[] {
  const texts: string[] = [];
  let room = MAX_TEXT;
  const add = (value: unknown): void => {
    if (room <= 0 || value === null) return;
    if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
      const text = String(value).slice(0, room);
      room -= text.length;
      if (text !== "") texts.push(text);
    } else if (typeof value === "object") {
      for (const inner of Object.values(value)) add(inner);
    }
  };
  for (const value of values) add(value);
  return texts;
}
