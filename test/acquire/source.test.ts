import { describe, expect, it } from "vitest";
import { Source } from "../../src/acquire/source.ts";

function sourceWith(written: number): Source {
  const source = new Source({ name: "cam", dtype: "uint8", shape: [2], mimetype: "" }, { operation: "register" });
  for (let i = 0; i < written; i++) {
    source.accept();
    source.settle(true);
  }
  return source;
}

describe("Counts of a source whose store failed", () => {
  it("take frames back, and give back those that were stored after all", () => {
    const source = sourceWith(3);
    source.lose(0);
    expect(source).toMatchObject({ framesWritten: 0, framesRejected: 3 });
    source.lose(2);
    expect(source).toMatchObject({ framesWritten: 2, framesRejected: 1 });
  });

  it("never tell of more frames than came, and leave those alone that were refused", () => {
    const source = sourceWith(3);
    source.accept();
    source.settle(false);
    source.lose(9);
    expect(source).toMatchObject({ framesWritten: 3, framesRejected: 1 });
    source.lose(1);
    source.lose(1);
    expect(source).toMatchObject({ framesWritten: 1, framesRejected: 3 });
  });
});
