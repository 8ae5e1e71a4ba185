/** Conformance of byte stores: every promise of the byte plane as a check. */
import type { ByteStore } from "../core/byte-store.ts";
import type { StoreCapabilities } from "../core/capabilities.ts";
import { abortChecks } from "./byte-store-aborts.ts";
import { ifAbsentChecks, ifMatchChecks, transferRaceChecks } from "./byte-store-conditions.ts";
import { directoryChecks, linkChecks } from "./byte-store-directories.ts";
import { listingChecks } from "./byte-store-listing.ts";
import { impliedDirectoryChecks, rangeChecks, readChecks } from "./byte-store-reading.ts";
import { refusalChecks } from "./byte-store-refusals.ts";
import { deleteChecks, transferChecks } from "./byte-store-transfers.ts";
import { flatKeyChecks, treeKeyChecks } from "./byte-store-trees.ts";
import { positionalChecks, writerChecks } from "./byte-store-writers.ts";
import { keyChecks, lifeChecks, writeChecks } from "./byte-store-writing.ts";
import { declareKit, type KitGroup, type Runner } from "./kit.ts";

/**
 * A way to the stored bytes that goes past the store: files on the disk, the vendor's own client, a second connection.
 * Writes are verified through it, so that a store that forgets what it was told and remembers it when it is asked does
 * not pass.
 */
export interface SideDoor {
  /** Puts a value there, and the directories that it needs. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The value that is there; `undefined` if none is. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Everything that is there, hidden and temporary things too, in any order: what proves that nothing was left. */
  keys(): Promise<string[]>;
}

/** A fresh store to be checked. */
export interface ByteStoreSubject<Store extends ByteStore = ByteStore> {
  /** Empty. */
  readonly store: Store;
  readonly side: SideDoor;
  /** Frees what was made for it; the kit has closed the store before. */
  readonly dispose?: (() => Promise<void>) | undefined;
}

/** How the kit gets its stores. */
export interface ByteStoreSetup {
  /** Makes a fresh, empty store; called once for each check. */
  readonly make: () => Promise<ByteStoreSubject>;
  /** What the stores declare. They must declare the same when they are made. */
  readonly capabilities: StoreCapabilities;
}

/**
 * Declares the conformance checks of a byte store to a test runner.
 *
 * @param runner - `{ describe, test }` of vitest, Jest or `node:test`, or a `CollectingRunner`.
 * @param name - Name of the store, for headings.
 * @example
 * ```ts
 * import { describe, test } from "vitest";
 * import { byteStoreConformance } from "sluice/testing";
 * byteStoreConformance({ describe, test }, "TapeStore", { capabilities: tapeCapabilities, make });
 * ```
 */
export function byteStoreConformance(runner: Runner, name: string, setup: ByteStoreSetup): void {
  const dispose = async (subject: ByteStoreSubject) => {
    try {
      await subject.store.close();
    } finally {
      await subject.dispose?.();
    }
  };
  declareKit(runner, `byte store ${name}`, { make: setup.make, dispose }, byteStoreGroups(setup.capabilities));
}

/** The groups of checks, gated by what a store declares. */
export function byteStoreGroups(capabilities: StoreCapabilities): KitGroup<ByteStoreSubject>[] {
  const { write, list, positionalWrite, directories, flatKeys, symlinks } = capabilities;
  const needsWrite = write ? undefined : "write is false";
  const refusals = refusalChecks(capabilities);
  return [
    ...(refusals.length > 0 ? [{ name: "what it does not declare", checks: refusals }] : []),
    { name: "capabilities and life", checks: lifeChecks(capabilities) },
    { name: "reads", checks: readChecks },
    { name: "directories by name", gate: list ? undefined : "list is false", checks: impliedDirectoryChecks },
    { name: "ranges", checks: rangeChecks },
    { name: "keys", gate: needsWrite, checks: keyChecks },
    { name: "writes", gate: needsWrite, checks: writeChecks },
    { name: "keys of a tree", gate: needsWrite ?? (flatKeys ? "flatKeys is true" : undefined), checks: treeKeyChecks },
    { name: "flat keys", gate: needsWrite ?? (flatKeys ? undefined : "flatKeys is false"), checks: flatKeyChecks },
    { name: "conditions: ifAbsent", gate: needsWrite ?? none(capabilities, "ifAbsent"), checks: ifAbsentChecks },
    { name: "conditions: ifMatch", gate: needsWrite ?? none(capabilities, "ifMatch"), checks: ifMatchChecks },
    { name: "byte writers", gate: needsWrite, checks: writerChecks },
    {
      name: "positional writes",
      gate: needsWrite ?? (positionalWrite ? undefined : "positionalWrite is false"),
      checks: positionalChecks,
    },
    { name: "listings", gate: list ? undefined : "list is false", checks: listingChecks },
    { name: "deletes", gate: needsWrite, checks: deleteChecks },
    { name: "copies and renames", gate: needsWrite, checks: transferChecks },
    {
      name: "races of copies and renames",
      gate: needsWrite ?? (capabilities.rename === "native" ? undefined : `rename is ${capabilities.rename}`),
      checks: transferRaceChecks,
    },
    { name: "aborts", gate: needsWrite, checks: abortChecks },
    { name: "directories", gate: directories ? needsWrite : "directories is false", checks: directoryChecks },
    { name: "links", gate: symlinks ? needsWrite : "symlinks is false", checks: linkChecks },
  ];
}

function none(capabilities: StoreCapabilities, name: "ifAbsent" | "ifMatch"): string | undefined {
  return capabilities[name] === "none" ? `${name} is none` : undefined;
}
