/** Checks of byte stores: signals that fire while something is under way. */
import { isStorageError } from "../core/errors.ts";
import { check, checkEqual, checkRejects, isEqual } from "./assertions.ts";
import { type ByteStoreCheck, checkKeys, checkStored, pattern } from "./byte-store-checks.ts";

/** Turns of the event loop after which the signal fires, one trial each. */
const MOMENTS = 24;

/** Turns of the event loop with I/O in them; no time is measured. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

export const abortChecks: readonly ByteStoreCheck[] = [
  {
    name: "a write that is aborted at any moment leaves the old value or the new one, and no orphan",
    run: async (subject) => {
      const parts = Array.from({ length: 16 }, (_, i) => pattern(100_000, i));
      const whole = new Uint8Array(1_600_000);
      for (const [i, part] of parts.entries()) whole.set(part, i * 100_000);
      for (let moment = 0; moment < MOMENTS; moment++) {
        const controller = new AbortController();
        const old = pattern(1000, moment);
        await subject.store.write("deep/value", old);
        const write = subject.store.write("deep/value", parts, { signal: controller.signal }).then(
          () => "written",
          (error: unknown) => (isStorageError(error, "ABORTED") ? "aborted" : error),
        );
        await turns(moment % 8);
        controller.abort();
        const outcome = await write;
        check(outcome === "written" || outcome === "aborted", `An aborted write ended with ${String(outcome)}`);
        const expected = outcome === "written" ? whole : old;
        await checkStored(subject, "deep/value", expected, `the value after a write that was ${outcome}`);
        await checkKeys(subject, ["deep/value"], "what is there");
      }
    },
  },
  {
    name: "an aborted write of a new key leaves nothing behind",
    run: async (subject) => {
      for (let moment = 0; moment < 8; moment++) {
        const controller = new AbortController();
        const key = `new${moment}/directory/value`;
        const write = subject.store.write(key, pattern(500_000), {
          signal: controller.signal,
          ifAbsent: moment % 2 === 0,
        });
        const settled = write.then(
          () => true,
          () => false,
        );
        await turns(moment);
        controller.abort();
        if (await settled) await subject.store.delete(key);
        await checkKeys(subject, [], "what is there");
      }
    },
  },
  {
    name: "a copy and a rename that are aborted at any moment lose nothing and leave no part",
    run: async (subject) => {
      const { store, side } = subject;
      for (let moment = 0; moment < MOMENTS; moment++) {
        const operation = moment % 2 === 0 ? "copy" : "rename";
        const [from, old] = [pattern(300_000, moment), pattern(1000, moment)];
        await store.write("a/from", from);
        await store.write("b/to", old);
        const controller = new AbortController();
        const options = { ifExists: "replace", signal: controller.signal } as const;
        const ended = store[operation]("a/from", "b/to", options).then(
          () => "done",
          (error: unknown) => (isStorageError(error, "ABORTED") ? "aborted" : error),
        );
        await turns(moment >> 2);
        controller.abort();
        const outcome = await ended;
        check(outcome === "done" || outcome === "aborted", `An aborted ${operation} ended with ${String(outcome)}`);
        const [source, target] = [await side.get("a/from"), await side.get("b/to")];
        const isCopied = isEqual(target, from);
        if (outcome === "done") {
          check(isCopied, `A ${operation} that was done has not stored its value`);
          checkEqual(source, operation === "copy" ? from : undefined, `the source after a ${operation}`);
          continue;
        }
        checkEqual(source, from, `the source of an aborted ${operation}`);
        // Where a rename is a copy and a delete, it may end between the two.
        const isHalf = isCopied && operation === "rename" && store.capabilities.rename === "emulated";
        check(isHalf || isEqual(target, old), `An aborted ${operation} has changed its target`);
        await checkKeys(subject, ["a/from", "b/to"], "what is there");
      }
    },
  },
  {
    name: "a close that is aborted publishes nothing, and can be repeated or given up",
    run: async (subject) => {
      const { store, side } = subject;
      const writer = await store.openWriter("value");
      await writer.write(pattern(100));
      const signal = AbortSignal.abort();
      await checkRejects(() => writer.close({ signal }), "ABORTED", "close");
      checkEqual(await side.get("value"), undefined, "the value after an aborted close");
      await writer.write(pattern(100, 2));
      await writer.close();
      const stored = await side.get("value");
      check(isEqual(stored, new Uint8Array([...pattern(100), ...pattern(100, 2)])), "The second close lost something");
    },
  },
  {
    name: "a chunk that is aborted is not written, and the writer goes on",
    run: async (subject) => {
      const writer = await subject.store.openWriter("value");
      await writer.write(pattern(100));
      await checkRejects(() => writer.write(pattern(50), { signal: AbortSignal.abort() }), "ABORTED", "write");
      checkEqual(writer.byteLength, 100, "the length after an aborted chunk");
      await writer.write(pattern(10));
      await writer.close();
      await checkStored(subject, "value", new Uint8Array([...pattern(100), ...pattern(10)]));
    },
  },
];
