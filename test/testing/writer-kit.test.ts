import { describe, expect, it } from "vitest";
import { MemoryWriter } from "../../backends/memory/writer.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import type { FrameSink } from "../../src/core/frame-writer.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { CollectingRunner } from "../../src/testing/collecting-runner.ts";
import { type WriterSubject, writerConformance } from "../../src/testing/writer-kit.ts";
import { PlainWriter } from "../support/plain-writer.ts";
import { plainSubject } from "../support/writer-subjects.ts";

/** A subject whose writer, made by a factory, stores through the given class. */
function subjectOf(Type: typeof PlainWriter): WriterSubject {
  let count = 0;
  const writer = new Type("mutant");
  return { ...plainSubject(), ...subjectParts(writer, () => `plain://mutant-${count++}`) };
}

function subjectParts(writer: PlainWriter, newUri: () => string): WriterSubject {
  return {
    writer,
    newUri,
    readFrames: async (uri, source) => writer.stores.get(uri)?.frames.get(source) ?? [],
    readMetadata: async (uri) => writer.stores.get(uri)?.metadata ?? {},
    failNextFrame: () => writer.failures.push(new Error("The disk is on fire")),
  };
}

/** Frames stored by reference: a reused buffer changes them. */
class Aliasing extends PlainWriter {
  protected override doWriteFrame(name: string, frame: NdArray, index: number): void {
    super.doWriteFrame(name, frame, index);
    const store = [...this.stores.values()].at(-1);
    const frames = store?.frames.get(name) as NdArray[];
    frames[index] = frame;
  }
}

class CountsBeforeWriting extends PlainWriter {
  #offered = 0;
  override writeFrame(...values: Parameters<PlainWriter["writeFrame"]>): Promise<number> {
    this.#offered++;
    return super.writeFrame(...values);
  }
  override getIndicesWritten(name?: string): number {
    return Math.max(this.#offered, super.getIndicesWritten(name) + 1);
  }
}

/** Wraps the sinks of a writer. */
class WithSinks extends PlainWriter {
  override async prepare(name: string, capacity?: number): Promise<FrameSink> {
    return this.wrap(await super.prepare(name, this.limit(capacity)));
  }
  protected limit(capacity: number | undefined): number | undefined {
    return capacity;
  }
  protected wrap(sink: FrameSink): FrameSink {
    return sink;
  }
}

function sinkWith(sink: FrameSink, methods: Partial<FrameSink>): FrameSink {
  const close = methods.close ?? (() => sink.close());
  return {
    name: sink.name,
    write: (frame, options) => sink.write(frame, options),
    close,
    [Symbol.asyncDispose]: close,
    ...methods,
  };
}

class IgnoresCapacity extends WithSinks {
  protected override limit(): number {
    return 0;
  }
}

class AcceptsAnyDtype extends WithSinks {
  protected override wrap(sink: FrameSink): FrameSink {
    const { dtype } = this.sources.get(sink.name) ?? { dtype: "uint8" };
    return sinkWith(sink, {
      write: (frame, options) => {
        const isOther = frame !== undefined && frame.dtype !== dtype && frame.data.BYTES_PER_ELEMENT === 2;
        const data = isOther ? Uint16Array.from(frame.data as Uint16Array) : frame?.data;
        return sink.write(isOther ? { ...frame, dtype, data: data as Uint16Array } : frame, options);
      },
    });
  }
}

class LosesOrder extends WithSinks {
  #held: (() => void) | undefined;
  protected override wrap(sink: FrameSink): FrameSink {
    return sinkWith(sink, {
      write: (frame, options) =>
        new Promise((resolve, reject) => {
          const go = () => void sink.write(frame, options).then(resolve, reject);
          const held = this.#held;
          this.#held = held === undefined ? go : undefined;
          if (held === undefined) setImmediate(() => this.#release(go));
          else {
            go();
            held();
          }
        }),
    });
  }
  #release(go: () => void): void {
    if (this.#held !== go) return;
    this.#held = undefined;
    go();
  }
}

class FirstCloseFinalizes extends WithSinks {
  protected override wrap(sink: FrameSink): FrameSink {
    return sinkWith(sink, { close: () => this.close() });
  }
}

class SecondCloseEndsTheOther extends WithSinks {
  protected override wrap(sink: FrameSink): FrameSink {
    let closed = 0;
    return sinkWith(sink, { close: () => (closed++ === 0 ? sink.close() : this.close()) });
  }
}

class OldSinksEndTheNew extends WithSinks {
  protected override wrap(sink: FrameSink): FrameSink {
    return sinkWith(sink, { close: () => this.complete(sink.name) });
  }
}

/** Does something more when the writer has closed. */
abstract class AfterClose extends PlainWriter {
  protected abstract afterClose(): void;
  override async close(): Promise<void> {
    await super.close();
    this.afterClose();
  }
  override async complete(name: string): Promise<void> {
    await super.complete(name);
    if (!this.isOpen) this.afterClose();
  }
}

class KeepsMetadata extends AfterClose {
  #kept: Record<string, unknown> = {};
  override updateMetadata(metadata: Readonly<Record<string, unknown>>): void {
    super.updateMetadata(metadata);
    this.#kept = { ...this.#kept, ...metadata };
  }
  protected override afterClose(): void {
    super.updateMetadata(this.#kept);
  }
}

class LosesMetadataOnFailure extends PlainWriter {
  override async kickoff(options?: OperationOptions): Promise<void> {
    try {
      await super.kickoff(options);
    } catch (error) {
      this.clearMetadata();
      throw error;
    }
  }
}

class ForgetsLateMetadata extends PlainWriter {
  override updateMetadata(metadata: Readonly<Record<string, unknown>>): void {
    if (!this.isOpen) super.updateMetadata(metadata);
  }
}

class ReplacesMetadata extends PlainWriter {
  override updateMetadata(metadata: Readonly<Record<string, unknown>>): void {
    this.clearMetadata();
    super.updateMetadata(metadata);
  }
}

class ForgetsSources extends AfterClose {
  protected override afterClose(): void {
    this.clearSources();
  }
}

class Overwrites extends PlainWriter {
  override async kickoff(options?: OperationOptions): Promise<void> {
    this.stores.delete(await this.locate(options));
    await super.kickoff(options);
  }
}

class BurnsIndices extends PlainWriter {
  readonly #given = new Map<string, number>();
  override async prepare(name: string, capacity?: number): Promise<FrameSink> {
    this.#given.set(name, 0);
    return super.prepare(name, capacity);
  }
  protected override doWriteFrame(name: string, frame: NdArray): void {
    const index = this.#given.get(name) ?? 0;
    this.#given.set(name, index + 1);
    super.doWriteFrame(name, frame, index);
  }
}

class AnnouncesTwice extends PlainWriter {
  override collectStreamDocs(name: string, indices: number) {
    const first = super.collectStreamDocs(name, indices);
    if (first.length > 0) return first;
    this.resetCollectionState(name);
    return super.collectStreamDocs(name, indices);
  }
}

class SwallowsFailures extends PlainWriter {
  protected override doWriteFrame(name: string, frame: NdArray, index: number): void {
    try {
      super.doWriteFrame(name, frame, index);
    } catch {
      // The mutant.
    }
  }
}

const mutants: Record<string, typeof PlainWriter> = {
  Aliasing,
  CountsBeforeWriting,
  IgnoresCapacity,
  AcceptsAnyDtype,
  LosesOrder,
  FirstCloseFinalizes,
  SecondCloseEndsTheOther,
  OldSinksEndTheNew,
  KeepsMetadata,
  LosesMetadataOnFailure,
  ForgetsLateMetadata,
  ReplacesMetadata,
  ForgetsSources,
  Overwrites,
  BurnsIndices,
  AnnouncesTwice,
  SwallowsFailures,
};

async function failuresOf(make: () => WriterSubject, canFail = true): Promise<string[]> {
  const runner = new CollectingRunner();
  writerConformance(runner, "subject", { make: async () => make(), canFail });
  const results = await runner.run({ timeoutMs: 3000 });
  return results.filter(({ error }) => error !== undefined).map(({ name, error }) => `${name}: ${String(error)}`);
}

describe("The writer kit", () => {
  it("passes a writer that keeps the contract", async () => {
    expect(await failuresOf(() => subjectOf(PlainWriter))).toEqual([]);
  });

  it.each(Object.entries(mutants))("kills the mutant %s", async (_name, Type) => {
    expect(await failuresOf(() => subjectOf(Type))).not.toEqual([]);
  });

  it("says that failures were not tried where the subject cannot fail", async () => {
    const runner = new CollectingRunner();
    const make = async () => ({ ...plainSubject(), writer: new MemoryWriter("m") });
    writerConformance(runner, "subject", { make });
    const names = (await runner.run({ filter: (name) => name.includes("does not apply") })).map(({ name }) => name);
    expect(names).toEqual([expect.stringContaining("failing frames: does not apply, canFail is not set")]);
  });
});
