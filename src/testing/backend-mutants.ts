/**
 * Faulty backends, each with one mistake that real ones have made. The conformance kit must refuse every one; an author
 * can plant them in a backend of their own, to see that the kit looks at it.
 *
 * @see OpenHCS, where most of these were found in released backends
 */
import type { BackendMutant } from "./backend-mutant.ts";
import { treeMutants } from "./backend-tree-mutants.ts";
import { valueMutants } from "./backend-value-mutants.ts";

/** All mutants. */
export const backendMutants: readonly BackendMutant[] = [
  {
    name: "declares what it does not have",
    plant: (backend) => {
      const { capabilities } = backend;
      Object.assign(backend, { capabilities: { ...capabilities, persistent: !capabilities.persistent } });
    },
  },
  ...valueMutants,
  ...treeMutants,
];
