import { describe, expect, it } from "vitest";
import { Turns } from "../../src/catalog/turns.ts";

describe("Turns on a connection", () => {
  it("come one after another, also after one that failed, and leave nothing behind", async () => {
    const turns = new Turns();
    const told: string[] = [];
    const work = (name: string) => async () => {
      told.push(`${name} begins`);
      await Promise.resolve();
      told.push(`${name} ends`);
      if (name === "a") throw new Error(name);
      return name;
    };
    const a = turns.take(work("a"));
    const b = turns.take(work("b"));
    expect(turns.taken).toBeDefined();
    await expect(a).rejects.toThrow("a");
    expect(await b).toBe("b");
    expect(told).toEqual(["a begins", "a ends", "b begins", "b ends"]);
    await turns.taken;
    expect(turns.taken).toBeUndefined();
  });
});
