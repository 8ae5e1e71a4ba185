/** Conformance of value backends: every promise of the value plane as a check. */
import { flatKeyChecks } from "./backend-flat.ts";
import { identityChecks, keyChecks, listChecks, loadChecks, predicateChecks } from "./backend-reading.ts";
import type { BackendSetup, BackendSubject } from "./backend-subject.ts";
import { deleteChecks, directoryChecks, ensureChecks, linkChecks, transferChecks } from "./backend-tree.ts";
import { batchChecks, saveChecks, valueChecks } from "./backend-writing.ts";
import { declareKit, type KitGroup, type Runner } from "./kit.ts";

/**
 * Declares the conformance checks of a value backend to a test runner. Values are small arrays under `.npy` paths;
 * backends that take any value get JSON, text and bytes too.
 *
 * @param runner - `{ describe, test }` of vitest, Jest or `node:test`, or a `CollectingRunner`.
 * @param name - Name of the backend, for headings.
 * @example
 * ```ts
 * import { describe, test } from "vitest";
 * import { backendConformance } from "sluice/testing";
 * backendConformance({ describe, test }, "TapeBackend", { capabilities: tapeCapabilities, make });
 * ```
 * @see OpenHCS `tests/`, which write the same battery out for each backend
 */
export function backendConformance(runner: Runner, name: string, setup: BackendSetup): void {
  const dispose = async (subject: BackendSubject) => {
    try {
      await subject.backend.close();
    } finally {
      await subject.dispose?.();
    }
  };
  declareKit(runner, `backend ${name}`, { make: setup.make, dispose }, backendGroups(setup));
}

/** The groups of checks, gated by what a backend declares. */
export function backendGroups({
  capabilities,
  savesOnly = false,
}: Pick<BackendSetup, "capabilities" | "savesOnly">): KitGroup<BackendSubject>[] {
  const { read, write, list, directories, flatKeys, symlinks, values } = capabilities;
  const needsRead = read ? undefined : "read is false";
  const needsWrite = write ? needsRead : "write is false";
  const needsTree = needsWrite ?? (savesOnly ? "savesOnly is true" : undefined);
  const needsAny = values === "any" ? undefined : `values is "${values}"`;
  return [
    { name: "identity and life", gate: needsRead, checks: identityChecks(capabilities) },
    { name: "loads", gate: needsRead, checks: loadChecks },
    { name: "predicates", gate: needsRead, checks: predicateChecks },
    { name: "listings", gate: list ? needsRead : "list is false", checks: listChecks },
    { name: "keys", gate: needsRead, checks: keyChecks(capabilities) },
    { name: "saves", gate: needsWrite, checks: saveChecks(capabilities) },
    { name: "values of any kind", gate: needsWrite ?? needsAny, checks: valueChecks },
    { name: "batches", gate: needsWrite, checks: batchChecks },
    { name: "deleting", gate: needsTree, checks: deleteChecks },
    { name: "copying and moving", gate: needsTree, checks: transferChecks(capabilities) },
    {
      name: "flat keys",
      gate: needsTree ?? (flatKeys ? undefined : "flatKeys is false"),
      checks: flatKeyChecks,
    },
    { name: "ensureDirectory", gate: needsTree, checks: ensureChecks },
    {
      name: "directories",
      gate: needsTree ?? (directories ? undefined : "directories is false"),
      checks: directoryChecks,
    },
    { name: "symbolic links", gate: needsTree ?? (symlinks ? undefined : "symlinks is false"), checks: linkChecks },
  ];
}
