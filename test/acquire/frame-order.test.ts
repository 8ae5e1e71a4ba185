import fc from "fast-check";
import { expect, it } from "vitest";
import { Writer } from "../../src/acquire/index.ts";
import { ndArray } from "../../src/core/nd-array.ts";

interface Step {
  readonly source: "a" | "b";
  readonly delay: number;
  readonly fails: boolean;
}

/** Stores numbers; each frame takes as many turns of the event loop as its step says, and fails if it says so. */
class SteppedWriter extends Writer {
  readonly stored = new Map<string, number[]>([
    ["a", []],
    ["b", []],
  ]);
  readonly started: number[] = [];
  readonly #steps: readonly Step[];
  readonly #limit: number;
  underWay = 0;
  mostUnderWay = 0;

  constructor(steps: readonly Step[], limit: number) {
    super("stepped", { uri: "plain://a" });
    this.#steps = steps;
    this.#limit = limit;
  }

  get mimetype() {
    return "application/x-plain";
  }

  protected override get writeConcurrency() {
    return this.#limit;
  }

  protected doWriteFrame(name: string, frame: { data: ArrayLike<unknown> }, index: number): void | Promise<void> {
    const number = frame.data[0] as number;
    const { delay, fails } = this.#steps[number] as Step;
    this.started.push(number);
    const store = () => {
      if (fails) throw new Error("as told");
      (this.stored.get(name) as number[])[index] = number;
    };
    return delay === 0 ? store() : this.#later(delay, store);
  }

  async #later(turns: number, store: () => void): Promise<void> {
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    try {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      store();
    } finally {
      this.underWay--;
    }
  }

  protected finalize() {}
}

const step = fc.record({
  source: fc.constantFrom("a" as const, "b" as const),
  delay: fc.integer({ min: 0, max: 3 }),
  fails: fc.boolean(),
});

it("Whatever fails and however long it takes, what is stored is what reported success, in order and without gaps", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 24 }), fc.integer({ min: 1, max: 4 }), async (steps, limit) => {
      const writer = new SteppedWriter(steps, limit);
      for (const name of ["a", "b"]) writer.register(name, "uint8", [1]);
      await writer.open("a");
      const results = await Promise.allSettled(
        steps.map(({ source }, number) => writer.writeFrame(source, ndArray(Uint8Array.of(number), [1]))),
      );
      for (const name of ["a", "b"] as const) {
        const accepted = steps.flatMap(({ source }, number) => {
          const result = results[number];
          return source === name && result?.status === "fulfilled" ? [[number, result.value] as const] : [];
        });
        const { framesWritten = -1, framesRejected } = writer.sources.get(name) ?? {};
        expect(accepted.map(([, index]) => index)).toEqual(accepted.map((_, i) => i));
        expect(writer.stored.get(name)?.slice(0, framesWritten)).toEqual(accepted.map(([number]) => number));
        expect(framesWritten).toBe(accepted.length);
        expect(framesRejected).toBe(steps.filter(({ source }) => source === name).length - accepted.length);
        // With one at a time, no frame suffers for another.
        if (limit === 1) {
          expect(accepted.map(([number]) => number)).toEqual(
            steps.flatMap(({ source, fails }, number) => (source === name && !fails ? [number] : [])),
          );
        }
      }
      expect(writer.started).toEqual([...writer.started].sort((x, y) => x - y));
      expect(writer.mostUnderWay).toBeLessThanOrEqual(limit);
      await writer.close();
    }),
    { numRuns: 200 },
  );
});
