/** The page of a bridge, run with as much of a browser as it needs. */
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ndArray } from "../../../src/core/nd-array.ts";
import { LiveBridge } from "../../../src/live/bridge/bridge.ts";
import { pageScript } from "../../../src/live/bridge/page.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";

/** An element of a page, as far as this one looks at it. */
class Element {
  textContent = "";
  hidden = false;
  className = "";
  value = "";
  width = 0;
  height = 0;
  onsubmit: ((event: { preventDefault(): void }) => void) | undefined;
  pixels: Uint8ClampedArray | undefined;
  children: Element[] = [];
  readonly tag: string;

  constructor(tag: string) {
    this.tag = tag;
  }

  appendChild(child: Element): Element {
    this.children.push(child);
    return child;
  }

  append(child: Element): void {
    this.children.push(child);
  }

  replaceChildren(): void {
    this.children = [];
  }

  getContext(): unknown {
    return {
      createImageData: (width: number, height: number) => ({ data: new Uint8ClampedArray(width * height * 4) }),
      putImageData: ({ data }: { data: Uint8ClampedArray }) => {
        this.pixels = data;
      },
    };
  }

  /** What it shows, by tag. */
  get shown(): Record<string, string> {
    return Object.fromEntries(this.children.map(({ tag, textContent }) => [tag, textContent]));
  }
}

/** Opens the page of a bridge. */
function openPage(url: string): { readonly elements: Map<string, Element>; readonly close: () => void } {
  const elements = new Map(["scan", "state", "door", "token", "streams"].map((id) => [id, new Element(id)]));
  const sockets: WebSocket[] = [];
  class PageSocket extends WebSocket {
    constructor(address: URL) {
      super(address, { origin: url });
      this.on("error", () => {});
      sockets.push(this);
    }
  }
  const timers = new Set<NodeJS.Timeout>();
  const later = (run: () => void, ms: number) => {
    const timer = setTimeout(run, ms);
    timers.add(timer);
    return timer;
  };
  runInNewContext(pageScript, {
    document: {
      getElementById: (id: string) => elements.get(id),
      createElement: (tag: string) => new Element(tag),
    },
    location: { href: `${url}/` },
    ...{ WebSocket: PageSocket, URL, TextDecoder, Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array },
    ...{ Int32Array, BigInt64Array, BigUint64Array, Float32Array, Float64Array, DataView, JSON, Date },
    ...{ setTimeout: later, clearTimeout, fetch: (path: string, options: RequestInit) => fetch(url + path, options) },
    ...{ sessionStorage: { getItem: () => null, setItem: () => {} } },
  });
  const close = () => {
    for (const timer of timers) clearTimeout(timer);
    for (const socket of sockets) {
      socket.onclose = null;
      socket.terminate();
    }
  };
  return { elements, close };
}

describe("the page of a bridge", () => {
  it("shows the newest value and image of the latest scan, and goes over to the next", async () => {
    await using store = new DataStore(new MemoryEngine());
    await using bridge = await LiveBridge.listen(store, { inlineBytes: 16 });
    const start = async (name: string) => {
      const scan = await store.createScan({ name, number: 12 }, { leaseMs: 0 });
      const diode = await scan.createStream("diode", { dtype: "float64" });
      const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [4, 5] });
      await scan.prepare();
      await scan.start();
      return { scan, diode, camera };
    };
    const { scan, diode, camera } = await start("align");
    await diode.send(Float64Array.of(1, 2.5));
    await camera.send(
      ndArray(
        Uint16Array.from({ length: 20 }, (_, i) => 1000 + i),
        [4, 5],
      ),
    );
    const { elements, close } = openPage(bridge.url);
    const panel = (index: number) => elements.get("streams")?.children[index];
    const poll = (get: () => unknown) => expect.poll(get, { timeout: 30_000 });
    await poll(() => elements.get("scan")?.textContent).toBe("12  align");
    await poll(() => panel(0)?.shown).toEqual({ h2: "diode", output: "2.5", canvas: "", span: "#1" });
    // A frame above the limit is fetched by its address.
    await poll(() => panel(1)?.shown).toMatchObject({ h2: "camera", output: "1000 – 1019", span: "#0" });
    const canvas = panel(1)?.children.find(({ tag }) => tag === "canvas");
    expect([canvas?.width, canvas?.height, canvas?.pixels?.[0], canvas?.pixels?.at(-2)]).toEqual([5, 4, 0, 255]);
    await diode.send(3);
    await poll(() => panel(0)?.shown.output).toBe("3");
    await scan.close();
    await poll(() => elements.get("state")?.textContent).toContain("CLOSED (SUCCESS)");
    await (await start("next")).diode.send(7);
    await poll(() => elements.get("scan")?.textContent).toBe("12  next");
    await poll(() => panel(0)?.shown.output).toBe("7");
    close();
  });

  it("asks for a token where one is needed", async () => {
    await using store = new DataStore(new MemoryEngine());
    await using bridge = await LiveBridge.listen(store, { token: "word" });
    const { elements, close } = openPage(bridge.url);
    const door = elements.get("door") as Element;
    door.hidden = true;
    await expect.poll(() => door.hidden, { timeout: 30_000 }).toBe(false);
    (elements.get("token") as Element).value = "word";
    door.onsubmit?.({ preventDefault: () => {} });
    await expect.poll(() => elements.get("state")?.textContent, { timeout: 30_000 }).toBe("Waiting for a scan.");
    close();
  });
});
