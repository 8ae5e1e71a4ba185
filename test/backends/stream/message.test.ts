import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonical, encodeItem, type StreamItem } from "../../../backends/stream/item.ts";
import { BadItemError, decodeMessage, encodeMessage } from "../../../backends/stream/message.ts";
import { MAX_HEADER_BYTES, readFrame, startFrame } from "../../../src/codecs/message-frame.ts";
import { toWireError } from "../../../src/codecs/wire-error.ts";
import { type DType, dtypes, nativeEndian } from "../../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../../src/core/errors.ts";
import { arraysEqual, type NdArray, ndArray, sizeOf, zeros } from "../../../src/core/nd-array.ts";
import { codeBlocks } from "../../structure/markdown.ts";

const image = ndArray(Uint16Array.of(0, 1, 256, 513, 1027, 65535), [2, 3]);

function itemOf(data: unknown, more: Partial<StreamItem> = {}): StreamItem {
  return { id: 1, path: "a/b", data, metadata: {}, producer: { name: "test" }, ...more };
}

function decodeOnly(bytes: Uint8Array): StreamItem {
  const message = decodeMessage(bytes);
  if (message.type !== "item") throw new Error(`a ${message.type}`);
  return message.item;
}

/** A message whose header is what the test says. */
function raw(header: object, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const { bytes, offset } = startFrame(header, payload.byteLength);
  bytes.set(payload, offset);
  return bytes;
}

function errorOf(bytes: Uint8Array): StorageError {
  try {
    decodeMessage(bytes);
  } catch (error) {
    if (isStorageError(error)) return error;
    throw error;
  }
  throw new Error("it was read");
}

describe("items", () => {
  const vector: StreamItem = {
    id: 7,
    path: "A01/f0.tif",
    data: image,
    axes: ["y", "x"],
    metadata: { channel: "GFP" },
    producer: { name: "demo" },
    batch: { id: "b1", index: 0, count: 2, metadata: { well: "A01" } },
  };
  const page = readFileSync(new URL("../../../docs/stream-wire-format.md", import.meta.url), "utf8");
  const hex = codeBlocks(page, "hex")[0]!.code.replace(/\s/g, "");

  it.runIf(nativeEndian === "little")("are written byte for byte as the documentation shows", () => {
    expect(Buffer.from(encodeItem(vector)).toString("hex")).toBe(hex);
  });

  it("are read from the bytes of the documentation", () => {
    expect(decodeOnly(Buffer.from(hex, "hex"))).toEqual(vector);
  });

  it("come back equal: arrays of every dtype and layout, JSON, text and bytes, with all that goes along", () => {
    const shape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
    const dtype = fc.constantFrom(...(Object.keys(dtypes) as DType[]));
    const array = fc.tuple(shape, dtype, fc.integer()).map(([lengths, type, seed]): NdArray => {
      const made = zeros(lengths, type);
      const bytes = new Uint8Array(made.data.buffer);
      for (let i = 0; i < bytes.length; i++) bytes[i] = type === "bool" ? i % 2 : (i * 31 + seed) & 0x3f;
      return { ...made, shape: [...lengths].reverse(), stride: [...made.stride].reverse() };
    });
    const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    const metadata = fc.dictionary(fc.string(), json).map((value) => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(fc.oneof(array, json, fc.uint8Array()), metadata, fc.nat(), fc.nat(15), (data, about, id, shift) => {
        const sent = itemOf(data, { id, metadata: about });
        const message = encodeItem(sent);
        // Wherever the transport put it in memory.
        const moved = new Uint8Array(message.byteLength + shift).subarray(shift);
        moved.set(message);
        const { data: came, ...rest } = decodeOnly(moved);
        const { data: _, ...expected } = sent;
        expect(rest).toEqual(expected);
        if (typeof data === "object" && data !== null && "dtype" in data && "stride" in data) {
          expect(arraysEqual(came as NdArray, data as NdArray)).toBe(true);
        } else if (data instanceof Uint8Array) expect(Buffer.compare(came as Uint8Array, data)).toBe(0);
        else expect(came).toEqual(data);
      }),
    );
  });

  it("share no memory with what they were made of", () => {
    const source = ndArray(Uint8Array.of(1, 2, 3));
    const message = encodeItem(itemOf(source));
    (source.data as Uint8Array).fill(9);
    expect(decodeOnly(message).data).toMatchObject({ data: Uint8Array.of(1, 2, 3) });
  });

  it("are read in either byte order", () => {
    const header = {
      type: "item",
      id: 1,
      path: "a",
      value: "array",
      dtype: "uint16",
      shape: [2],
      producer: { name: "p" },
    };
    const payload = Uint8Array.of(1, 2, 3, 4);
    for (const [byteOrder, elements] of [
      ["big", [0x0102, 0x0304]],
      ["little", [0x0201, 0x0403]],
    ] as const) {
      const { data } = decodeOnly(raw({ ...header, byteOrder }, payload));
      expect(Array.from((data as NdArray).data as Uint16Array)).toEqual(elements);
    }
  });

  it.each([
    ["an array without elements", { data: zeros([3, 0], "uint8") }, "nothing to show"],
    ["more axes than anybody has", { data: zeros(new Array(33).fill(1), "uint8") }, "33 axes"],
    ["axes for an array of another rank", { axes: ["x"] }, "1 axes for an array of 2"],
    ["one name for two axes", { axes: ["x", "x"] }, "two axes have one name"],
    ["axes without an array", { data: "text", axes: ["x"] }, "has axes"],
    ["data that JSON would change", { data: { at: Number.NaN } }, "NaN"],
    ["metadata that JSON would change", { metadata: { at: new Date() } }, "Date"],
    ["metadata that is no object", { metadata: [] as never }, "plain object"],
    [
      "metadata of a batch that JSON would drop",
      { batch: { id: "b", index: 0, count: 1, metadata: { a: undefined } } },
      "undefined",
    ],
    ["a producer without a name", { producer: { step: 1 } as never }, "producer"],
    ["a producer with a nested field", { producer: { name: "p", more: {} } as never }, "producer"],
    ["a header that is too long", { metadata: { text: "x".repeat(MAX_HEADER_BYTES) } }, "too long"],
  ])("are refused before they are sent: %s", (_, more: Partial<StreamItem>, message) => {
    try {
      encodeItem(itemOf(image, more));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "INVALID_DATA", message: expect.stringContaining(message) });
    }
  });

  it("take the place of a slot, so the root is none", () => {
    expect(() => encodeItem(itemOf(image, { path: "" }))).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
  });
});

describe("malformed messages", () => {
  const good = {
    type: "item",
    id: 4,
    path: "a",
    value: "array",
    dtype: "uint8",
    shape: [2],
    byteOrder: "little",
    metadata: {},
    producer: { name: "p" },
  };
  const two = Uint8Array.of(1, 2);

  it.each([
    ["an item without a path", { ...good, path: undefined }, two],
    ["a path that leaves the root", { ...good, path: "a/../../b" }, two],
    ["an absolute path", { ...good, path: "/etc/passwd" }, two],
    ["a path with NUL", { ...good, path: "a\0" }, two],
    ["a path that is the root", { ...good, path: "." }, two],
    ["an unknown dtype", { ...good, dtype: "complex64" }, two],
    ["a dtype that every object has", { ...good, dtype: "toString" }, two],
    ["a negative length", { ...good, shape: [-1, -2] }, two],
    ["an empty array", { ...good, shape: [0] }, new Uint8Array()],
    ["lengths that overflow", { ...good, shape: [2 ** 40, 2 ** 40] }, two],
    ["a payload that is too short", { ...good, shape: [3] }, two],
    ["a payload that is too long", { ...good, shape: [1] }, two],
    ["no byte order", { ...good, byteOrder: "middle" }, two],
    ["too many axes", { ...good, axes: ["y", "x"] }, two],
    ["axes that are no names", { ...good, axes: [1] }, two],
    ["an unknown kind of value", { ...good, value: "pickle" }, two],
    ["text that is not UTF-8", { ...good, value: "text" }, Uint8Array.of(0xff)],
    ["JSON that is none", { ...good, value: "json" }, Uint8Array.of(0x7b)],
    ["metadata that is a list", { ...good, metadata: [] }, two],
    ["nobody as its producer", { ...good, producer: null }, two],
    ["a place behind its batch", { ...good, batch: { id: "b", index: 2, count: 2 } }, two],
    ["a batch that is no object", { ...good, batch: "b" }, two],
  ])("are errors with a code, and the item can be named: %s", (_, header, payload) => {
    const error = errorOf(raw(header, payload));
    expect(error.code).toBe("CORRUPT");
    expect(error).toBeInstanceOf(BadItemError);
    expect((error as BadItemError).id).toBe(4);
  });

  it.each([
    ["nothing", new Uint8Array()],
    ["another format", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["another version", Uint8Array.of(0x53, 0x4c, 0x57, 2, 0, 0, 0, 0)],
    ["a header behind the end", Uint8Array.of(0x53, 0x4c, 0x57, 1, 8, 0, 0, 0)],
    ["a header of four gigabytes", Uint8Array.of(0x53, 0x4c, 0x57, 1, 255, 255, 255, 255)],
    ["a header of no length", Uint8Array.of(0x53, 0x4c, 0x57, 1, 0, 0, 0, 0)],
    ["a payload out of line", Uint8Array.of(0x53, 0x4c, 0x57, 1, 2, 0, 0, 0, 0x7b, 0x7d)],
    ["a header that is a list", raw([])],
    ["a header that is null", Uint8Array.of(0x53, 0x4c, 0x57, 1, 8, 0, 0, 0, ...Buffer.from("null    "))],
    ["a header that is not UTF-8", Uint8Array.of(0x53, 0x4c, 0x57, 1, 8, 0, 0, 0, ...new Array(8).fill(0xff))],
    ["no type", raw({})],
    ["an unknown type", raw({ type: "constructor" })],
    ["an item without a number", raw({ ...good, id: "4" }, two)],
    ["an acknowledgement of nothing", raw({ type: "ack", status: "ok" })],
    ["an acknowledgement that says nothing", raw({ type: "ack", id: 1 })],
    ["an error without a word", raw({ type: "ack", id: 1, status: "error" })],
    ["a hello from nobody", raw({ type: "hello", sender: "" })],
    ["a hello with a limit that is none", raw({ type: "hello", maxMessageBytes: -1 })],
    ["a payload that nobody announced", raw({ type: "ack", id: 1, status: "ok" }, two)],
  ])("are errors with a code: %s", (_, bytes) => {
    expect(errorOf(bytes).code).toBe("CORRUPT");
    expect(errorOf(bytes)).not.toBeInstanceOf(BadItemError);
  });

  it("never do anything else, whatever a bit or a cut does to a message", () => {
    const message = encodeItem(
      itemOf(image, { axes: ["y", "x"], batch: { id: "b", index: 0, count: 1, metadata: {} } }),
    );
    const damage = fc.record({ at: fc.nat(message.byteLength - 1), bit: fc.nat(7), cut: fc.nat(message.byteLength) });
    fc.assert(
      fc.property(damage, ({ at, bit, cut }) => {
        const bytes = message.slice(0, cut);
        if (at < cut) bytes[at] = (bytes[at] as number) ^ (1 << bit);
        try {
          decodeMessage(bytes);
        } catch (error) {
          expect(isStorageError(error, "CORRUPT")).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("pass over fields that a later version may have", () => {
    expect(decodeOnly(raw({ ...good, colour: "red" }, two)).id).toBe(4);
  });
});

describe("the other messages", () => {
  it("come back equal", () => {
    const error = { code: "NO_SPACE", message: "full", retryable: true } as const;
    for (const message of [
      { type: "hello", maxMessageBytes: 1000 },
      { type: "hello", sender: "me" },
      { type: "ack", id: 3 },
      { type: "ack", id: 3, error },
      { type: "error", error },
    ] as const) {
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }
  });

  it("carry errors by code and sentence, never by stack or cause", () => {
    const cause = new Error("password");
    expect(toWireError(new StorageError("NO_SPACE", "full", { cause, retryable: true }))).toEqual({
      code: "NO_SPACE",
      message: "full",
      retryable: true,
    });
    expect(toWireError("odd")).toEqual({ code: "UNEXPECTED", message: "odd", retryable: false });
  });

  it("take an unknown code for an unexpected one", () => {
    const bytes = raw({ type: "error", error: { code: "toString", message: "x" } });
    expect(decodeMessage(bytes)).toMatchObject({ error: { code: "UNEXPECTED", message: "x", retryable: false } });
  });
});

it("readFrame gives views of the message, at multiples of eight", () => {
  const message = encodeItem(itemOf(image));
  const { payload } = readFrame(message);
  expect(payload.buffer).toBe(message.buffer);
  expect(payload.byteOffset % 8).toBe(0);
  expect(payload.byteLength).toBe(sizeOf(image.shape) * 2);
});

it("canonical texts are equal for equal objects, whatever their order", () => {
  expect(canonical({ a: 1, b: { d: [1, 2], c: 3 } })).toBe(canonical({ b: { c: 3, d: [1, 2] }, a: 1 }));
  expect(canonical({ a: [1, 2] })).not.toBe(canonical({ a: [2, 1] }));
});
