/**
 * Conformance kits and fakes, for authors of backends, writers and devices. They load none of our backends.
 *
 * @module
 */
export { backendConformance } from "./backend-kit.ts";
export type { BackendMutant } from "./backend-mutant.ts";
export { backendMutants } from "./backend-mutants.ts";
export type { BackendSetup, BackendSubject, ValueSideDoor } from "./backend-subject.ts";
export { FakeStorage, type RecordedCall } from "./fake-storage.ts";
export { type WriterKitOptions, type WriterSubject, writerConformance } from "./writer-kit.ts";
