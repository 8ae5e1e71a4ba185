/**
 * Conformance kits and fakes, for authors of backends, writers and devices. They load none of our backends.
 *
 * @module sluice/testing
 */

export { ConformanceError, check, checkEqual, checkRejects } from "./assertions.ts";
export { backendConformance } from "./backend-kit.ts";
export type { BackendMutant } from "./backend-mutant.ts";
export { backendMutants } from "./backend-mutants.ts";
export type { BackendSetup, BackendSubject, ValueSideDoor } from "./backend-subject.ts";
export {
  type ByteStoreSetup,
  type ByteStoreSubject,
  byteStoreConformance,
  byteStoreGroups,
  type SideDoor,
} from "./byte-store-kit.ts";
export {
  type ByteStoreModelSetup,
  byteStoreCommands,
  COMMAND_CHOICES,
  withByteStoreModel,
} from "./byte-store-model.ts";
export { type CollectedResult, CollectingRunner, type CollectOptions } from "./collecting-runner.ts";
export { edgeByteStoreMutants } from "./edge-mutants.ts";
export { FakeClock } from "./fake-clock.ts";
export { FakeStorage, type RecordedCall } from "./fake-storage.ts";
export { declareKit, type KitCheck, type KitGroup, type KitSetup, type Runner } from "./kit.ts";
export { liveEngineConformance, liveEngineGroups } from "./live-engine-kit.ts";
export { type LiveEngineMutant, liveEngineMutants, spoiled } from "./live-engine-mutants.ts";
export type { LiveEngineSetup, LiveEngineSubject } from "./live-engine-subject.ts";
export { lossByteStoreMutants } from "./loss-mutants.ts";
export type { CommandFactory, StoreCommand } from "./model-command.ts";
export type { ModelReal, ModelState, ModelSubject } from "./model-state.ts";
export { moreByteStoreMutants } from "./more-mutants.ts";
export { byteStoreMutants, type Mutant, override, overrideWriter } from "./mutants.ts";
export {
  type ReceivedValue,
  type SinkSetup,
  type SinkSubject,
  sinkConformance,
  sinkGroups,
} from "./sink-kit.ts";
export { type SinkMutant, sinkMutants } from "./sink-mutants.ts";
export { type WriterKitOptions, type WriterSubject, writerConformance } from "./writer-kit.ts";
