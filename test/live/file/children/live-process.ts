/** Another process on a store: `write` appends until it is killed or has done enough, `read` follows at several paces. */
import { isStorageError } from "../../../../src/core/errors.ts";
import type { LiveEngine } from "../../../../src/live/engine.ts";
import { openFileEngine } from "../../../../src/live/engines/file/index.ts";
import { payloadOf, whyWrong } from "../payloads.ts";

const [command, root = "", stream = "", count = "0"] = process.argv.slice(2);

/** Says after each append that it is there. */
async function write(engine: LiveEngine): Promise<void> {
  const [bounds] = await engine.bounds([stream]);
  const first = bounds?.length ?? 0;
  process.stdout.write(`${first}\n`);
  for (let index = first; index < first + Number(count); index++) {
    try {
      await engine.append(stream, [{ index, length: 1, payload: payloadOf(index) }]);
    } catch (error) {
      // Another writer was first.
      if (isStorageError(error, "CONFLICT")) return;
      throw error;
    }
    process.stdout.write(`${index + 1}\n`);
  }
}

/** Follows to the end; the pace is the bytes of a page, and turns of others between two pages. */
async function follow(engine: LiveEngine, pace: number): Promise<number> {
  let next = 0;
  for (;;) {
    const page = (await engine.wait(new Map([[stream, next]]), { maxBytes: 100 + pace * 997 })).get(stream);
    if (page === undefined) continue;
    if (page.bounds.sealed && next >= page.bounds.length) return next;
    const { entries } = page.entries.length > 0 ? page : await engine.range(stream, next, next + 1 + pace);
    for (const { index, payload } of entries) {
      const wrong = index === next ? whyWrong(index, payload) : `${next} was expected, ${index} came`;
      if (wrong !== undefined) throw new Error(wrong);
      next++;
    }
    for (let turns = 0; turns < pace % 7; turns++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const engine = await openFileEngine({ root, segmentBytes: 1_000_000 });
if (command === "write") await write(engine);
else {
  const reading = Array.from({ length: Number(count) }, (_, pace) => follow(engine, pace));
  process.stdout.write("reading\n");
  process.stdout.write(`${JSON.stringify(await Promise.all(reading))}\n`);
}
await engine[Symbol.asyncDispose]();
