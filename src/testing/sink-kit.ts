/** Conformance of sinks that nothing can be loaded from: viewers, message buses. */
import type { BackendBase } from "../core/backend.ts";
import type { BatchOptions } from "../core/batch.ts";
import type { DataSink, SaveOptions, SaveResult } from "../core/data-sink.ts";
import { type DType, dtypes } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import { copyArray, sliceArray, zeros } from "../core/nd-array.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { checkArray, patterned, sample } from "./backend-subject.ts";
import { declareKit, type KitCheck, type KitGroup, type Runner } from "./kit.ts";

/** Time for an answer that comes too early to come. A machine that is slow lets a faulty sink pass, never a good one fail. */
const MOMENT_MS = 25;

/** What a receiver got. */
export interface ReceivedValue {
  readonly path: string;
  readonly data: unknown;
  /** What was said about this value; `undefined` if the sink carries none. */
  readonly metadata?: unknown;
}

/** A fresh sink, and the receiver at its other end, past the sink: the side door. */
export interface SinkSubject {
  readonly sink: DataSink & BackendBase;
  /** Everything that was processed, in order. */
  received(): readonly ReceivedValue[];
  /** Keeps everything that comes from now on unprocessed; resolves the answer to let it go. */
  hold(): () => void;
  /** Resolves when so many values have come that are held. */
  held(count: number): Promise<void>;
  /** Refuses values of this path with this error. */
  refuse(path: string, error: StorageError): void;
  /** Frees what was made for it; the kit has closed the sink before. */
  readonly dispose?: (() => Promise<void>) | undefined;
}

/** How the kit gets its sinks. */
export interface SinkSetup {
  /** Makes a fresh sink, with a receiver that processes what comes. */
  readonly make: () => Promise<SinkSubject>;
  /** The options with which a batch gives each item its metadata. Absent: the sink carries none. */
  readonly metadataOptions?: ((metadata: readonly { readonly n: number }[]) => SaveOptions & BatchOptions) | undefined;
}

/**
 * Declares the conformance checks of a sink to a test runner.
 *
 * @param runner - `{ describe, test }` of vitest, Jest or `node:test`, or a `CollectingRunner`.
 * @param name - Name of the sink, for headings.
 */
export function sinkConformance(runner: Runner, name: string, setup: SinkSetup): void {
  const dispose = async (subject: SinkSubject) => {
    try {
      await subject.sink.close();
    } finally {
      await subject.dispose?.();
    }
  };
  declareKit(runner, `sink ${name}`, { make: setup.make, dispose }, sinkGroups(setup));
}

/** The groups of checks. */
export function sinkGroups({ metadataOptions }: Pick<SinkSetup, "metadataOptions">): KitGroup<SinkSubject>[] {
  return [
    { name: "values", checks: valueChecks },
    { name: "answers", checks: answerChecks },
    { name: "batches", checks: batchChecks },
    {
      name: "metadata",
      gate: metadataOptions === undefined ? "metadataOptions is absent" : undefined,
      checks: metadataOptions === undefined ? [] : metadataChecks(metadataOptions),
    },
    { name: "life", checks: lifeChecks },
  ];
}

const valueChecks: readonly KitCheck<SinkSubject>[] = [
  {
    name: "arrays of every dtype arrive as they were",
    run: async ({ sink, received }) => {
      const all = Object.keys(dtypes) as DType[];
      for (const dtype of all) await sink.save(patterned(dtype), `${dtype}.npy`);
      checkEqual(received().length, all.length, "values received");
      all.forEach((dtype, i) => {
        checkArray(received()[i]?.data, patterned(dtype), dtype);
      });
    },
  },
  {
    name: "a view arrives as what it shows",
    run: async ({ sink, received }) => {
      const view = sliceArray(sample(3), [null, [1, 3]]);
      await sink.save(view, "view.npy");
      checkArray(received()[0]?.data, copyArray(view), "view");
    },
  },
  {
    name: "paths arrive normalised, and those that leave the root not at all",
    run: async ({ sink, received }) => {
      await sink.save(sample(), "./a//b.npy");
      checkEqual(received()[0]?.path, "a/b.npy", "path");
      await checkRejects(sink.save(sample(), "../b.npy"), "INVALID_KEY", "a path that leaves the root");
      checkEqual(received().length, 1, "values received");
    },
  },
  {
    name: "an array without elements is nothing to show",
    run: async ({ sink, received }) => {
      await checkRejects(sink.save(zeros([0, 3], "uint8"), "empty.npy"), "INVALID_DATA", "an empty array");
      checkEqual(received().length, 0, "values received");
    },
  },
  {
    name: "the caller's memory is free once save has resolved",
    run: async ({ sink, received }) => {
      const array = sample(1);
      await sink.save(array, "a.npy");
      (array.data as Uint16Array).fill(9);
      checkArray(received()[0]?.data, sample(1), "the value after its memory was used again");
    },
  },
  {
    name: "a value of a path may follow another of the same path",
    run: async ({ sink, received }) => {
      for (const seed of [1, 2]) await sink.save(sample(seed), "a.npy");
      checkEqual(received().length, 2, "values received");
      checkArray(received()[1]?.data, sample(2), "the second value");
    },
  },
];

const answerChecks: readonly KitCheck<SinkSubject>[] = [
  {
    name: "save resolves when the value was processed, not when it was sent",
    run: async ({ sink, hold, held, received }) => {
      const release = hold();
      let isSaved = false;
      const saving = sink.save(sample(), "a.npy").then(() => {
        isSaved = true;
      });
      await held(1);
      await new Promise((resolve) => setTimeout(resolve, MOMENT_MS));
      check(!isSaved, "save resolved before the receiver had processed the value");
      release();
      await saving;
      checkEqual(received().length, 1, "values received");
    },
  },
  {
    name: "everything that was saved has been processed",
    run: async ({ sink, received }) => {
      const paths = Array.from({ length: 50 }, (_, i) => `p${i}.npy`);
      const results = await Promise.all(paths.map((path, i) => sink.save(sample(i), path)));
      checkEqual(
        results.map(({ status, identifier }) => `${status} ${identifier}`),
        paths.map((path) => `created ${path}`),
        "results",
      );
      checkEqual(
        received().map(({ path }) => path),
        paths,
        "paths received",
      );
    },
  },
  {
    name: "a refusal rejects with the receiver's code, and what follows goes on",
    run: async ({ sink, refuse, received }) => {
      refuse("full.npy", new StorageError("NO_SPACE", "the disk is full"));
      const error = await checkRejects(sink.save(sample(), "full.npy"), "NO_SPACE", "a refused value");
      check(error.message.includes("the disk is full"), `the receiver's words are lost: ${error.message}`);
      await sink.save(sample(), "good.npy");
      checkEqual(
        received().map(({ path }) => path),
        ["good.npy"],
        "paths received",
      );
    },
  },
  {
    name: "nothing is sent once the signal has fired",
    run: async ({ sink, received }) => {
      const signal = AbortSignal.abort();
      await checkRejects(sink.save(sample(), "a.npy", { signal }), "ABORTED", "save with a fired signal");
      await sink.save(sample(), "b.npy");
      checkEqual(
        received().map(({ path }) => path),
        ["b.npy"],
        "paths received",
      );
    },
  },
  {
    name: "a save is not waited for once its signal fires",
    run: async ({ sink, hold, held }) => {
      const release = hold();
      const controller = new AbortController();
      const saving = sink.save(sample(), "a.npy", { signal: controller.signal });
      const failing = checkRejects(saving, "ABORTED", "a save under way");
      // Looked at below; a sink that fails here must not fail the runner too.
      failing.catch(() => {});
      await held(1);
      controller.abort();
      await failing;
      release();
    },
  },
];

const batchChecks: readonly KitCheck<SinkSubject>[] = [
  {
    name: "every item arrives, and the results keep the order of the identifiers",
    run: async ({ sink, received }) => {
      const paths = ["c.npy", "a.npy", "b.npy"];
      const results = await sink.saveBatch(
        paths.map((_, i) => sample(i)),
        paths,
      );
      checkEqual(
        results.map(({ identifier }) => identifier),
        paths,
        "identifiers of the results",
      );
      const byPath = new Map(received().map(({ path, data }) => [path, data]));
      paths.forEach((path, i) => {
        checkArray(byPath.get(path), sample(i), path);
      });
    },
  },
  {
    name: "all identifiers are checked before anything is sent",
    run: async ({ sink, received }) => {
      const data = [sample(), sample()];
      await checkRejects(sink.saveBatch(data, ["a.npy", "../b.npy"]), "INVALID_KEY", "a bad path");
      await checkRejects(sink.saveBatch(data, ["a.npy"]), "INVALID_DATA", "lists of two lengths");
      checkEqual(received().length, 0, "values received");
    },
  },
  {
    name: "an empty batch does nothing",
    run: async ({ sink, received }) => {
      checkEqual(await sink.saveBatch([], []), [], "results");
      checkEqual(received().length, 0, "values received");
    },
  },
  {
    name: "a refused item is thrown, or collected in its place; the others arrive",
    run: async ({ sink, refuse, received }) => {
      refuse("b.npy", new StorageError("NO_SPACE", "full"));
      const [data, paths] = [
        [sample(1), sample(2), sample(3)],
        ["a.npy", "b.npy", "c.npy"],
      ];
      await checkRejects(sink.saveBatch(data, paths), "NO_SPACE", "a batch with a refused item");
      const results = await sink.saveBatch(data, paths, { onError: "collect" });
      checkEqual(
        results.map((result: SaveResult) => (result.status === "failed" ? result.error.code : result.status)),
        ["created", "NO_SPACE", "created"],
        "results",
      );
      checkEqual(received().length, 4, "values received");
    },
  },
];

function metadataChecks(options: NonNullable<SinkSetup["metadataOptions"]>): KitCheck<SinkSubject>[] {
  return [
    {
      name: "each item of a batch has its own",
      run: async ({ sink, received }) => {
        const paths = ["a.npy", "b.npy", "c.npy"];
        const metadata = paths.map((_, n) => ({ n }));
        await sink.saveBatch(
          paths.map((_, i) => sample(i)),
          paths,
          options(metadata),
        );
        const byPath = new Map(received().map((value) => [value.path, value.metadata]));
        checkEqual(
          paths.map((path) => byPath.get(path)),
          metadata,
          "metadata by path",
        );
      },
    },
    {
      name: "an item without an entry refuses the batch, before anything is sent",
      run: async ({ sink, received }) => {
        const saving = sink.saveBatch([sample(), sample()], ["a.npy", "b.npy"], options([{ n: 0 }]));
        await checkRejects(saving, "INVALID_DATA", "a missing entry");
        checkEqual(received().length, 0, "values received");
      },
    },
  ];
}

const lifeChecks: readonly KitCheck<SinkSubject>[] = [
  {
    name: "has no way back, and says so",
    run: async ({ sink }) => {
      check(!sink.capabilities.read && sink.capabilities.write, "capabilities must say write and not read");
      check(!("load" in sink), "a sink that cannot be read has no load");
    },
  },
  {
    name: "closes once, and takes nothing after that",
    run: async ({ sink, received }) => {
      await sink.save(sample(), "a.npy");
      await sink.close();
      await sink.close();
      await checkRejects(sink.save(sample(), "b.npy"), "NOT_OPEN", "save after close");
      await checkRejects(sink.saveBatch([sample()], ["b.npy"]), "NOT_OPEN", "saveBatch after close");
      checkEqual(received().length, 1, "values received");
    },
  },
];
