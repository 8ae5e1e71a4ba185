import { describe, expect, it } from "vitest";
import { Pulse } from "../../../src/live/recording/pulse.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";

/** What has been let go, in order. */
function asking(pulse: Pulse) {
  const gone: string[] = [];
  const ask = (name: string) => void pulse.next().then(() => gone.push(name));
  return { gone, ask };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("What comes to many streams", () => {
  it("goes at once after a silence, all of one turn together, and what follows after the interval", async () => {
    const clock = new FakeClock();
    const { gone, ask } = asking(new Pulse(clock, 5));
    ask("a");
    ask("b");
    await turn();
    expect(gone).toEqual(["a", "b"]);
    ask("c");
    await clock.advance(2);
    ask("d");
    await clock.advance(2);
    expect(gone).toEqual(["a", "b"]);
    await clock.advance(1);
    expect(gone).toEqual(["a", "b", "c", "d"]);
    await clock.advance(5);
    ask("e");
    await turn();
    expect(gone.at(-1)).toBe("e");
  });

  it("waits no longer once that is said", async () => {
    const clock = new FakeClock();
    const pulse = new Pulse(clock, 1000);
    const { gone, ask } = asking(pulse);
    ask("a");
    pulse.hurry();
    ask("b");
    await turn();
    expect(gone).toEqual(["a", "b"]);
    ask("c");
    await turn();
    expect(gone).toEqual(["a", "b", "c"]);
  });
});
