/** The connection that waits for all, with a server in the hand. */
import { expect, it } from "vitest";
import { BlockingReader, type ReaderConnections } from "../../../src/live/engines/redis/blocking-reader.ts";
import type { RedisReply } from "../../../src/live/engines/redis/connection.ts";

const entriesFrom = (first: number, last: number): RedisReply => {
  const entries = Array.from({ length: last - first + 1 }, (_, i) => [
    Buffer.from(`${first + i}-1`),
    [Buffer.from("payload"), Buffer.of(first + i)],
  ]);
  return [[Buffer.from("s"), entries]];
};

it("an answer for a later place is not given to who came meanwhile and waits at an earlier one", async () => {
  const asked: { readonly place: string; readonly answer: (reply: RedisReply) => void }[] = [];
  const waiting = {
    call: async () => 7,
    send: (command: readonly unknown[]) =>
      new Promise<RedisReply>((resolve) => asked.push({ place: String(command.at(-1)), answer: resolve })),
    close: () => {
      for (const { answer } of asked) answer(null);
    },
  };
  const connections = { calls: { call: async () => 0 }, open: () => waiting };
  const reader = new BlockingReader(connections as unknown as ReaderConnections, 1000);
  const late = reader.next(new Map([["s", "5-0"]]), { operation: "wait" });
  await expect.poll(() => asked.map(({ place }) => place), { timeout: 30_000 }).toEqual(["5-0"]);
  const early = reader.next(new Map([["s", "2-0"]]), { operation: "wait" });
  // What the server sends before it is told to let go: points 2 to 4 are not in it.
  asked[0]?.answer(entriesFrom(5, 6));
  expect(await late).toMatchObject({ kind: "news" });
  await expect.poll(() => asked.map(({ place }) => place), { timeout: 30_000 }).toEqual(["5-0", "2-0"]);
  asked[1]?.answer(entriesFrom(2, 6));
  const news = await early;
  const indexes = news.kind === "news" ? news.news.get("s")?.entries.entries.map(({ index }) => index) : undefined;
  expect(indexes).toEqual([2, 3, 4, 5, 6]);
  await reader.close();
});
