import { expect, it } from "vitest";
import type { AxisSelection } from "../../src/core/nd-array.ts";
import { resolveSelection } from "../../src/core/selection.ts";

it("takes indices, ranges and whole axes, counted from either end", () => {
  expect(resolveSelection([1, [-2, 4], null], [3, 4, 5])).toEqual({
    start: [1, 2, 0],
    stop: [2, 4, 5],
    keptAxes: [1, 2],
  });
});

it.each([{ start: 0 }, "1", [1], [0, 1, 2], true])("names what is no selection: %j", (part) => {
  const selection = [null, part] as AxisSelection[];
  expect(() => resolveSelection(selection, [3, 4])).toThrow(
    `Selection ${JSON.stringify(part)} of axis 1 is neither an index, nor [start, stop], nor null`,
  );
});
