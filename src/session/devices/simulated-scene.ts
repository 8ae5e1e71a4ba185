/**
 * Images of a scene that does not exist: bright blobs on slow orbits, with the noise of a detector. Every frame is a
 * function of its number and the seed alone.
 *
 * The expensive part, Gaussian numbers, is drawn once for a strip little longer than a frame. Each frame is a window of
 * that strip, at one of {@link NOISE_FRAMES} offsets, with the blobs added where they are: a copy and a few small
 * patches, so that the simulation does not limit what a writer is measured with.
 */
import { type DType, dtypes, float16ToNumber, numberToFloat16, type TypedArray } from "../../core/dtype.ts";
import { type NdArray, ndArray, sizeOf } from "../../core/nd-array.ts";

/** Distinct noise patterns before they repeat; the blobs do not repeat with them. */
export const NOISE_FRAMES = 16;

/** What a `SimulatedScene` shows. */
export interface SceneOptions {
  /** Shape of a frame, slowest axis first; the last two are y and x in pixels, those before are planes. */
  readonly shape: readonly number[];
  /** Element type. */
  readonly dtype: DType;
  /** Same seed, same frames. */
  readonly seed: number;
  /** Number of moving blobs in each plane. */
  readonly blobs: number;
}

/** Levels in counts: what no light gives, the spread of the electronics, and the brightest point of a blob. */
interface Levels {
  readonly background: number;
  readonly readNoise: number;
  readonly peak: number;
  readonly lowest: number;
  readonly highest: number;
}

interface Blob {
  readonly phaseX: number;
  readonly phaseY: number;
  readonly speedX: number;
  readonly speedY: number;
  readonly brightness: number;
}

const GAUSS_MASK = 0xfff;
const OFFSET_STEP = 1009;

/** An endless, seeded, deterministic sequence of frames. */
export class SimulatedScene {
  readonly #options: SceneOptions;
  readonly #size: number;
  readonly #levels: Levels;
  readonly #strip: TypedArray;
  readonly #gauss: Float64Array;
  readonly #blobs: readonly Blob[];

  constructor(options: SceneOptions) {
    this.#options = options;
    this.#size = sizeOf(options.shape);
    this.#levels = levelsOf(options.dtype);
    const random = randomNumbers(options.seed);
    this.#gauss = Float64Array.from({ length: GAUSS_MASK + 1 }, () => gaussian(random));
    this.#strip = this.#drawStrip(random);
    this.#blobs = Array.from({ length: options.blobs }, () => ({
      phaseX: random() * 2 * Math.PI,
      phaseY: random() * 2 * Math.PI,
      speedX: 0.02 + random() * 0.06,
      speedY: 0.02 + random() * 0.06,
      brightness: 0.4 + random() * 0.6,
    }));
  }

  /**
   * One frame, in C order.
   *
   * @param index - Number of the frame, from 0.
   * @param into - Memory to use, at least a frame long and of the scene's array type; default is new memory.
   */
  frame(index: number, into?: TypedArray): NdArray {
    const { shape, dtype } = this.#options;
    const offset = (index % NOISE_FRAMES) * OFFSET_STEP;
    const window = this.#strip.subarray(offset, offset + this.#size) as TypedArray;
    const data = into ?? (new dtypes[dtype].array(this.#size) as TypedArray);
    (data as Float64Array).set(window as Float64Array);
    if (shape.length > 0) this.#addBlobs(data, index);
    return ndArray(data, shape, dtype);
  }

  #addBlobs(data: TypedArray, index: number): void {
    const { shape, dtype } = this.#options;
    const width = shape.at(-1) as number;
    const height = shape.length > 1 ? (shape.at(-2) as number) : 1;
    if (this.#size === 0) return;
    const planes = this.#size / (width * height);
    const sigma = Math.max(1, Math.min(width, height === 1 ? width : height) / 40);
    const add = adder(dtype, this.#levels, this.#gauss);
    for (let plane = 0; plane < planes; plane++) {
      for (const blob of this.#blobs) {
        const x = width * (0.5 + 0.38 * Math.sin(blob.phaseX + blob.speedX * index + plane));
        const y = height === 1 ? 0 : height * (0.5 + 0.38 * Math.cos(blob.phaseY + blob.speedY * index + plane));
        const columns = profile(x, width, sigma);
        const rows = profile(y, height, sigma);
        // The square root of light, so that one product serves both the light and its shot noise.
        const amplitude = Math.sqrt(this.#levels.peak * blob.brightness);
        for (let row = 0; row < rows.values.length; row++) {
          const start = (plane * height + rows.start + row) * width + columns.start;
          add(data, start, columns.values, amplitude * (rows.values[row] as number), index);
        }
      }
    }
  }

  #drawStrip(random: () => number): TypedArray {
    const { dtype } = this.#options;
    const { background, readNoise, lowest, highest } = this.#levels;
    const spread = Math.hypot(readNoise, Math.sqrt(background));
    const strip = new dtypes[dtype].array(this.#size + (NOISE_FRAMES - 1) * OFFSET_STEP) as TypedArray;
    const write = writer(dtype);
    for (let i = 0; i < strip.length; i++) {
      const value = background + spread * gaussian(random);
      write(strip, i, Math.min(highest, Math.max(lowest, value)));
    }
    return strip;
  }
}

function levelsOf(dtype: DType): Levels {
  const { kind, itemSize } = dtypes[dtype];
  if (dtype === "bool") return { background: 0, readNoise: 0, peak: 1, lowest: 0, highest: 1 };
  const lowest = kind === "u" ? 0 : -128;
  if (itemSize === 1) return { background: 12, readNoise: 2, peak: 90, lowest, highest: kind === "u" ? 255 : 127 };
  return { background: 100, readNoise: 5, peak: 3000, lowest, highest: 32767 };
}

function isBigInt(dtype: DType): boolean {
  return dtype === "int64" || dtype === "uint64";
}

/** True where half-precision numbers are held as their bits. */
const float16IsBits = dtypes.float16.array.name !== "Float16Array";

/** The square root of a Gaussian along one axis, where it is within three spreads of its centre. */
function profile(centre: number, length: number, sigma: number): { start: number; values: Float64Array } {
  const reach = Math.ceil(3 * sigma);
  const start = Math.max(0, Math.floor(centre) - reach);
  const stop = Math.min(length, Math.floor(centre) + reach + 1);
  const values = Float64Array.from({ length: stop - start }, (_, i) =>
    Math.exp(-(((start + i - centre) / sigma) ** 2) / 4),
  );
  return { start, values };
}

type Adder = (data: TypedArray, start: number, profile: Float64Array, scale: number, index: number) => void;

/** Adds one row of a blob, with its shot noise: the spread of a count is its square root. */
function adder(dtype: DType, { lowest, highest }: Levels, gauss: Float64Array): Adder {
  const isPlain = !isBigInt(dtype) && dtype !== "bool" && !(dtype === "float16" && float16IsBits);
  if (!isPlain) {
    const read = reader(dtype);
    const write = writer(dtype);
    return (data, start, row, scale, index) => {
      for (let i = 0; i < row.length; i++) {
        const root = scale * (row[i] as number);
        const noise = gauss[(index * 7919 + (start + i) * 31) & GAUSS_MASK] as number;
        const value = read(data, start + i) + root * (root + noise);
        write(data, start + i, value < lowest ? lowest : value > highest ? highest : value);
      }
    };
  }
  const half = dtypes[dtype].kind === "f" ? 0 : 0.5;
  return (data, start, row, scale, index) => {
    const pixels = data as Float64Array;
    let at = index * 7919 + start * 31;
    for (let i = 0; i < row.length; i++, at += 31) {
      const root = scale * (row[i] as number);
      const value = (pixels[start + i] as number) + root * (root + (gauss[at & GAUSS_MASK] as number)) + half;
      pixels[start + i] = value < lowest ? lowest : value > highest ? highest : value;
    }
  };
}

function reader(dtype: DType): (data: TypedArray, index: number) => number {
  if (dtype === "float16") return (data, index) => float16ToNumber(data[index] as number);
  return (data, index) => Number(data[index]);
}

function writer(dtype: DType): (data: TypedArray, index: number, value: number) => void {
  if (isBigInt(dtype)) return (data, index, value) => ((data as BigInt64Array)[index] = BigInt(Math.round(value)));
  if (dtype === "float16" && float16IsBits) {
    return (data, index, value) => ((data as Uint16Array)[index] = numberToFloat16(value));
  }
  if (dtype === "bool") return (data, index, value) => ((data as Uint8Array)[index] = value > 0.25 ? 1 : 0);
  if (dtypes[dtype].kind === "f") return (data, index, value) => ((data as Float64Array)[index] = value);
  return (data, index, value) => ((data as Float64Array)[index] = Math.round(value));
}

/** Uniform numbers in [0, 1): Marsaglia's 32-bit xorshift, good enough for pictures. */
function randomNumbers(seed: number): () => number {
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x6c078965 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Normally distributed, mean 0, spread 1 (Box–Muller). */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
