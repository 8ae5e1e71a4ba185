/**
 * Names of temporary files. They say which process of which machine made them, so that what a killed process leaves can
 * be told from what is being written now.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { KeptBytes } from "../../src/core/resumable-write.ts";
import { errnoOf } from "./errno.ts";

/** How all names of temporary files begin. No key may have a segment that begins so. */
export const TEMP_PREFIX = ".sluice-tmp-";

/** The process that made a temporary file. */
export interface TempOwner {
  /** Name of the machine, as letters and digits. */
  readonly host: string;
  readonly pid: number;
  /** When the process started, so that it is not taken for an earlier one with the same number. */
  readonly started: string;
}

const NAME = /^\.sluice-tmp-([a-z0-9-]*)\.(\d+)\.([a-z0-9]+)\.[a-z0-9]+$/;

/** A name that no call has had before. Its length does not depend on the key, so that long names can be written. */
export function tempName(): string {
  const { host, pid, started } = thisProcess();
  return `${TEMP_PREFIX}${host}.${pid}.${started}.${randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

/** The beginning of a value in a temporary file, of which the name tells how far it is known to be right. */
export interface PartialName {
  /** Which value of the directory it is the beginning of. */
  readonly value: string;
  /** Which bytes. */
  readonly origin: string;
  /** Nobody writes it: its writer was suspended. */
  readonly isSetAside: boolean;
  /** How many bytes were written for certain, and their CRC-32C. */
  readonly kept: KeptBytes;
}

const PARTIAL = /\.([ps])([0-9a-f]{12})([0-9a-f]{32})[0-9a-f]{8}z([0-9a-z]+)z([0-9a-f]{8})$/;

/** Digests for a {@link PartialName}. */
export function partialLabels(fileName: string, origin: string): Pick<PartialName, "value" | "origin"> {
  const digest = (text: string) => createHash("sha256").update(text).digest("hex");
  return { value: digest(fileName).slice(0, 12), origin: digest(origin).slice(0, 32) };
}

/** A name for the beginning of a value, of this process, that no call has had before. */
export function partialName({ value, origin, isSetAside, kept }: PartialName): string {
  const { host, pid, started } = thisProcess();
  const label = `${isSetAside ? "s" : "p"}${value}${origin}${randomBytes(4).toString("hex")}`;
  const known = `z${kept.byteLength.toString(36)}z${kept.crc32c.toString(16).padStart(8, "0")}`;
  return `${TEMP_PREFIX}${host}.${pid}.${started}.${label}${known}`;
}

/** What the name of the beginning of a value says; `undefined` for all other names. */
export function parsePartialName(name: string): PartialName | undefined {
  const [, state, value = "", origin = "", length = "", crc = ""] = PARTIAL.exec(name) ?? [];
  if (state === undefined || tempOwner(name) === undefined) return undefined;
  const kept = { byteLength: Number.parseInt(length, 36), crc32c: Number.parseInt(crc, 16) };
  return { value, origin, isSetAside: state === "s", kept };
}

/** One of the two files of a value that is written with a journal. */
export interface JournalledName {
  /** What the two have in common. */
  readonly id: string;
  readonly part: "data" | "journal";
  /** Its process does not go on with it. What the name of the bytes says counts, as long as there are any. */
  readonly isSetAside: boolean;
}

const JOURNALLED = /\.([vw])([0-9a-f]{16})([dj])$/;

/** An id for {@link journalledName}. */
export function newJournalId(): string {
  return randomBytes(8).toString("hex");
}

/** A name for one of the two files, of this process. */
export function journalledName({ id, part, isSetAside }: JournalledName): string {
  const { host, pid, started } = thisProcess();
  const label = `${isSetAside ? "w" : "v"}${id}${part === "data" ? "d" : "j"}`;
  return `${TEMP_PREFIX}${host}.${pid}.${started}.${label}`;
}

/** What the name of a file of a value with a journal says; `undefined` for all other names. */
export function parseJournalledName(name: string): JournalledName | undefined {
  const [, state, id = "", part] = JOURNALLED.exec(name) ?? [];
  if (state === undefined || tempOwner(name) === undefined) return undefined;
  return { id, part: part === "d" ? "data" : "journal", isSetAside: state === "w" };
}

/** True for names that are never listed and never keys. */
export function isTempName(name: string): boolean {
  return name.startsWith(TEMP_PREFIX);
}

/** Who made a temporary file; `undefined` if the name is not of the form that {@link tempName} gives. */
export function tempOwner(name: string): TempOwner | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  return { host: match[1] as string, pid: Number(match[2]), started: match[3] as string };
}

/** True if the maker of a temporary file runs, or ran, where it can be asked for: not elsewhere on a shared disk. */
export function isOnThisMachine(owner: TempOwner): boolean {
  return owner.host === thisProcess().host;
}

/** True if the maker of a temporary file, on this machine, can no longer be writing it. */
export function isOwnerDead(owner: TempOwner): boolean {
  const started = startOf(owner.pid);
  if (started !== undefined) return started !== owner.started;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return true;
    if (errnoOf(error) === "EPERM") return false;
    throw error;
  }
}

function thisProcess(): TempOwner {
  self ??= { host: hostLabel(), pid: process.pid, started: startOf(process.pid) ?? UNKNOWN_START };
  return self;
}

function hostLabel(): string {
  return hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 40);
}

/**
 * When a process started, in ticks since the machine did; `undefined` if there is no such process, or no `/proc`.
 * A process number alone says little: a container that starts again gives its process the same one.
 */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in parentheses, and may hold anything, also spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // It has ended, and is only listed until its parent asks; in containers often nobody does.
    if (fields[0] === "Z" || fields[0] === "X") return ENDED;
    return fields[19];
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** What never changes while the process runs, asked for once. */
let self: TempOwner | undefined;

const UNKNOWN_START = "0";

/** No start is written so. */
const ENDED = "-";
