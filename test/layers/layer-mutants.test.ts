import { describe, expect, test } from "vitest";
import { layerLaws, realLayers } from "./layer-laws.ts";
import { layerMutants } from "./layer-mutants.ts";

describe("laws of the layers", () => {
  test.each(Object.entries(layerLaws))("%s", (_name, law) => law(realLayers));
});

describe("bugs planted in layers", () => {
  test.each(layerMutants.map((mutant) => [mutant.name, mutant] as const))('"%s" is found', async (_name, mutant) => {
    const law = layerLaws[mutant.killedBy];
    if (law === undefined) throw new Error(`no law is called "${mutant.killedBy}"`);
    await expect(law({ ...realLayers, ...mutant.layers })).rejects.toThrow();
  });

  test("each law finds one", () => {
    const used = new Set(layerMutants.map(({ killedBy }) => killedBy));
    expect(Object.keys(layerLaws).filter((name) => !used.has(name))).toEqual([]);
  });
});
