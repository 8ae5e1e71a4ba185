/** Appends that are under way when the server forgets how to make them. */
import { ErrorReply } from "redis";
import { expect, it } from "vitest";
import { Appender } from "../../../src/live/engines/redis/appender.ts";
import type { RedisConnection, RedisReply } from "../../../src/live/engines/redis/connection.ts";
import { redisError } from "../../../src/live/engines/redis/errors.ts";
import { RedisFunctions } from "../../../src/live/engines/redis/functions.ts";

/** Too large to be packed with others. */
const entry = (index: number) => [{ index, length: 1, payload: new Uint8Array(5000).fill(index) }];

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection to a server that is played here. */
function connectionTo(answer: (args: readonly unknown[]) => Promise<RedisReply>): RedisConnection {
  const parts = {
    isClosed: false,
    send: answer,
    call: async (args: readonly unknown[]) => {
      try {
        return await answer(args);
      } catch (cause) {
        throw redisError(cause, { operation: "append" });
      }
    },
    ready: async () => {},
    pause: async () => {},
  };
  return parts as unknown as RedisConnection;
}

it("one that follows on another, which the server did not know how to make, is made after it", async () => {
  let length = 0;
  let isKnown = false;
  let [answerAppends, tellLoaded] = [() => {}, () => {}];
  const asked = new Promise<void>((resolve) => (answerAppends = resolve));
  const loaded = new Promise<void>((resolve) => (tellLoaded = resolve));
  const connection = connectionTo(async ([command, , , , , , , first, ...pairs]) => {
    if (command === "FUNCTION") {
      await loaded;
      return "library";
    }
    if (pairs.length === 0) return [];
    await asked;
    if (!isKnown) {
      // Another process has told the server before the next one comes.
      isKnown = true;
      throw new ErrorReply("ERR Function not found");
    }
    if (Number(first) !== length) return ["index", String(first), String(length)];
    length += pairs.length / 2;
    return 1;
  });
  const appender = new Appender(connection, new RedisFunctions(connection, "functions"), "sluice:");
  const one = appender.append("s", entry(0));
  await turn();
  const appends = Promise.allSettled([one, appender.append("s", entry(1))]);
  await turn();
  // Both are under way.
  answerAppends();
  await turn();
  tellLoaded();
  expect(await appends).toMatchObject([{ status: "fulfilled" }, { status: "fulfilled" }]);
  expect(length).toBe(2);
});

it("all that wait are told if the server may not be told how", async () => {
  const connection = connectionTo(async ([command]) => {
    throw new ErrorReply(command === "FCALL" ? "ERR Function not found" : "OOM no room for functions");
  });
  const appender = new Appender(connection, new RedisFunctions(connection, "functions"), "sluice:");
  const appends = await Promise.allSettled([appender.append("s", entry(0)), appender.append("s", entry(1))]);
  expect(appends.map((result) => (result.status === "rejected" ? result.reason.code : "made"))).toEqual([
    "NO_SPACE",
    "NO_SPACE",
  ]);
  await appender.idle("s");
});
