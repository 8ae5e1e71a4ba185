/**
 * Conformance kits and fakes, for authors of backends, writers and devices. They load none of our backends.
 *
 * @module
 */
export { FakeStorage, type RecordedCall } from "./fake-storage.ts";
export { type WriterKitOptions, type WriterSubject, writerConformance } from "./writer-kit.ts";
