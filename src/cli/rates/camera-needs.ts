/** What the cameras of a session ask of their writers. */
import { isConfigurable, isFlyable, isPreparable } from "../../acquire/index.ts";
import { StorageError } from "../../core/errors.ts";
import type { SourceInfo } from "../../core/frame-writer.ts";
import { byteLengthOf } from "../../core/nd-array.ts";
import { writersOf } from "../../session/plans/gather.ts";
import type { Session } from "../../session/session.ts";

/** One source of a camera. */
export interface CameraNeed {
  /** Name of the device. */
  readonly device: string;
  /** What it registered with its writer. */
  readonly source: SourceInfo;
  /** Group of the writer. */
  readonly group: string;
  /** Length of one frame, before compression. */
  readonly frameBytes: number;
  /** Frames a second that the camera declares; `undefined` where it declares none, or runs as fast as it can. */
  readonly framesPerSecond: number | undefined;
}

/**
 * Lets every camera prepare for one frame, so that it registers what it writes, and lets it go again. No store is
 * opened.
 *
 * A camera declares its rate as the setting `<name>-frame_rate`, in frames a second, of its configuration.
 *
 * @throws A {@link StorageError}: `CONFIG_INVALID` without a `storage` section or for a camera with a writer of its own,
 * or what a camera threw.
 */
export async function cameraNeeds(session: Session): Promise<CameraNeed[]> {
  const context = { operation: "doctor", identifier: session.name };
  if (session.location === undefined) {
    const message = `Session "${session.name}" has no storage section, so no camera writes anything`;
    throw new StorageError("CONFIG_INVALID", message, context);
  }
  const needs: CameraNeed[] = [];
  const writers = writersOf(session);
  try {
    for (const [device, camera] of session.devices) {
      if (!isFlyable(camera) || !isPreparable(camera)) continue;
      const before = writers.map((writer) => new Set(writer.sources.keys()));
      await camera.prepare({ capacity: 1 });
      const framesPerSecond = await declaredRate(device, camera);
      for (const [index, writer] of writers.entries()) {
        const added = [...writer.sources.values()].filter(({ name }) => !before[index]?.has(name));
        const group = [...session.writers].find(([, each]) => each === writer)?.[0];
        if (added.length > 0 && group === undefined) {
          const message = `Camera "${device}" has a writer of its own, "${writer.name}", which cannot be opened again`;
          throw new StorageError("CONFIG_INVALID", message, context);
        }
        for (const source of added) {
          // The registration goes with clearSources below.
          const copy = { ...source, shape: [...source.shape], dtype: source.dtype, extra: source.extra };
          needs.push({ device, source: copy, group: group as string, frameBytes: byteLengthOf(copy), framesPerSecond });
        }
      }
    }
  } finally {
    for (const writer of writers) {
      await writer.close();
      writer.clearSources();
    }
  }
  return needs;
}

async function declaredRate(name: string, camera: object): Promise<number | undefined> {
  if (!isConfigurable(camera)) return undefined;
  const rate = (await camera.readConfiguration())[`${name}-frame_rate`]?.value;
  return typeof rate === "number" && rate > 0 && Number.isFinite(rate) ? rate : undefined;
}
