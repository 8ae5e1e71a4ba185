/** Checks of what a writer announces. */
import type { StreamAsset, StreamDatum, StreamResource } from "../core/documents.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import { check, checkEqual, collect } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import type { WriterSubject } from "./writer-kit.ts";
import { cameraFrame, detectorFrame, openBoth, untilAnnounced } from "./writer-kit-support.ts";

function announced(writer: FrameWriter, source: string, indices: number) {
  const assets: StreamAsset[] = [...writer.collectStreamDocs(source, indices)];
  return {
    kinds: assets.map(([kind]) => kind),
    resource: assets.find(([kind]) => kind === "stream_resource")?.[1] as StreamResource | undefined,
    datum: assets.find(([kind]) => kind === "stream_datum")?.[1] as StreamDatum | undefined,
  };
}

/** See {@link writerConformance}. */
export const writerDocumentChecks: readonly KitCheck<WriterSubject>[] = [
  {
    name: "the resource comes once, then the rows without gaps",
    run: async (subject) => {
      const { writer } = subject;
      const { cam } = await openBoth(subject);
      checkEqual(announced(writer, "cam", 10).kinds, [], "Before the first frame");
      for (let n = 0; n < 3; n++) await cam.write(cameraFrame(n));
      await untilAnnounced(writer, "cam", 3);
      checkEqual(announced(writer, "cam", 0).kinds, [], "Up to index 0");
      const first = announced(writer, "cam", 2);
      checkEqual(first.kinds, ["stream_resource", "stream_datum"], "First collection");
      const uid = writer.sources.get("cam")?.streamResourceUid;
      checkEqual(first.resource?.uid, uid, "uid of the resource");
      checkEqual(first.resource?.data_key, "cam", "data_key");
      checkEqual(first.resource?.mimetype, writer.mimetype, "mimetype");
      check(/^[a-z][a-z0-9+.-]+:/.test(first.resource?.uri ?? ""), "The resource has a URI");
      check(typeof first.resource?.parameters === "object", "The resource has parameters");
      checkEqual(first.datum?.indices, { start: 0, stop: 2 }, "Rows of the first collection");
      checkEqual(first.datum?.seq_nums, { start: 0, stop: 0 }, "A device does not know sequence numbers");
      checkEqual([first.datum?.descriptor, first.datum?.stream_resource], ["", uid], "descriptor and stream_resource");
      checkEqual(first.datum?.uid, `${uid}/0`, "uid of the first datum");
      const second = announced(writer, "cam", 99);
      checkEqual(second.kinds, ["stream_datum"], "Second collection");
      checkEqual(second.datum?.indices, { start: 2, stop: 3 }, "No more rows than were written");
      checkEqual(announced(writer, "cam", 99).kinds, [], "Nothing new");
      await writer.close();
    },
  },
  {
    name: "what was written last is announced after the close too",
    run: async (subject) => {
      const { writer } = subject;
      const { cam } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      await writer.close();
      checkEqual(announced(writer, "cam", 1).datum?.indices, { start: 0, stop: 1 }, "Rows");
    },
  },
  {
    name: "each acquisition is a new stream at its own place",
    run: async (subject) => {
      const { writer } = subject;
      const seen: StreamResource[] = [];
      for (let run = 0; run < 2; run++) {
        const { cam } = await openBoth(subject);
        await cam.write(cameraFrame(run));
        await untilAnnounced(writer, "cam", 1);
        const { resource, datum } = announced(writer, "cam", 1);
        checkEqual(datum?.indices, { start: 0, stop: 1 }, "Rows start at 0");
        seen.push(resource as StreamResource);
        await writer.close();
      }
      check(seen[0]?.uid !== seen[1]?.uid, "Two acquisitions have two uids");
      check(seen[0]?.uri !== seen[1]?.uri, "Two acquisitions have two URIs");
    },
  },
  {
    name: "open describes its source, and repeats itself",
    run: async (subject) => {
      const { writer } = subject;
      writer.setUri(subject.newUri());
      writer.register("cam", "uint16", [6, 8]);
      const { cam } = await writer.open("cam");
      checkEqual(cam?.dtype, "array", "dtype");
      checkEqual(cam?.shape, [1, 6, 8], "shape");
      checkEqual(cam?.dtype_numpy, "<u2", "dtype_numpy");
      checkEqual(cam?.external, "STREAM:", "external");
      checkEqual(cam?.dims?.length, 3, "Number of dims");
      checkEqual(await writer.open("cam"), { cam }, "A second open");
      await writer.writeFrame("cam", cameraFrame(0));
      await untilAnnounced(writer, "cam", 1);
      checkEqual(announced(writer, "cam", 1).resource?.uri, cam?.source, "The resource is where the key says");
      await writer.close();
    },
  },
  {
    name: "with several frames an event, indices count whole events",
    run: async (subject) => {
      const { writer } = subject;
      writer.setUri(subject.newUri());
      writer.register("cam", "uint16", [6, 8]);
      const { cam } = await writer.open("cam", 2);
      checkEqual(cam?.shape, [2, 6, 8], "shape");
      for (let n = 0; n < 5; n++) await writer.writeFrame("cam", cameraFrame(n));
      await untilAnnounced(writer, "cam", 2);
      checkEqual(writer.getIndicesWritten("cam"), 2, "Events of five frames");
      checkEqual(announced(writer, "cam", 9).datum?.indices, { start: 0, stop: 2 }, "Rows");
      await writer.close();
    },
  },
  {
    name: "observers hear of frames and of the close",
    run: async (subject) => {
      const { writer } = subject;
      const { cam, det } = await openBoth(subject);
      await cam.write(cameraFrame(0));
      const counts = collect(writer.observeIndicesWritten({ name: "cam" }));
      const least = collect(writer.observeIndicesWritten());
      await cam.write(cameraFrame(1));
      await det.write(detectorFrame(0));
      await cam.write(cameraFrame(2));
      await writer.close();
      const seen = await counts;
      checkEqual(seen.at(-1), 3, "Last count");
      check(
        seen.every((count, i) => i === 0 || count > (seen[i - 1] as number)),
        "Counts grow",
      );
      checkEqual(await least, [1], "The smallest over all sources");
      checkEqual(await collect(writer.observeIndicesWritten({ name: "cam" })), [3], "An observer after the close");
    },
  },
];
