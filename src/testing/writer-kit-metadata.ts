/** Checks of metadata: what of it reaches the store, and when it is forgotten. */
import { checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import type { WriterSubject } from "./writer-kit.ts";
import { openBoth, registerBoth, storeUriOf } from "./writer-kit-support.ts";

/** See {@link writerConformance}. */
export const writerMetadataChecks: readonly KitCheck<WriterSubject>[] = [
  {
    name: "it accumulates key by key, is in the store, and is forgotten at the close",
    run: async (subject) => {
      const { writer } = subject;
      writer.updateMetadata({ cam: { exposure: 0.1, roi: [0, 1] }, operator: "ada" });
      writer.updateMetadata({ cam: { exposure: 0.2 }, stage: { x: 1.5 } });
      const { uri } = await openBoth(subject);
      await writer.close();
      const expected = { cam: { exposure: 0.2 }, operator: "ada", stage: { x: 1.5 } };
      checkEqual(await subject.readMetadata(uri), expected, "Metadata of the first store");
      const next = await openBoth(subject);
      await writer.close();
      checkEqual(await subject.readMetadata(next.uri), {}, "Metadata of the second store");
    },
  },
  {
    name: "it is in the store as soon as that is open",
    run: async (subject) => {
      subject.writer.updateMetadata({ operator: "ada" });
      const { uri } = await openBoth(subject);
      checkEqual(await subject.readMetadata(uri), { operator: "ada" }, "Metadata of the open store");
      await subject.writer.close();
    },
  },
  {
    name: "it is copied when it is given",
    run: async (subject) => {
      const settings = { roi: [0, 1] };
      subject.writer.updateMetadata({ settings });
      settings.roi.push(2);
      const { uri } = await openBoth(subject);
      await subject.writer.close();
      checkEqual(await subject.readMetadata(uri), { settings: { roi: [0, 1] } }, "Metadata");
    },
  },
  {
    name: "clearMetadata forgets",
    run: async (subject) => {
      subject.writer.updateMetadata({ operator: "ada" });
      subject.writer.clearMetadata();
      const { uri } = await openBoth(subject);
      await subject.writer.close();
      checkEqual(await subject.readMetadata(uri), {}, "Metadata");
    },
  },
  {
    name: "it survives an opening that failed",
    run: async (subject) => {
      const { writer } = subject;
      registerBoth(writer);
      writer.updateMetadata({ operator: "ada" });
      const sink = await writer.prepare("cam");
      await checkRejects(writer.kickoff(), "CONFLICT", "kickoff without a location");
      writer.setUri(subject.newUri());
      await writer.kickoff();
      await sink.close();
      checkEqual(await subject.readMetadata(storeUriOf(writer)), { operator: "ada" }, "Metadata");
    },
  },
  {
    name: "what comes while the store is open is there after the close",
    run: async (subject) => {
      subject.writer.updateMetadata({ early: 1 });
      const { uri } = await openBoth(subject);
      subject.writer.updateMetadata({ late: 2 });
      await subject.writer.close();
      checkEqual(await subject.readMetadata(uri), { early: 1, late: 2 }, "Metadata");
    },
  },
  {
    name: "what JSON cannot keep is refused, and nothing of it is kept",
    run: async (subject) => {
      const { writer } = subject;
      const cycle: Record<string, unknown> = {};
      cycle.self = cycle;
      for (const value of [Number.NaN, 1n, () => 1, undefined, new Uint8Array(2), new Date(0), cycle]) {
        await checkRejects(() => writer.updateMetadata({ good: 1, bad: { value } }), "INVALID_DATA", `${typeof value}`);
      }
      const { uri } = await openBoth(subject);
      await writer.close();
      checkEqual(await subject.readMetadata(uri), {}, "Metadata");
    },
  },
];
