/** References to more images than are asked for at once. */
import { describe, expect, it } from "vitest";
import { readFrames } from "../../../src/catalog/image-refs.ts";
import { readStreams } from "../../../src/catalog/stream-row.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";

/** Two images an event, but for the first: a page of references ends between the two of one event. */
const EVENTS = 5_010;

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime }) => {
  prepare();

  it("are each there once, in the order of the events", { timeout: 120_000 }, async () => {
    await using file = await BeamtimeFile.make(await newBeamtime());
    await file.run({ uid: "a" });
    const stream = await file.stream("a");
    await file.events(
      stream,
      Array.from({ length: EVENTS }, () => ({})),
    );
    const events = Array.from({ length: EVENTS }, (_, i) => `${stream}-${i + 1}`);
    const refs = events.flatMap((event, i) => (i === 0 ? [event] : [event, event]));
    const row = (event: string, index: number, field: string) => ({
      ...{ event_uid: event, field_name: field, zarr_group: `runs/a/${field}`, index_in_stack: index },
      ...{ shape_x: 2, shape_y: 3, dtype: "uint16" },
    });
    await file.insertMany(
      "image_refs",
      refs.map((event, index) => row(event, index, "cam")),
    );
    await file.insert("image_refs", row(events[3] as string, 0, "other"));
    const streams = await readStreams(file.database, "a");
    const { count, runs } = await readFrames(file.database, "a", "cam", streams);
    expect(count).toBe(2 * EVENTS - 1);
    expect(runs.map(({ first, count: frames }) => [first, frames])).toEqual([[0, 2 * EVENTS - 1]]);
    expect((await readFrames(file.database, "a", "other", streams)).count).toBe(1);
  });
});
