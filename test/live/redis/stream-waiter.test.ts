/** Two who wait for one stream, in the order in which answers can come. */
import { expect, it } from "vitest";
import type { Page } from "../../../src/live/engine.ts";
import type { NextResult } from "../../../src/live/engines/redis/blocking-reader.ts";
import { StreamReply } from "../../../src/live/engines/redis/stream-reply.ts";
import { StreamWaiter } from "../../../src/live/engines/redis/stream-waiter.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

const pageOf = (length: number): Page => ({ entries: [], bounds: { floor: 0, length, sealed: false, durable: 0 } });

const rawEntry = (index: number) => [Buffer.from(`${index}-1`), [Buffer.from("payload"), Buffer.of(index)]];

it("who has just looked is not left waiting behind what came for another at that moment", async () => {
  const looks: ((pages: ReadonlyMap<string, Page>) => void)[] = [];
  const nexts: { readonly place: string | undefined; readonly answer: (result: NextResult) => void }[] = [];
  const reader = {
    count: 512,
    next: (positions: ReadonlyMap<string, string>) =>
      new Promise<NextResult>((answer) => nexts.push({ place: positions.get("s"), answer })),
  };
  const waiter = new StreamWaiter(reader as never, () => new Promise((resolve) => looks.push(resolve)));
  const first = waiter.wait(new Map([["s", 5]]), {});
  looks.shift()?.(new Map([["s", pageOf(5)]]));
  await turn();
  expect(nexts.map(({ place }) => place)).toEqual(["5-0"]);
  const positions = new Map([
    ["s", 5],
    ["t", 0],
  ]);
  const second = waiter.wait(positions, {});
  await turn();
  // The second one's look was made before points came, and is answered together with them.
  looks.shift()?.(
    new Map([
      ["s", pageOf(5)],
      ["t", pageOf(0)],
    ]),
  );
  nexts.shift()?.answer({ kind: "news", news: new Map([["s", new StreamReply("s", [rawEntry(5), rawEntry(6)])]]) });
  expect((await first).get("s")?.bounds.length).toBe(7);
  await turn();
  expect(nexts.map(({ place }) => place)).toEqual([]);
  looks.shift()?.(
    new Map([
      ["s", pageOf(7)],
      ["t", pageOf(0)],
    ]),
  );
  expect([...(await second).keys()]).toEqual(["s"]);
});
