/** Checks of scans and of their leases. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import type { KitCheck } from "./kit.ts";
import {
  boundsOf,
  byteStream,
  entries,
  eventually,
  type LiveEngineSubject,
  newScan,
  preparedScan,
  scanKey,
  states,
  streamKey,
} from "./live-engine-subject.ts";

const { CREATED, PREPARED, STARTED, STOPPED, CLOSED } = states;

/** Long enough for a check to be over before it ends. */
const LONG_LEASE_MS = 600_000;

export const scanChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "a scan is found by every engine as it was created",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      const info = { title: "a\u0000 ✓", deep: { list: [1, 2.5, null, true, "x"] } };
      await one.createScan(newScan(1, { info }));
      const scan = await other.getScan(scanKey(1));
      checkEqual(scan?.key, scanKey(1), "key");
      checkEqual(scan?.identity, { name: "loopscan", number: 1 }, "identity");
      checkEqual(scan?.info, info, "info");
      checkEqual([scan?.state, scan?.streams, scan?.endReason], [CREATED, {}, undefined], "state, streams, end");
      check(Math.abs((scan?.createdAt ?? 0) - Date.now() / 1000) < 600, `createdAt is ${scan?.createdAt}`);
    },
  },
  {
    name: "a key that is taken is refused, and the scan of that key is as it was",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      const again = newScan(1, { info: { other: true } });
      await checkRejects(engine.createScan(again), "ALREADY_EXISTS", "a second scan of one key");
      checkEqual((await engine.getScan(scanKey(1)))?.info, {}, "info");
      checkEqual((await engine.scansAfter("oldest", { timeoutMs: 0 })).scans.length, 1, "scans in the history");
    },
  },
  {
    name: "what is not there has no header and no state",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      checkEqual(await engine.getScan(scanKey(2)), undefined, "header");
      const keys = [scanKey(2), scanKey(1), scanKey(3)];
      checkEqual(await engine.getStates(keys), [undefined, CREATED, undefined], "states");
      checkEqual(await engine.getStates([]), [], "states of no scans");
      const change = { from: [CREATED], to: PREPARED };
      await checkRejects(engine.transition(scanKey(2), change), "NOT_FOUND", "a transition");
      await checkRejects(engine.expire(scanKey(2), 1000), "NOT_FOUND", "expire");
      checkEqual(await engine.deleteScan(scanKey(2)), false, "deleteScan of nothing");
    },
  },
  {
    name: "each change makes the revision one more, and is whole for others",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.createScan(newScan(1));
      const before = (await other.getScan(scanKey(1)))?.revision ?? Number.NaN;
      const streams = { bytes: byteStream(1), more: byteStream(2, "more") };
      const info = { prepared: true };
      const answered = await one.transition(scanKey(1), { from: [CREATED], to: PREPARED, streams, info });
      const scan = await other.getScan(scanKey(1));
      checkEqual(scan, answered, "the header as another engine sees it");
      checkEqual([scan?.state, scan?.revision], [PREPARED, before + 1], "state and revision");
      checkEqual([scan?.streams, scan?.info], [streams, info], "streams and info");
    },
  },
  {
    name: "what a change does not name stays",
    run: async ({ connect }) => {
      const engine = await connect();
      await preparedScan(engine, 1, { info: { a: 1 } });
      await engine.transition(scanKey(1), { from: [PREPARED], to: STARTED });
      const scan = await engine.getScan(scanKey(1));
      checkEqual([scan?.info, scan?.streams], [{ a: 1 }, { bytes: byteStream(1) }], "info and streams");
    },
  },
  {
    name: "a change from another state is refused, says which, and changes nothing",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1));
      const stop = { from: [STARTED], to: STOPPED, info: { no: true }, endReason: "no" };
      const error = await checkRejects(engine.transition(scanKey(1), stop), "CONFLICT", "stop of a CREATED scan");
      checkEqual("state" in error && error.state, CREATED, "the state in the error");
      const scan = await engine.getScan(scanKey(1));
      checkEqual([scan?.state, scan?.info, scan?.endReason], [CREATED, {}, undefined], "the scan");
    },
  },
  {
    name: "a scan that is under way takes more streams and other info, and says so to those who wait",
    run: async ({ connect }) => {
      const [writer, reader] = [await connect(), await connect()];
      await preparedScan(writer, 1);
      const { revision = Number.NaN } = (await reader.getScan(scanKey(1))) ?? {};
      const waiting = reader.waitScan(scanKey(1), revision);
      const streams = { bytes: byteStream(1), late: byteStream(2, "late") };
      await writer.transition(scanKey(1), { from: [PREPARED], to: PREPARED, streams, info: { more: 1 } });
      const seen = await waiting;
      checkEqual([seen?.state, seen?.streams, seen?.info], [PREPARED, streams, { more: 1 }], "the scan");
      await checkRejects(writer.transition(scanKey(1), { from: [PREPARED], to: PREPARED }), "CONFLICT", "nothing new");
      await writer.transition(scanKey(1), { from: [PREPARED], to: STOPPED });
      checkEqual((await boundsOf(reader, streamKey(2))).sealed, true, "the late stream at the end");
      const after = { from: [STOPPED], to: STOPPED, streams };
      await checkRejects(writer.transition(scanKey(1), after), "CONFLICT", "a stream after the end");
    },
  },
  {
    name: "of two that make the same change one succeeds",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.createScan(newScan(1));
      const change = { from: [CREATED], to: PREPARED };
      const results = await Promise.allSettled([one, other].map((engine) => engine.transition(scanKey(1), change)));
      checkEqual(results.filter(({ status }) => status === "fulfilled").length, 1, "changes that succeeded");
      const close = { from: [CREATED, PREPARED, STARTED, STOPPED], to: CLOSED };
      await one.transition(scanKey(1), close);
      await checkRejects(other.transition(scanKey(1), close), "CONFLICT", "close of a CLOSED scan");
    },
  },
  {
    name: "a scan that stops or closes seals all its streams in the same step",
    run: async ({ connect }) => {
      const engine = await connect();
      for (const [number, to] of [[1, STOPPED] as const, [2, CLOSED] as const]) {
        await preparedScan(engine, number);
        await engine.append(streamKey(number), entries(0, 3));
        checkEqual((await boundsOf(engine, streamKey(number))).sealed, false, "sealed before");
        await engine.transition(scanKey(number), { from: [PREPARED], to, endReason: "SUCCESS" });
        const { length, sealed } = await boundsOf(engine, streamKey(number));
        checkEqual([length, sealed], [3, true], "length and sealed after");
      }
      checkEqual((await engine.getScan(scanKey(2)))?.endReason, "SUCCESS", "end reason");
    },
  },
  {
    name: "says for how long it has been CLOSED, and nothing before",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await preparedScan(one, 1);
      const stopped = await one.transition(scanKey(1), { from: [PREPARED], to: STOPPED });
      checkEqual([stopped.closedForMs], [undefined], "closedForMs before");
      await one.transition(scanKey(1), { from: [STOPPED], to: CLOSED });
      const closedForMs = async () => (await other.getScan(scanKey(1)))?.closedForMs ?? Number.NaN;
      check((await closedForMs()) >= 0 && (await closedForMs()) < LONG_LEASE_MS, "closedForMs is no time since then");
      await eventually(async () => (await closedForMs()) > 20, "closedForMs to grow");
    },
  },
  {
    name: "a scan that is deleted is gone with the data of its streams",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await preparedScan(one, 1);
      await one.append(streamKey(1), entries(0, 3));
      checkEqual(await other.deleteScan(scanKey(1)), true, "deleteScan");
      checkEqual(await one.getScan(scanKey(1)), undefined, "header");
      checkEqual(await one.getStates([scanKey(1)]), [undefined], "states");
      const { floor, length, sealed } = await boundsOf(one, streamKey(1));
      checkEqual([floor === length, sealed], [true, true], "empty and sealed");
      checkEqual((await one.range(streamKey(1), 0, 3)).entries, [], "entries");
      checkEqual(await one.deleteScan(scanKey(1)), false, "a second deleteScan");
    },
  },
  {
    name: "a scan goes by itself when its time is over, and not before",
    run: async ({ connect }) => {
      const engine = await connect();
      await preparedScan(engine, 1);
      await preparedScan(engine, 2);
      await engine.expire(scanKey(1), LONG_LEASE_MS);
      await engine.expire(scanKey(2), LONG_LEASE_MS);
      await engine.expire(scanKey(2), 20);
      await eventually(async () => (await engine.getScan(scanKey(2))) === undefined, "a scan that expires");
      checkEqual((await engine.getScan(scanKey(1)))?.key, scanKey(1), "the scan that has time");
    },
  },
];

export const leaseChecks: readonly KitCheck<LiveEngineSubject>[] = [
  {
    name: "is seen with its owner and the time that is left",
    run: async ({ connect }) => {
      const [one, other] = [await connect(), await connect()];
      await one.createScan(newScan(1, { lease: { owner: "me", ms: LONG_LEASE_MS } }));
      await one.createScan(newScan(2));
      const lease = (await other.getScan(scanKey(1)))?.lease;
      checkEqual(lease?.owner, "me", "owner");
      const left = lease?.remainingMs ?? 0;
      check(left > LONG_LEASE_MS / 2 && left <= LONG_LEASE_MS, `${left} ms are left`);
      checkEqual((await other.getScan(scanKey(2)))?.lease, undefined, "lease of a scan without");
    },
  },
  {
    name: "is renewed by its owner without a new revision, and taken by nobody else",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1, { lease: { owner: "me", ms: 1000 } }));
      const before = await engine.getScan(scanKey(1));
      await checkRejects(engine.renewLease(scanKey(1), "you", 1000), "CONFLICT", "a lease of another owner");
      await engine.renewLease(scanKey(1), "me", LONG_LEASE_MS);
      const after = await engine.getScan(scanKey(1));
      checkEqual([after?.lease?.owner, after?.revision], ["me", before?.revision], "owner and revision");
      check((after?.lease?.remainingMs ?? 0) > 1000, "the time was not renewed");
      await checkRejects(engine.renewLease(scanKey(9), "me", 1000), "NOT_FOUND", "a lease of no scan");
    },
  },
  {
    name: "that ran out ends the scan as LOST and seals its streams; others go on",
    run: async ({ connect }) => {
      const engine = await connect();
      await preparedScan(engine, 1, { lease: { owner: "gone", ms: 1 } });
      await preparedScan(engine, 2, { lease: { owner: "here", ms: LONG_LEASE_MS } });
      await preparedScan(engine, 3);
      await engine.append(streamKey(1), entries(0, 2));
      const closed: string[] = [];
      await eventually(async () => closed.push(...(await engine.closeLost())) > 0, "closeLost");
      checkEqual(closed, [scanKey(1)], "scans closed");
      checkEqual(await engine.closeLost(), [], "scans closed by a second call");
      const scan = await engine.getScan(scanKey(1));
      checkEqual([scan?.state, scan?.endReason, scan?.lease], [CLOSED, "LOST", undefined], "state, end, lease");
      const { length, sealed } = await boundsOf(engine, streamKey(1));
      checkEqual([length, sealed], [2, true], "length and sealed");
      checkEqual(await engine.getStates([scanKey(2), scanKey(3)]), [PREPARED, PREPARED], "states of the others");
      await checkRejects(engine.renewLease(scanKey(1), "gone", 1000), "WRITER_LOST", "a writer that comes back");
      await checkRejects(engine.append(streamKey(1), entries(2, 3)), "NOT_OPEN", "what it sends");
    },
  },
  {
    name: "ends with the scan",
    run: async ({ connect }) => {
      const engine = await connect();
      await engine.createScan(newScan(1, { lease: { owner: "me", ms: LONG_LEASE_MS } }));
      const closed = await engine.transition(scanKey(1), { from: [CREATED], to: CLOSED, endReason: "SUCCESS" });
      checkEqual(closed.lease, undefined, "lease");
      await checkRejects(engine.renewLease(scanKey(1), "me", 1000), "CONFLICT", "the lease of a CLOSED scan");
      checkEqual(await engine.closeLost(), [], "lost scans");
    },
  },
];
