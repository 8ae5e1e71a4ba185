/** Masks as the outlines around their pixels, and back. */
import type { NdArray } from "../../core/nd-array.ts";
import { ndArray } from "../../core/nd-array.ts";
import type { PathSegment } from "./roi.ts";

/** Where a mask lies. */
export interface MaskPlace {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The outlines of a mask, pixels on the right of every step: outer ones clockwise, holes the other way round, so that
 * both rules of filling give the mask. Pixels that touch only by a corner are separate outlines.
 *
 * @param mask - Bool, `[y, x]`, C order.
 */
export function outlineOf(mask: NdArray, x: number, y: number): PathSegment[] {
  const [height = 0, width = 0] = mask.shape;
  const isSet = (row: number, column: number) =>
    row >= 0 && row < height && column >= 0 && column < width && mask.data[row * width + column] === 1;
  // Corners of pixels, (width + 1) to a row. Each holds the directions in which a side begins there: right 1, down 2,
  // left 4, up 8.
  const starts = new Uint8Array((width + 1) * (height + 1));
  const steps = [1, width + 1, -1, -width - 1];
  const add = (corner: number, direction: number) => {
    starts[corner] = (starts[corner] as number) | (1 << direction);
  };
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (!isSet(row, column)) continue;
      const corner = row * (width + 1) + column;
      if (!isSet(row - 1, column)) add(corner, 0);
      if (!isSet(row, column + 1)) add(corner + 1, 1);
      if (!isSet(row + 1, column)) add(corner + width + 2, 2);
      if (!isSet(row, column - 1)) add(corner + width + 1, 3);
    }
  }
  const path: PathSegment[] = [];
  for (let first = 0; first < starts.length; first++) {
    // Begun at a corner where a side goes to the right: every outline has one, its topmost leftmost.
    while (((starts[first] as number) & 1) !== 0) {
      let corner = first;
      let direction = 0;
      path.push(["move", x + (corner % (width + 1)), y + Math.floor(corner / (width + 1))]);
      for (;;) {
        starts[corner] = (starts[corner] as number) & ~(1 << direction);
        corner += steps[direction] as number;
        if (corner === first && ((starts[corner] as number) & (1 << ((direction + 1) % 4))) === 0) break;
        const here = starts[corner] as number;
        // Right first, so that pixels that touch by a corner are not joined.
        const turn = [1, 0, 3].find((by) => (here & (1 << ((direction + by) % 4))) !== 0);
        if (turn === undefined) break;
        if (turn !== 0) path.push(["line", x + (corner % (width + 1)), y + Math.floor(corner / (width + 1))]);
        direction = (direction + turn) % 4;
      }
      path.push(["close"]);
    }
  }
  return path;
}

/**
 * The mask inside outlines along the sides of pixels.
 *
 * @returns `undefined` for a path that is none: curves, slanted lines, fractions, or what reaches out of the place.
 */
export function maskInside(path: readonly PathSegment[], place: MaskPlace): NdArray | undefined {
  const { width, height } = place;
  // Crossing the left side of a pixel goes in or out.
  const flips = new Uint8Array((width + 1) * height);
  let start: readonly [number, number] | undefined;
  let current: readonly [number, number] | undefined;
  for (const segment of path) {
    const [step, ...numbers] = segment;
    if (step === "quad" || step === "cubic") return undefined;
    const [column, row] = step === "close" ? (start ?? []) : [numbers[0] as number, numbers[1] as number];
    if (column === undefined || row === undefined) return undefined;
    const to = [column, row] as const;
    if (step === "move") start = to;
    else if (current === undefined || !flip(flips, place, current, to)) return undefined;
    current = to;
  }
  const data = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    let inside = 0;
    for (let column = 0; column < width; column++) {
      inside ^= flips[row * (width + 1) + column] as number;
      data[row * width + column] = inside;
    }
  }
  return data.includes(1) ? ndArray(data, [height, width], "bool") : undefined;
}

function flip(
  flips: Uint8Array,
  { x, y, width, height }: MaskPlace,
  [x0, y0]: readonly [number, number],
  [x1, y1]: readonly [number, number],
): boolean {
  const [c0, c1, r0, r1] = [x0 - x, x1 - x, y0 - y, y1 - y];
  const isOut = (value: number, limit: number) => !Number.isInteger(value) || value < 0 || value > limit;
  if (isOut(c0, width) || isOut(c1, width) || isOut(r0, height) || isOut(r1, height)) return false;
  if (r0 === r1) return true;
  if (c0 !== c1) return false;
  for (let row = Math.min(r0, r1); row < Math.max(r0, r1); row++) {
    const index = row * (width + 1) + c0;
    flips[index] = (flips[index] as number) ^ 1;
  }
  return true;
}
