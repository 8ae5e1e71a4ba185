/** Faulty workspaces: what tells a good one must refuse each of them. */
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../backends/memory/store.ts";
import {
  formatMapping,
  openWorkspace,
  type VirtualWorkspace,
  type WorkspaceEntry,
} from "../../../backends/virtual/index.ts";
import { type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { backendConformance } from "../../../src/testing/backend-kit.ts";
import type { BackendMutant } from "../../../src/testing/backend-mutant.ts";
import { backendMutants } from "../../../src/testing/backend-mutants.ts";
import type { BackendSetup } from "../../../src/testing/backend-subject.ts";
import { CollectingRunner } from "../../../src/testing/collecting-runner.ts";
import { bitsOf } from "../../support/arrays.ts";
import { CountedMemory, counted, RegionMemory } from "./sources.ts";
import { reading, writing } from "./subjects.ts";

type Public = Pick<VirtualWorkspace, "exists" | "listFiles" | "load" | "loadBatch" | "sample" | "refresh">;
type Plant = (good: Public) => Partial<Public>;

const entries: Record<string, WorkspaceEntry> = {
  a: { backend: "m", address: "s", axes: [1] },
  b: { backend: "m", address: "s", axes: [0] },
  c: { backend: "m", address: "s", axes: [1], selection: [[1, 3], null] },
};

/** What a workspace promises beyond the conformance kit, each as a sentence and a look. */
const promises: Record<string, (plant: Plant) => Promise<boolean>> = {
  "a batch loads each value once": async (plant) => {
    const { workspace, memory } = await make(plant);
    await workspace.loadBatch(["c", "a", "b", "a"]);
    return memory.loads.length === 1;
  },
  "entries show the part that their axes and selection say": async (plant) => {
    const { workspace } = await make(plant);
    const stack = counted(2, 4, 5);
    const expected = [sliceArray(stack, [1]), sliceArray(stack, [0]), sliceArray(stack, [1, [1, 3], null])].map(bitsOf);
    const one = await Promise.all(["a", "b", "c"].map((path) => workspace.load(path)));
    const together = await workspace.loadBatch(["c", "a", "b"]);
    const [c, a, b] = together.map(bitsOf);
    return JSON.stringify([one.map(bitsOf), [a, b, c]]) === JSON.stringify([expected, expected]);
  },
  "a changed mapping is noticed at the next operation": async (plant) => {
    const { workspace, write } = await make(plant);
    const before = await workspace.exists("d");
    await write({ ...entries, d: { backend: "m", address: "s" } });
    const after = await workspace.exists("d");
    const listed = await workspace.listFiles("");
    const loaded = (await workspace.load("d")) as NdArray;
    return !before && after && listed.includes("d") && loaded.shape.length === 3;
  },
  "a region is a part of what the path shows, with the place that it is from": async (plant) => {
    const { workspace } = await make(plant);
    const { array, origin, sourceShape } = await workspace.sample("a", { origin: [1, 1], shape: [2, 3] });
    const expected = sliceArray(counted(2, 4, 5), [1, [1, 3], [1, 4]]);
    return JSON.stringify([bitsOf(array), origin, sourceShape]) === JSON.stringify([bitsOf(expected), [1, 1], [4, 5]]);
  },
  "a part is read without the rest where the source reads parts": async (plant) => {
    const { workspace, memory } = await make(plant, new RegionMemory());
    await workspace.load("c");
    await workspace.loadBatch(["a", "b"]);
    return memory.loads.length === 0;
  },
};

async function make(plant: Plant, memory: CountedMemory = new CountedMemory()) {
  const store = new MemoryStore();
  const write = (all: Record<string, WorkspaceEntry>) =>
    store.write("map.json", new TextEncoder().encode(formatMapping({ version: 1, entries: all })));
  await write(entries);
  await memory.save(counted(2, 4, 5), "s");
  const backends = new Map([["m", memory]]);
  const good = await openWorkspace({ backends, mapping: { store, key: "map.json" } });
  const bound = Object.fromEntries(
    (["exists", "listFiles", "load", "loadBatch", "sample", "refresh"] as const).map((name) => [
      name,
      (good[name] as (...args: unknown[]) => unknown).bind(good),
    ]),
  ) as unknown as Public;
  const workspace: Public = { ...bound, ...plant(bound) };
  return { workspace, memory, write };
}

async function broken(plant: Plant): Promise<string[]> {
  const names: string[] = [];
  for (const [name, isKept] of Object.entries(promises)) {
    if (!(await isKept(plant).catch(() => false))) names.push(name);
  }
  return names;
}

const mutants: Record<string, Plant> = {
  "loads a shared value for each path": ({ load }) => ({
    loadBatch: (paths, options) => Promise.all(paths.map((path) => load(path, options))),
  }),
  "takes the axes from the end": ({ load }) => ({
    load: async (path, options) => {
      const value = (await load(path, options)) as NdArray;
      return { ...value, shape: [...value.shape].reverse(), stride: [...value.stride].reverse() };
    },
  }),
  "takes the first plane for every one": ({ load }) => ({
    load: (path, options) => load(path === "a" ? "b" : path, options),
  }),
  "forgets the selection behind the axes": ({ load }) => ({
    load: (path, options) => load(path === "c" ? "a" : path, options),
  }),
  "answers a batch in the order of its sources": ({ loadBatch }) => ({
    loadBatch: (paths, options) => loadBatch([...paths].sort(), options),
  }),
  "keeps the mapping that it was opened with": ({ exists }) => {
    const known = new Map<string, Promise<boolean>>();
    return {
      exists: (path, options) => {
        const answer = known.get(path) ?? exists(path, options);
        known.set(path, answer);
        return answer;
      },
    };
  },
  "lists from the mapping that it was opened with": ({ listFiles }) => {
    let first: Promise<string[]> | undefined;
    return {
      exists: async (path, options) => {
        first ??= listFiles("");
        await first;
        return path === "d" ? (await listFiles("", options)).includes("d") : false;
      },
      listFiles: (path, options) => {
        first ??= listFiles(path, options);
        return first;
      },
    };
  },
  "samples the stored array instead of the part": ({ sample }) => ({
    sample: async (path, request, options) => ({ ...(await sample(path, request, options)), sourceShape: [2, 4, 5] }),
  }),
  "samples another place than it says": ({ sample }) => ({
    sample: (path, request, options) => sample(path, { ...request, origin: request.origin.map(() => 0) }, options),
  }),
};

describe("the promises of a workspace", () => {
  it("are kept by a good one", async () => {
    expect(await broken(() => ({}))).toEqual([]);
  });

  it.each(Object.entries(mutants))("are broken by one that %s", async (_, plant) => {
    expect(await broken(plant)).not.toEqual([]);
  });

  it("are broken by one whose source does not read parts, where parts must be read", async () => {
    const { memory, workspace } = await make(() => ({}));
    await workspace.load("c");
    expect(memory.loads).toEqual(["s"]);
  });
});

describe("the conformance kit over a workspace", () => {
  /** Names of the checks that a backend with this mistake fails. */
  async function failures(setup: BackendSetup, mutant: BackendMutant): Promise<string[]> {
    const runner = new CollectingRunner();
    const make = async () => {
      const subject = await setup.make();
      // A mutant replaces methods; those that a workspace does not have stay missing.
      const methods = ["delete", "deleteAll", "copy", "move", "ensureDirectory", "createSymlink"] as const;
      const lacks = methods.filter((method) => subject.backend[method] === undefined);
      for (const method of lacks) Object.assign(subject.backend, { [method]: async () => {} });
      mutant.plant(subject.backend);
      return subject;
    };
    backendConformance(runner, "mutant", { ...setup, make });
    return (await runner.run({ stopAtFailure: true })).flatMap(({ name, error }) =>
      error === undefined ? [] : [name],
    );
  }

  it("refuses the mistakes of loads, listings and predicates that other backends are refused for", async () => {
    const caught: string[] = [];
    for (const mutant of backendMutants) {
      if ((await failures(reading, mutant)).length > 0) caught.push(mutant.name);
    }
    expect(caught).toEqual(
      expect.arrayContaining([
        "declares what it does not have",
        "lays images on their side",
        "gives the same object to every load",
        "loads although the signal has fired",
      ]),
    );
    expect(caught.length).toBeGreaterThan(20);
  });

  it("refuses the mistakes of saves too, where it writes through", async () => {
    for (const name of [
      "overwrites, whatever it is told",
      "overwrites by default",
      "only pretends to save",
      "looks first and writes later",
      "keeps the caller's memory on save",
    ]) {
      const mutant = backendMutants.find((each) => each.name === name) as BackendMutant;
      expect(await failures(writing, mutant), name).not.toEqual([]);
    }
  });
});
