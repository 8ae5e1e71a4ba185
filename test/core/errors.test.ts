import { describe, expect, it } from "vitest";
import {
  isStorageError,
  located,
  nearest,
  runAll,
  StorageError,
  StorageResolutionError,
  seedExceptions,
  storageErrorCodes,
  throwFailures,
  toStorageError,
} from "../../src/core/errors.ts";

describe("StorageError", () => {
  it("carries code, place, cause and whether to try again", () => {
    const cause = new Error("underneath");
    const error = new StorageError("NO_SPACE", "disk is full", {
      backend: "raw",
      operation: "save",
      identifier: "a.npy",
      retryable: true,
      retryAfterMs: 2000,
      cause,
    });
    expect(error).toMatchObject({ name: "StorageError", code: "NO_SPACE", backend: "raw", operation: "save" });
    expect(error).toMatchObject({ identifier: "a.npy", retryable: true, retryAfterMs: 2000, message: "disk is full" });
    expect(error.cause).toBe(cause);
    expect(error).toBeInstanceOf(Error);
  });

  it("has no cause at all where none was given", () => {
    expect("cause" in new StorageError("NOT_FOUND", "x")).toBe(false);
    expect("cause" in new StorageError("NOT_FOUND", "x", { cause: undefined })).toBe(true);
  });

  it("is recognised by code, all codes, or any code", () => {
    const error = new StorageError("NOT_FOUND", "x");
    expect(isStorageError(error)).toBe(true);
    expect(isStorageError(error, "NOT_FOUND")).toBe(true);
    expect(isStorageError(error, "CORRUPT", "NOT_FOUND")).toBe(true);
    expect(isStorageError(error, "CORRUPT")).toBe(false);
    for (const other of [new Error("NOT_FOUND"), { code: "NOT_FOUND" }, "NOT_FOUND", null, undefined]) {
      expect(isStorageError(other)).toBe(false);
    }
  });

  it("of another copy of the package is recognised, and a subclass only by itself", () => {
    const foreign = Object.defineProperty(new Error("x"), Symbol.for("sluice.StorageError"), { value: true });
    expect(foreign).toBeInstanceOf(StorageError);
    expect(foreign).not.toBeInstanceOf(StorageResolutionError);
    expect(new StorageResolutionError("x")).toBeInstanceOf(StorageError);
    expect(new StorageError("UNKNOWN_BACKEND", "x")).not.toBeInstanceOf(StorageResolutionError);
    expect(new StorageResolutionError("x").code).toBe("UNKNOWN_BACKEND");
  });

  it("becomes plain JSON without its cause", () => {
    const error = new StorageError("CONFLICT", "m", { identifier: "k", cause: new Error("secret") });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: "StorageError",
      code: "CONFLICT",
      message: "m",
      identifier: "k",
      retryable: false,
    });
  });
});

describe("translation", () => {
  it("keeps a StorageError as it is and wraps everything else as UNEXPECTED, cause kept", () => {
    const known = new StorageError("NOT_FOUND", "x");
    expect(toStorageError(known, { backend: "b" })).toBe(known);
    for (const thrown of [new TypeError("boom"), "boom", { toString: () => "boom" }]) {
      const error = toStorageError(thrown, { backend: "raw", operation: "load", identifier: "a" });
      expect(error).toMatchObject({ code: "UNEXPECTED", message: "raw load a: boom", backend: "raw" });
      expect(error.cause).toBe(thrown);
    }
    expect(toStorageError(new Error("boom"), {}).message).toBe("boom");
  });

  it("adds the place to an error that names none, once, and to no other", () => {
    const cause = new Error("below");
    const bare = new StorageError("CORRUPT", "m", { identifier: "k", retryable: true, retryAfterMs: 5, cause });
    const placed = located(bare, { backend: "raw", operation: "load", identifier: "other" });
    expect(placed).toMatchObject({ code: "CORRUPT", message: "m", backend: "raw", operation: "load", identifier: "k" });
    expect(placed).toMatchObject({ retryable: true, retryAfterMs: 5, stack: bare.stack });
    expect(placed.cause).toBe(cause);
    expect("cause" in located(new StorageError("CORRUPT", "m"), { backend: "raw" })).toBe(false);
    expect(bare.backend).toBeUndefined();
    expect(located(placed, { backend: "outer" })).toBe(placed);
    const derived = new StorageResolutionError("m");
    expect(located(derived, { backend: "raw" })).toBe(derived);
  });

  it("has a place for every exception of the seeds, with codes that exist", () => {
    const known = Object.keys(storageErrorCodes);
    for (const codes of Object.values(seedExceptions)) {
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) expect(known).toContain(code);
    }
  });
});

describe("closing several things", () => {
  it("runs every step in order although some fail", async () => {
    const ran: number[] = [];
    const failures = [new Error("first"), new Error("second")];
    const steps = [
      () => void ran.push(1),
      async () => {
        ran.push(2);
        throw failures[0];
      },
      () => void ran.push(3),
      () => {
        ran.push(4);
        throw failures[1];
      },
      () => void ran.push(5),
    ];
    const error = await runAll(steps, "Closing failed").catch((thrown: unknown) => thrown);
    expect(ran).toEqual([1, 2, 3, 4, 5]);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual(failures);
    expect((error as AggregateError).message).toBe("Closing failed (2 failures)");
  });

  it("throws a single failure as it is, and nothing for none", async () => {
    const failure = new Error("only");
    await expect(runAll([() => Promise.reject(failure)], "m")).rejects.toBe(failure);
    await expect(runAll([], "m")).resolves.toBeUndefined();
    expect(() => throwFailures([], "m")).not.toThrow();
  });
});

describe("nearest", () => {
  it.each([
    ["zar", ["disk", "memory", "zarr"], "zarr"],
    ["Memroy", ["disk", "memory"], "memory"],
    ["shardBites", ["shardBytes", "chunk"], "shardBytes"],
    ["postgres", ["disk", "memory"], undefined],
    ["x", [], undefined],
  ])("%s among %j is %s", (name, known, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });
});
