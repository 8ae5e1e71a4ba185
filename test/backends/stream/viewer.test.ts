import { describe, expect, it } from "vitest";
import { StreamBackend, type StreamBackendOptions } from "../../../backends/stream/backend.ts";
import type { ViewerLoss } from "../../../backends/stream/viewer-settings.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { image, ScriptedViewer, settle } from "./support.ts";

/** One message of a small image takes less than this, two take more. */
const ROOM = 250;

function streaming(viewer: ScriptedViewer, options: Partial<StreamBackendOptions> = {}) {
  const clock = new FakeClock();
  const losses: ViewerLoss[] = [];
  const backend = new StreamBackend({
    viewers: [viewer],
    clock,
    onLoss: (loss) => losses.push(loss),
    ...options,
  });
  return { backend, clock, losses, report: () => backend.report()[0]! };
}

/** What becomes of a promise, once something does. */
function outcome(work: Promise<unknown>): { readonly state: string } {
  const seen = { state: "pending" };
  work.then(
    () => {
      seen.state = "done";
    },
    (error) => {
      seen.state = error.code;
    },
  );
  return seen;
}

describe("a viewer that blocks", () => {
  it("holds a save until it answers, and sends no more than its window", async () => {
    const viewer = new ScriptedViewer();
    const { backend, report } = streaming(viewer, { windowBytes: ROOM, bufferBytes: ROOM });
    const saves = [0, 1, 2, 3].map((i) => outcome(backend.save(image(i), `p${i}`)));
    await settle();
    expect(viewer.paths).toEqual(["p0"]);
    expect(report()).toMatchObject({ underWay: 1, waiting: 3 });
    for (let i = 0; i < 4; i++) {
      expect(saves[i]!.state).toBe("pending");
      viewer.acknowledge(viewer.items[i]!.id);
      await settle();
      expect(saves[i]!.state).toBe("done");
    }
    expect(viewer.paths).toEqual(["p0", "p1", "p2", "p3"]);
    expect(report()).toMatchObject({ sent: 4, acknowledged: 4, dropped: 0, underWay: 0, waiting: 0, waitingBytes: 0 });
  });

  it("takes answers in any order, and passes over those to nothing and second ones", async () => {
    const viewer = new ScriptedViewer();
    const { backend, report } = streaming(viewer);
    const saves = [0, 1].map((i) => outcome(backend.save(image(i), `p${i}`)));
    await settle();
    viewer.acknowledge(99);
    viewer.acknowledge(viewer.items[1]!.id);
    viewer.acknowledge(viewer.items[1]!.id);
    await settle();
    expect(saves.map(({ state }) => state)).toEqual(["pending", "done"]);
    expect(report()).toMatchObject({ acknowledged: 1, underWay: 1 });
  });

  it("lets go of a save whose signal fires: unsent values stay unsent, others are not waited for", async () => {
    const viewer = new ScriptedViewer();
    const { backend, report } = streaming(viewer, { windowBytes: ROOM, bufferBytes: ROOM });
    const controllers = [0, 1, 2].map(() => new AbortController());
    const saves = controllers.map(({ signal }, i) => outcome(backend.save(image(i), `p${i}`, { signal })));
    await settle();
    for (const controller of controllers) controller.abort();
    await settle();
    expect(saves.map(({ state }) => state)).toEqual(["ABORTED", "ABORTED", "ABORTED"]);
    const next = outcome(backend.save(image(), "next"));
    viewer.acknowledge(viewer.items[0]!.id);
    await settle();
    expect(viewer.paths).toEqual(["p0", "next"]);
    viewer.acknowledge(viewer.items[1]!.id);
    await settle();
    expect([next.state, report().underWay]).toEqual(["done", 0]);
  });

  it("that answers nothing is given up: the oldest value fails, the others are sent again", async () => {
    const viewer = new ScriptedViewer();
    const { backend, clock, report } = streaming(viewer, { ackTimeoutMs: 1000 });
    const saves = [0, 1].map((i) => outcome(backend.save(image(i), `p${i}`)));
    await clock.advance(999);
    expect(saves[0]!.state).toBe("pending");
    await clock.advance(1);
    expect(saves.map(({ state }) => state)).toEqual(["TIMED_OUT", "pending"]);
    await clock.advance(100);
    expect(viewer.paths).toEqual(["p0", "p1", "p1"]);
    viewer.acknowledge(viewer.items[2]!.id);
    await settle();
    expect(saves[1]!.state).toBe("done");
    expect(report()).toMatchObject({ lost: 1, resent: 1, acknowledged: 1 });
  });

  it("that answers slowly, one value after another, is alive", async () => {
    const viewer = new ScriptedViewer();
    const { backend, clock } = streaming(viewer, { ackTimeoutMs: 1000 });
    const saves = [0, 1, 2].map((i) => outcome(backend.save(image(i), `p${i}`)));
    for (let i = 0; i < 3; i++) {
      await clock.advance(900);
      viewer.acknowledge(viewer.items[i]!.id);
    }
    await settle();
    expect(saves.map(({ state }) => state)).toEqual(["done", "done", "done"]);
    expect(clock.pending).toBe(0);
  });
});

describe("a viewer that falls behind", () => {
  it("with dropOldest never slows a save, keeps what is newest, and what it loses is counted and told", async () => {
    const viewer = new ScriptedViewer();
    const { backend, losses, report } = streaming(viewer, {
      policy: "dropOldest",
      windowBytes: ROOM,
      bufferBytes: 2 * ROOM,
    });
    await backend.save(image(), "p0");
    await settle();
    for (let i = 1; i < 6; i++) await backend.save(image(i), `p${i}`);
    await settle();
    const kept = report().waiting;
    expect(kept).toBeGreaterThan(0);
    expect(report()).toMatchObject({ sent: 1, dropped: 5 - kept });
    expect(report().droppedBytes).toBeGreaterThan(100 * (5 - kept));
    expect(losses.map(({ viewer: name, path, error }) => [name, path, error.code])).toEqual(
      Array.from({ length: 5 - kept }, (_, i) => ["scripted", `p${i + 1}`, "RATE_LIMITED"]),
    );
    viewer.answers = true;
    viewer.acknowledge(viewer.items[0]!.id);
    await backend.flush();
    expect(viewer.paths.at(-1)).toBe("p5");
    expect(report()).toMatchObject({ acknowledged: 1 + kept, waiting: 0, underWay: 0 });
  });

  it("with error refuses what is new, retryable, and takes again when there is room", async () => {
    const viewer = new ScriptedViewer();
    const { backend, report } = streaming(viewer, { policy: "error", windowBytes: ROOM, bufferBytes: ROOM });
    await backend.save(image(), "p0");
    await settle();
    await backend.save(image(), "p1");
    await expect(backend.save(image(), "p2")).rejects.toMatchObject({ code: "RATE_LIMITED", retryable: true });
    expect(report()).toMatchObject({ dropped: 1, waiting: 1 });
    viewer.acknowledge(viewer.items[0]!.id);
    await settle();
    await backend.save(image(), "p3");
    viewer.answers = true;
    viewer.acknowledge(viewer.items[1]!.id);
    await backend.flush();
    expect(viewer.paths).toEqual(["p0", "p1", "p3"]);
  });

  it("and refuses, tells the one who listens, as no save waits", async () => {
    const viewer = new ScriptedViewer();
    const { backend, losses, report } = streaming(viewer, { policy: "dropOldest" });
    await backend.save(image(), "p0");
    await settle();
    viewer.say({ type: "ack", id: 0, error: { code: "NO_SPACE", message: "full", retryable: false } });
    await settle();
    expect(losses).toMatchObject([{ path: "p0", error: { code: "NO_SPACE" } }]);
    expect(report().refused).toBe(1);
  });

  it("slows no other viewer, whatever its policy, and a save only with block", async () => {
    const [stuck, quick] = [new ScriptedViewer("stuck"), new ScriptedViewer("quick")];
    quick.answers = true;
    const { backend } = streaming(stuck, {
      viewers: [{ transport: stuck, policy: "dropOldest" }, quick],
      windowBytes: ROOM,
      bufferBytes: ROOM,
    });
    for (let i = 0; i < 20; i++) await backend.save(image(i), `p${i}`);
    expect(quick.items).toHaveLength(20);
    expect(stuck.items).toHaveLength(1);
    const blocking = streaming(stuck, { viewers: [new ScriptedViewer("stuck too"), quick] });
    const waiting = [20, 21, 22].map((i) => outcome(blocking.backend.save(image(i), `p${i}`)));
    await settle();
    expect(quick.items).toHaveLength(23);
    expect(waiting.map(({ state }) => state)).toEqual(["pending", "pending", "pending"]);
  });
});

describe("a connection", () => {
  it("is made when there is something to send, after both have greeted", async () => {
    const viewer = new ScriptedViewer();
    viewer.answers = true;
    const { backend } = streaming(viewer);
    expect(viewer.attempts).toBe(0);
    await backend.save(image(), "a");
    await backend.save(image(), "b");
    expect(viewer.attempts).toBe(1);
    expect(viewer.others).toMatchObject([{ type: "hello", sender: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);
  });

  it("that breaks is made again, and what was not answered is sent again, in order", async () => {
    const viewer = new ScriptedViewer();
    const { backend, clock, report } = streaming(viewer);
    const saves = [0, 1, 2].map((i) => outcome(backend.save(image(i), `p${i}`)));
    await settle();
    viewer.acknowledge(0);
    viewer.reset();
    await settle();
    expect(report()).toMatchObject({ isConnected: false, waiting: 2 });
    viewer.answers = true;
    await clock.advance(100);
    expect(viewer.items.map(({ id }) => id)).toEqual([0, 1, 2, 1, 2]);
    expect(saves.map(({ state }) => state)).toEqual(["done", "done", "done"]);
    expect(report()).toMatchObject({ isConnected: true, resent: 2, lost: 0, acknowledged: 3 });
  });

  it("that fails is tried as often as was agreed, with pauses that double, and then everything that waits fails", async () => {
    const viewer = new ScriptedViewer();
    viewer.refuses = new Error("nobody there");
    const reconnect = { attempts: 3, delayMs: 100, maxDelayMs: 150 };
    const { backend, clock, report } = streaming(viewer, { reconnect });
    const saves = [0, 1].map((i) => outcome(backend.save(image(i), `p${i}`)));
    const attempts: number[] = [];
    for (const pause of [99, 1, 149, 1, 149, 1]) {
      await clock.advance(pause);
      attempts.push(viewer.attempts);
    }
    expect(attempts).toEqual([1, 2, 2, 3, 3, 4]);
    await settle();
    expect(saves.map(({ state }) => state)).toEqual(["UNEXPECTED", "UNEXPECTED"]);
    expect(report()).toMatchObject({ lost: 2, waiting: 0, waitingBytes: 0 });
    viewer.refuses = undefined;
    viewer.answers = true;
    await backend.save(image(), "later");
    expect(viewer.paths).toEqual(["later"]);
  });

  it("that breaks before every answer is not tried for ever", async () => {
    const viewer = new ScriptedViewer();
    const { backend, clock } = streaming(viewer, { reconnect: { attempts: 2, delayMs: 10, maxDelayMs: 10 } });
    const save = outcome(backend.save(image(), "a"));
    for (let i = 0; i < 4; i++) {
      await clock.advance(10);
      viewer.reset();
    }
    await settle();
    expect([save.state, viewer.attempts]).toEqual(["UNEXPECTED", 3]);
  });

  it("that is refused for good is not tried again", async () => {
    const viewer = new ScriptedViewer();
    viewer.refuses = new StorageError("UNAUTHENTICATED", "wrong token");
    const { backend } = streaming(viewer);
    await expect(backend.save(image(), "a")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(viewer.attempts).toBe(1);
  });

  it("to somebody who does not greet, or who speaks something else, is given up", async () => {
    const viewer = new ScriptedViewer();
    viewer.greets = false;
    const { backend, clock } = streaming(viewer, {
      connectTimeoutMs: 500,
      reconnect: { attempts: 0, delayMs: 1, maxDelayMs: 1 },
    });
    const silent = outcome(backend.save(image(), "a"));
    await clock.advance(500);
    expect(silent.state).toBe("TIMED_OUT");
    expect(viewer.isConnected).toBe(false);
    const babble = outcome(backend.save(image(), "b"));
    await settle();
    viewer.sayBytes(Buffer.from("HTTP/1.1 200 OK"));
    await settle();
    expect(babble.state).toBe("CORRUPT");
  });

  it("ends when the backend is closed, after the answers to what is under way", async () => {
    const viewer = new ScriptedViewer();
    const { backend, clock } = streaming(viewer);
    const save = outcome(backend.save(image(), "a"));
    await settle();
    const closing = outcome(backend.close());
    await settle();
    expect(closing.state).toBe("pending");
    viewer.acknowledge(0);
    await settle();
    expect([save.state, closing.state, viewer.isConnected, clock.pending]).toEqual(["done", "done", false, 0]);
    await expect(backend.save(image(), "b")).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("that was never made loses what waits for it when the backend is closed", async () => {
    const viewer = new ScriptedViewer();
    viewer.refuses = new Error("nobody there");
    const { backend, clock, report } = streaming(viewer);
    const save = outcome(backend.save(image(), "a"));
    await settle();
    await backend.close();
    await settle();
    expect([save.state, clock.pending, report().lost]).toEqual(["NOT_OPEN", 0, 1]);
  });
});

it("settings that cannot be are refused", () => {
  const viewer = new ScriptedViewer();
  expect(() => new StreamBackend({ viewers: [] })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  expect(() => new StreamBackend({ viewers: [viewer], policy: "hope" as never })).toThrow("block, dropOldest or error");
  expect(() => new StreamBackend({ viewers: [viewer], bufferBytes: 0 })).toThrow("bufferBytes");
});
