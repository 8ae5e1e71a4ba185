import { describe, expect, it } from "vitest";
import { field, optionsSchema } from "../../src/core/options-schema.ts";

const schema = optionsSchema<{ label?: string; reels?: number; speed?: string; onEnd?: () => void }>({
  label: field.text,
  reels: field.wholeNumber,
  speed: field.oneOf("slow", "fast"),
  onEnd: field.callable,
});

const messages = async (value: unknown) =>
  (await schema["~standard"].validate(value)).issues?.map(({ path, message }) => `${path ?? ""}: ${message}`);

describe("a schema of options", () => {
  it("takes what is right, and fields that are left out or undefined", async () => {
    const value = { label: "a", reels: 0, speed: "slow", onEnd: () => {} };
    expect(await schema["~standard"].validate(value)).toEqual({ value });
    expect(await messages({})).toBeUndefined();
    expect(await messages({ label: undefined })).toBeUndefined();
  });

  it("names every mistake with its path", async () => {
    expect(await messages({ label: 1, reels: -1, speed: "fastest", onEnd: {} })).toEqual([
      "label: must be text, got a number",
      "reels: must be a whole number ≥ 0, got a number",
      'speed: must be "slow" or "fast", got a string',
      "onEnd: must be a function, got a plain object",
    ]);
  });

  it("never repeats a value, which may be a secret", async () => {
    const secret = "hunter2-4711";
    const found = await messages({ label: [secret], reels: secret, speed: secret, onEnd: { secret } });
    expect(found).toHaveLength(4);
    expect(found?.join()).not.toContain(secret);
  });

  it("refuses unknown fields, with a guess or the known ones, inherited names too", async () => {
    expect(await messages({ lable: "a" })).toEqual(['lable: unknown option; did you mean "label"?']);
    expect(await messages({ toString: 1 })).toEqual(["toString: unknown option; known: label, reels, speed, onEnd"]);
  });

  it("refuses what is no object", async () => {
    expect(await messages(null)).toEqual([": must be an object"]);
    expect(await messages("a")).toEqual([": must be an object"]);
  });
});
