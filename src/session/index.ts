/**
 * Sessions: a file names backends, writers, devices and a plan; `openSession` makes them and connects them.
 *
 * @module sluice/session
 */
import "reflect-metadata";

export { Camera, type FrameFormat } from "./devices/camera.ts";
export { ReplayCamera, type ReplayCameraOptions } from "./devices/replay-camera.ts";
export { SimulatedCamera, type SimulatedCameraOptions } from "./devices/simulated-camera.ts";
export { SimulatedStage, type SimulatedStageOptions } from "./devices/simulated-stage.ts";
export { type OpenSessionOptions, openSession } from "./open-session.ts";
export { type CountOptions, count } from "./plans/count.ts";
export type { DeviceSummary, Plan, RunOptions, RunProgress, RunSummary } from "./plans/run.ts";
export { type Picture, type Preview, type PreviewOptions, toPicture, writePreview } from "./preview.ts";
export {
  type CatalogConfig,
  type DeviceConfig,
  type LiveConfig,
  type PlanConfig,
  type SessionConfig,
  type SessionInput,
  type StorageConfig,
  sessionJsonSchema,
  sessionSchema,
} from "./schema.ts";
export { Session } from "./session.ts";
export type { CatalogReport, SessionCatalog } from "./session-catalog.ts";
export type { LiveReport } from "./session-live.ts";
export type { RunFolder, StorageLocation } from "./storage.ts";
export {
  BACKENDS,
  CATALOG,
  DEVICE_NAME,
  DEVICE_OPTIONS,
  FILES,
  LIVE,
  PATH_PROVIDER,
  WRITER,
  writerToken,
} from "./tokens.ts";
