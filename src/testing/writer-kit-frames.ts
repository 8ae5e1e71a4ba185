/** Checks of frames: their values, their order, their counts. */
import { type NdArray, ndArray, zeros } from "../core/nd-array.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import type { WriterSubject } from "./writer-kit.ts";
import {
  cameraFrame,
  checkStored,
  detectorFrame,
  openBoth,
  registerBoth,
  untilAnnounced,
} from "./writer-kit-support.ts";

/** See {@link writerConformance}. */
export const writerFrameChecks: readonly (KitCheck<WriterSubject> & { readonly needsFailure?: boolean })[] = [
  {
    name: "writes that are not awaited keep call order, and answer their indices",
    run: async (subject) => {
      const { cam, det, uri } = await openBoth(subject);
      const writes: Promise<number>[] = [];
      for (let n = 0; n < 9; n++) {
        writes.push(cam.write(cameraFrame(n)));
        if (n % 3 === 0) writes.push(det.write(detectorFrame(n)));
      }
      checkEqual(await Promise.all(writes), [0, 0, 1, 2, 3, 1, 4, 5, 6, 2, 7, 8], "Indices");
      await Promise.all([cam.close(), det.close()]);
      await checkStored(
        subject,
        uri,
        "cam",
        Array.from({ length: 9 }, (_, n) => cameraFrame(n)),
      );
      await checkStored(subject, uri, "det", [0, 3, 6].map(detectorFrame));
    },
  },
  {
    name: "close waits for frames under way",
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      const writes = [0, 1, 2].map((n) => cam.write(cameraFrame(n)));
      await subject.writer.close();
      await Promise.all(writes);
      await checkStored(subject, uri, "cam", [0, 1, 2].map(cameraFrame));
    },
  },
  {
    name: "a frame is the caller's again once its write has settled",
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      const buffer = new Uint16Array(48);
      for (let n = 0; n < 4; n++) {
        buffer.set(cameraFrame(n).data as Uint16Array);
        await cam.write(ndArray(buffer, [6, 8]));
      }
      buffer.fill(0xffff);
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [0, 1, 2, 3].map(cameraFrame));
    },
  },
  {
    name: "strided frames are stored by their values",
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      const wide = Uint16Array.from({ length: 160 }, (_, i) => i);
      const transposed: NdArray = { data: wide, shape: [6, 8], stride: [1, 6], dtype: "uint16" };
      const everySecond: NdArray = { data: wide, shape: [6, 8], stride: [20, 2], dtype: "uint16" };
      await cam.write(transposed);
      await cam.write(everySecond);
      await subject.writer.close();
      const plain = ({ stride: [dy = 0, dx = 0] }: NdArray) =>
        ndArray(
          Uint16Array.from({ length: 48 }, (_, i) => Math.floor(i / 8) * dy + (i % 8) * dx),
          [6, 8],
        );
      await checkStored(subject, uri, "cam", [plain(transposed), plain(everySecond)]);
    },
  },
  {
    name: "frames of another dtype or shape are refused and counted, and leave no gap",
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      await checkRejects(cam.write(zeros([6, 8], "int16")), "DTYPE_MISMATCH", "Another dtype");
      await checkRejects(cam.write(zeros([8, 6], "uint16")), "SHAPE_MISMATCH", "Another shape");
      await checkRejects(cam.write(zeros([6, 8, 1], "uint16")), "SHAPE_MISMATCH", "One more axis");
      const short: NdArray = { ...cameraFrame(0), data: new Uint16Array(47) };
      await checkRejects(cam.write(short), "INVALID_DATA", "Too little data");
      await checkRejects(
        cam.write({ ...cameraFrame(0), data: new Int16Array(48) }),
        "INVALID_DATA",
        "Data of another type",
      );
      await checkRejects(cam.write(undefined as never), "INVALID_DATA", "No frame at all");
      checkEqual(await cam.write(cameraFrame(1)), 1, "Index after the refused ones");
      checkEqual(subject.writer.sources.get("cam")?.framesRejected, 6, "framesRejected");
      checkEqual(subject.writer.sources.get("cam")?.framesWritten, 2, "framesWritten");
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [cameraFrame(0), cameraFrame(1)]);
    },
  },
  {
    name: "beyond its capacity a source refuses and counts; 0 is unlimited",
    run: async (subject) => {
      const { cam, det, uri } = await openBoth(subject, 2);
      const writes = await Promise.allSettled([0, 1, 2, 3].map((n) => cam.write(cameraFrame(n))));
      checkEqual(
        writes.map(({ status }) => status),
        ["fulfilled", "fulfilled", "rejected", "rejected"],
        "Four into two",
      );
      await checkRejects(cam.write(cameraFrame(4)), "CAPACITY_EXCEEDED", "A fifth");
      checkEqual(subject.writer.sources.get("cam")?.framesRejected, 3, "framesRejected");
      for (let n = 0; n < 5; n++) await det.write(detectorFrame(n));
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [0, 1].map(cameraFrame));
      await checkStored(subject, uri, "det", [0, 1, 2, 3, 4].map(detectorFrame));
    },
  },
  {
    name: "frames before the opening and after the end are refused and counted",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      const early = await writer.prepare("cam");
      await checkRejects(early.write(cameraFrame(0)), "NOT_OPEN", "A frame before kickoff");
      await checkRejects(writer.writeFrame("det", detectorFrame(0)), "NOT_OPEN", "A frame of a source not prepared");
      checkEqual(writer.sources.get("cam")?.framesRejected, 1, "framesRejected");
      const { cam, det, uri } = await openBoth(subject);
      await checkRejects(early.write(cameraFrame(0)), "NOT_OPEN", "A frame through a sink that was replaced");
      await cam.write(cameraFrame(1));
      await cam.close();
      await checkRejects(cam.write(cameraFrame(2)), "NOT_OPEN", "A frame after its source has ended");
      checkEqual(writer.sources.get("cam")?.framesRejected, 2, "framesRejected after the end");
      await det.close();
      await checkRejects(det.write(detectorFrame(2)), "NOT_OPEN", "A frame after the close");
      await checkStored(subject, uri, "cam", [cameraFrame(1)]);
    },
  },
  {
    name: "an aborted write stores nothing and takes no index",
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      await checkRejects(cam.write(cameraFrame(9), { signal: AbortSignal.abort() }), "ABORTED", "An aborted write");
      checkEqual(await cam.write(cameraFrame(0)), 0, "Index");
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [cameraFrame(0)]);
    },
  },
  {
    name: "counts start anew with each acquisition",
    run: async (subject) => {
      const first = await openBoth(subject);
      await first.cam.write(cameraFrame(0));
      await subject.writer.close();
      checkEqual(subject.writer.getIndicesWritten("cam"), 1, "Count after the close");
      const next = await openBoth(subject);
      checkEqual(subject.writer.getIndicesWritten("cam"), 0, "Count after prepare");
      checkEqual(await next.cam.write(cameraFrame(1)), 0, "First index");
      await subject.writer.close();
    },
  },
  {
    name: "getIndicesWritten is the smallest over all sources, 0 without any",
    run: async (subject) => {
      const { writer } = subject;
      checkEqual(writer.getIndicesWritten(), 0, "Without sources");
      const { cam, det } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      await cam.write(cameraFrame(1));
      checkEqual(writer.getIndicesWritten(), 0, "With one silent source");
      await det.write(detectorFrame(0));
      await untilAnnounced(writer, "cam", 2);
      await untilAnnounced(writer, "det", 1);
      checkEqual([writer.getIndicesWritten(), writer.getIndicesWritten("cam")], [1, 2], "All, and one");
      await writer.close();
    },
  },
  {
    name: "a frame that could not be stored is counted, takes no index, and does not stop the next",
    needsFailure: true,
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      subject.failNextFrame?.();
      const failed = await cam.write(cameraFrame(1)).then(
        () => false,
        () => true,
      );
      check(failed, "The failure reaches the caller");
      const { framesWritten, framesRejected } = subject.writer.sources.get("cam") ?? {};
      checkEqual([framesWritten, framesRejected], [1, 1], "framesWritten and framesRejected");
      checkEqual(await cam.write(cameraFrame(2)), 1, "Index of the next frame");
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [cameraFrame(0), cameraFrame(2)]);
    },
  },
  {
    name: "of frames that are not awaited, those that report success are exactly those that are stored",
    needsFailure: true,
    run: async (subject) => {
      const { cam, uri } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      subject.failNextFrame?.();
      const numbers = Array.from({ length: 8 }, (_, i) => i + 1);
      const results = await Promise.allSettled(numbers.map((n) => cam.write(cameraFrame(n))));
      await cam.write(cameraFrame(9));
      const kept = numbers.filter((_, i) => results[i]?.status === "fulfilled");
      check(kept.length < numbers.length, "One frame at least has failed");
      checkEqual(subject.writer.sources.get("cam")?.framesWritten, kept.length + 2, "framesWritten");
      await subject.writer.close();
      await checkStored(subject, uri, "cam", [0, ...kept, 9].map(cameraFrame));
    },
  },
];
