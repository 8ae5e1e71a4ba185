/** One region of every form, and of every field. */
import type { RoiInit } from "../../src/codecs/roi/check-roi.ts";
import { ndArray } from "../../src/core/nd-array.ts";

const triangle = [
  [10, 20],
  [13, 20],
  [10, 25],
] as const;
const fractions = [
  [1.1, 2.2],
  [3.3, -4.4],
  [70_005.5, 6.6],
] as const;

export const everyRoi: readonly RoiInit[] = [
  { kind: "rectangle", x: 3, y: 4, width: 50, height: 60, name: "plain" },
  { kind: "rectangle", x: 3.25, y: 4.5, width: 50.75, height: 60, cornerDiameter: 12, name: "rounded" },
  { kind: "rectangle", x: -40, y: 40_000, width: 20, height: 20_000, name: "far" },
  { kind: "ellipse", x: 3, y: 4, width: 50, height: 60 },
  { kind: "ellipse", x: 0.5, y: 0.5, width: 2.5, height: 3.5, name: "small" },
  ...(["polygon", "freehand", "traced", "polyline", "freeline", "angle"] as const).flatMap((kind): RoiInit[] => [
    { kind, points: triangle, name: "whole" },
    { kind, points: fractions, name: "fractions" },
  ]),
  { kind: "point", points: [[5, 6]], marker: "circle", markerSize: 7, name: "one" },
  {
    kind: "point",
    points: fractions,
    counters: [
      { counter: 0, slice: 0 },
      { counter: 1, slice: 3 },
      { counter: 255, slice: 70_000 },
    ],
    flags: ["showLabels"],
    name: "counted",
  },
  { kind: "line", start: [1, 2], end: [30, 40], strokeWidth: 2.5 },
  {
    kind: "line",
    start: [1.5, 2],
    end: [30, 40],
    arrow: { style: "open", headSize: 12 },
    flags: ["doubleHeaded", "outline"],
    name: "arrow",
  },
  { kind: "rotatedEllipse", start: [10.5, 10], end: [50, 40], aspectRatio: 0.6 },
  { kind: "rotatedRectangle", start: [10.5, 10], end: [50, 40], width: 7.5 },
  {
    kind: "composite",
    path: [
      ["move", 0, 0],
      ["line", 10, 0],
      ["quad", 12, 5, 10, 10],
      ["cubic", 8, 12, 2, 12, 0, 10.5],
      ["close"],
      ["move", 3, 3],
      ["line", 5, 3],
      ["line", 5, 5],
      ["close"],
    ],
  },
  { kind: "mask", x: 100, y: 200, mask: ndArray(new Uint8Array([1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0]), [4, 3], "bool") },
  {
    kind: "text",
    x: 5,
    y: 6,
    width: 100.5,
    height: 20,
    text: "Zelle 1\nÜ 細胞 🧫",
    fontName: "SansSerif",
    fontSize: 18,
    fontStyle: 1,
    justification: "center",
    angle: 22.5,
  },
  { kind: "image", x: 0, y: 0, width: 2, height: 2, image: new Uint8Array([73, 73, 42, 0, 1]), opacity: 128 },
  {
    kind: "polygon",
    points: triangle,
    name: "Kern 細胞 🧫",
    position: { slice: 4, channel: 0, z: 11, t: 65_536 },
    strokeColor: "#ffcc00",
    fillColor: "#11223344",
    strokeWidth: 1.5,
    group: 3,
    flags: ["splineFit", "overlayLabels", "scaleStrokeWidth"],
    properties: { area: "12.5", "mean intensity": "7 = high: yes" },
    label: { color: "#ffffff", fontSize: 9 },
  },
  { kind: "traced", points: triangle, group: 1000, name: "many groups" },
];
