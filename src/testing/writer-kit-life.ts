/** Checks of a writer's life: registering, opening, ending, and doing it again. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import type { WriterSubject } from "./writer-kit.ts";
import {
  cameraFrame,
  checkStored,
  detectorFrame,
  openBoth,
  registerBoth,
  storeUriOf,
  untilAnnounced,
} from "./writer-kit-support.ts";

/** See {@link writerConformance}. */
export const writerLifeChecks: readonly KitCheck<WriterSubject>[] = [
  {
    name: "sunflare's sequence, with two devices, twice on one writer",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      for (const run of [0, 1]) {
        writer.setUri(subject.newUri());
        const cam = await writer.prepare("cam", 2);
        const det = await writer.prepare("det", 1);
        await writer.kickoff();
        await writer.kickoff();
        const uri = storeUriOf(writer);
        await cam.write(cameraFrame(run));
        await det.write(detectorFrame(run));
        await cam.write(cameraFrame(run + 1));
        await cam.close();
        check(writer.isOpen, "The close of the first source leaves the store open");
        await det.close();
        check(!writer.isOpen, "The close of the last source closes the store");
        await checkStored(subject, uri, "cam", [cameraFrame(run), cameraFrame(run + 1)]);
        await checkStored(subject, uri, "det", [detectorFrame(run)]);
        checkEqual([...writer.sources.keys()], ["cam", "det"], "Sources after the close");
      }
    },
  },
  {
    name: "redsun's sequence, with two devices, twice on one writer",
    run: async (subject) => {
      const { writer } = subject;
      for (const run of [0, 1]) {
        writer.clearSources();
        writer.setUri(subject.newUri());
        writer.updateMetadata({ run });
        writer.register("cam", "uint16", [6, 8], 2);
        writer.register("det", "uint8", [4, 4]);
        await Promise.all([writer.open("cam"), writer.open("det")]);
        const uri = storeUriOf(writer);
        await writer.writeFrame("cam", cameraFrame(run));
        await writer.writeFrame("det", detectorFrame(run));
        await untilAnnounced(writer, "cam", 1);
        checkEqual(
          [...writer.collectStreamDocs("cam", 1)].map(([kind]) => kind),
          ["stream_resource", "stream_datum"],
          "Documents",
        );
        await writer.close();
        await writer.close();
        check(!writer.isOpen, "close closes, whatever has not ended");
        await checkStored(subject, uri, "cam", [cameraFrame(run)]);
        await checkStored(subject, uri, "det", [detectorFrame(run)]);
        checkEqual(await subject.readMetadata(uri), { run }, "Metadata");
      }
    },
  },
  {
    name: "concurrent kickoffs open once",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      writer.setUri(subject.newUri());
      const sink = await writer.prepare("cam");
      await Promise.all([writer.kickoff(), writer.kickoff(), writer.open("cam")]);
      await sink.write(cameraFrame(1));
      await sink.close();
      await checkStored(subject, storeUriOf(writer), "cam", [cameraFrame(1)]);
    },
  },
  {
    name: "a repeated close does nothing, also in the middle of the next acquisition",
    run: async (subject) => {
      const { cam, det } = await openBoth(subject);
      await Promise.all([cam.close(), cam.close()]);
      check(subject.writer.isOpen, "Closing one source twice does not end the other");
      await det.write(detectorFrame(0));
      await det.close();
      await det.close();
      const next = await openBoth(subject);
      await cam.close();
      await det.close();
      check(subject.writer.isOpen, "Sinks of an earlier acquisition do not end this one");
      await next.cam.write(cameraFrame(1));
      await subject.writer.close();
      await checkStored(subject, next.uri, "cam", [cameraFrame(1)]);
    },
  },
  {
    name: "ending, when nothing was opened, does nothing",
    run: async (subject) => {
      const { writer } = subject;
      await writer.close();
      await writer.complete("ghost");
      registerBoth(writer);
      await writer.complete("cam");
      await (await writer.prepare("cam")).close();
      await writer.close();
      check(!writer.isOpen, "It is still closed");
      const { cam, uri } = await openBoth(subject);
      await cam.write(cameraFrame(1));
      await writer.close();
      await checkStored(subject, uri, "cam", [cameraFrame(1)]);
    },
  },
  {
    name: "what is for a closed writer is refused while it is open",
    run: async (subject) => {
      const { writer } = subject;
      const { cam, uri } = await openBoth(subject);
      await checkRejects(() => writer.updateSource("x", "uint8", [2, 2]), "ALREADY_OPEN", "updateSource while open");
      await checkRejects(() => writer.register("x", "uint8", [2, 2]), "ALREADY_OPEN", "register while open");
      await checkRejects(() => writer.clearSource("cam"), "ALREADY_OPEN", "clearSource while open");
      await checkRejects(() => writer.clearSources(), "ALREADY_OPEN", "clearSources while open");
      await checkRejects(() => writer.setUri(subject.newUri()), "ALREADY_OPEN", "setUri while open");
      await checkRejects(() => writer.prepare("cam"), "ALREADY_OPEN", "prepare of a source that takes frames");
      await cam.write(cameraFrame(0));
      await writer.close();
      await checkStored(subject, uri, "cam", [cameraFrame(0)]);
    },
  },
  {
    name: "sources are kept until they are cleared, and unknown ones refused by name",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      writer.updateSource("cam", "uint8", [2, 3], { gain: 2 });
      checkEqual(writer.sources.get("cam")?.shape, [2, 3], "A second registration replaces the first");
      checkEqual(writer.sources.get("cam")?.extra, { gain: 2 }, "What the device said besides");
      writer.clearSource("cam");
      writer.clearSource("cam");
      await checkRejects(() => writer.clearSource("cam", { raiseIfMissing: true }), "NOT_FOUND", "clearSource");
      await checkRejects(writer.prepare("cam"), "NOT_FOUND", "prepare");
      await checkRejects(writer.open("cam"), "NOT_FOUND", "open");
      await checkRejects(writer.writeFrame("cam", cameraFrame(0)), "NOT_FOUND", "writeFrame");
      await checkRejects(() => writer.getIndicesWritten("cam"), "NOT_FOUND", "getIndicesWritten");
      await checkRejects(() => [...writer.collectStreamDocs("cam", 1)], "NOT_FOUND", "collectStreamDocs");
      writer.clearSources();
      checkEqual(writer.sources.size, 0, "Sources after clearSources");
    },
  },
  {
    name: "bad registrations are refused",
    run: async ({ writer }) => {
      await checkRejects(() => writer.updateSource("a/b", "uint8", [2, 2]), "INVALID_KEY", "A name with a slash");
      await checkRejects(() => writer.updateSource("", "uint8", [2, 2]), "INVALID_KEY", "An empty name");
      await checkRejects(
        () => writer.updateSource("a", "complex64" as never, [2, 2]),
        "DTYPE_MISMATCH",
        "A complex dtype",
      );
      await checkRejects(() => writer.updateSource("a", "uint8", [2, -1]), "SHAPE_MISMATCH", "A negative length");
      await checkRejects(() => writer.register("a", "uint8", [2, 2], -1), "INVALID_DATA", "A negative capacity");
      writer.register("a", "uint8", [2, 2]);
      await checkRejects(writer.prepare("a", -1), "INVALID_DATA", "A negative capacity in prepare");
    },
  },
  {
    name: "an opening without a location fails, and can be tried again",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      const cam = await writer.prepare("cam");
      await checkRejects(writer.kickoff(), "CONFLICT", "kickoff without a location");
      check(!writer.isOpen, "The writer is closed after a failed opening");
      writer.setUri(subject.newUri());
      await writer.kickoff();
      await cam.write(cameraFrame(3));
      await cam.close();
      await checkStored(subject, storeUriOf(writer), "cam", [cameraFrame(3)]);
    },
  },
  {
    name: "an existing store is never written to",
    run: async (subject) => {
      const { writer } = subject;
      const { cam, uri } = await openBoth(subject);
      await cam.write(cameraFrame(1));
      await writer.close();
      writer.setUri(uri);
      await writer.prepare("cam");
      await checkRejects(writer.kickoff(), "ALREADY_EXISTS", "kickoff at an existing store");
      await checkStored(subject, uri, "cam", [cameraFrame(1)]);
      const next = await openBoth(subject);
      await next.cam.write(cameraFrame(2));
      await writer.close();
      await checkStored(subject, next.uri, "cam", [cameraFrame(2)]);
    },
  },
];
