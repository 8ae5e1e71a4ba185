/** Planted bugs in the layers that show a store in another way, and in those that watch it. */
import { MemoryStore } from "../../backends/memory/store.ts";
import type { ByteRange, ByteStore, ListOptions, ReadOptions } from "../../src/core/byte-store.ts";
import { ChaosStore } from "../../src/layers/chaos.ts";
import { ChecksumStore } from "../../src/layers/checksum.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { type OverlayOptions, OverlayStore } from "../../src/layers/overlay.ts";
import { PrefixStore } from "../../src/layers/prefix.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RouteStore } from "../../src/layers/route.ts";
import type { StoreCall } from "../../src/layers/wrapped-store.ts";
import { override } from "../../src/testing/mutants.ts";
import type { LayerMutant } from "./layer-mutant.ts";

type Run<T> = (signal: AbortSignal | undefined) => Promise<T>;

const views: readonly LayerMutant[] = [
  {
    name: "whiteouts are listed",
    killedBy: "a whiteout is no key, and holds",
    layers: {
      OverlayStore: class extends OverlayStore {
        readonly #upper: ByteStore;
        constructor(inner: ByteStore, options: OverlayOptions) {
          super(inner, options);
          this.#upper = options.upper;
        }
        override async *list(options: ListOptions = {}) {
          yield* super.list(options);
          yield* this.#upper.list({ ...options, prefix: `whiteouts/${options.prefix ?? ""}` });
        }
      },
    },
  },
  {
    name: "a deleted key comes back from below",
    killedBy: "a whiteout is no key, and holds",
    layers: {
      OverlayStore: class extends OverlayStore {
        constructor(inner: ByteStore, { upper }: OverlayOptions) {
          const forgetful = override(upper, {
            write: async (key, bytes, options) =>
              key.startsWith("whiteouts/") ? { byteLength: 0, etag: "none" } : upper.write(key, bytes, options),
          });
          super(inner, { upper: forgetful });
        }
      },
    },
  },
  {
    name: "whiteouts are forgotten with the process",
    killedBy: "a whiteout is no key, and holds",
    layers: {
      OverlayStore: class extends OverlayStore {
        constructor(inner: ByteStore, { upper }: OverlayOptions) {
          const own = new MemoryStore();
          const side = (key: string) => (key.startsWith("whiteouts/") ? own : upper);
          const split = override(upper, {
            write: (key, bytes, options) => side(key).write(key, bytes, options),
            stat: (key, options) => side(key).stat(key, options),
          });
          super(inner, { upper: split });
        }
      },
    },
  },
  {
    name: "an overlay deletes below",
    killedBy: "an overlay never touches what is below",
    layers: {
      OverlayStore: class extends OverlayStore {
        override async deleteMany(keys: readonly string[]) {
          await this.inner.deleteMany(keys);
          return super.deleteMany(keys);
        }
      },
    },
  },
  {
    name: "materialize copies what is below, whiteouts or not",
    killedBy: "what was materialized does without what was below, and deleted keys stay so",
    layers: {
      OverlayStore: class extends OverlayStore {
        override async materialize(_options = {}, target?: ByteStore) {
          for await (const { key } of this.inner.list()) await target?.write(key, await this.inner.read(key));
          return super.materialize();
        }
      },
    },
  },
  {
    name: "a mount shows what it hides",
    killedBy: "a mount hides what is below it, everywhere",
    layers: {
      RouteStore: class extends RouteStore {
        override async *list(options: ListOptions = {}) {
          yield* super.list(options);
          for await (const entry of this.inner.list(options)) if (entry.key.startsWith("a/")) yield entry;
        }
      },
    },
  },
  {
    name: "a mount falls through to what it hides",
    killedBy: "a mount hides what is below it, everywhere",
    layers: {
      RouteStore: class extends RouteStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return super.read(key, options).catch(() => this.inner.read(key, options));
        }
      },
    },
  },
  {
    name: "a mount takes all that begins like it",
    killedBy: "a mount is for whole segments",
    layers: {
      RouteStore: class extends RouteStore {
        readonly #mounts: Readonly<Record<string, ByteStore>>;
        constructor(inner: ByteStore, mounts: Readonly<Record<string, ByteStore>>) {
          super(inner, mounts);
          this.#mounts = mounts;
        }
        override write(...[key, bytes, options]: Parameters<ByteStore["write"]>) {
          const [prefix, store] = Object.entries(this.#mounts).find(([at]) => key.startsWith(at)) ?? ["", this.inner];
          return store.write(key.slice(prefix.length), bytes, options);
        }
      },
    },
  },
  {
    name: "a move between mounts deletes first",
    killedBy: "a move between mounts deletes last",
    layers: {
      RouteStore: class extends RouteStore {
        override async rename(from: string, to: string): Promise<void> {
          const bytes = await this.read(from);
          await this.delete(from);
          await this.write(to, bytes);
        }
      },
    },
  },
  {
    name: "a prefix shows what only begins like it",
    killedBy: "a prefix shows nothing that only begins like it",
    layers: {
      PrefixStore: class extends PrefixStore {
        override async *list(options: ListOptions = {}) {
          for await (const entry of this.inner.list({ prefix: this.prefix + (options.prefix ?? "") })) {
            yield { ...entry, key: entry.key.slice(this.prefix.length + 1) };
          }
        }
      },
    },
  },
  {
    name: "dots lead out of a prefix",
    killedBy: "a prefix shows nothing that only begins like it",
    layers: {
      PrefixStore: class extends PrefixStore {
        override read(key: string, options?: ReadOptions): Promise<Uint8Array> {
          return this.inner.read(`${this.prefix}/${key}`, options);
        }
      },
    },
  },
];

const watchers: readonly LayerMutant[] = [
  {
    name: "checksum does not verify ranges",
    killedBy: "damage is found by every way of reading, ranges too",
    layers: {
      ChecksumStore: class extends ChecksumStore {
        override read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
          return options.range === undefined ? super.read(key, options) : this.inner.read(key, options);
        }
      },
    },
  },
  {
    name: "checksum does not verify many ranges",
    killedBy: "damage is found by every way of reading, ranges too",
    layers: {
      ChecksumStore: class extends ChecksumStore {
        override readRanges(key: string, ranges: readonly ByteRange[], options?: ReadOptions): Promise<Uint8Array[]> {
          return this.inner.readRanges(key, ranges, options);
        }
      },
    },
  },
  {
    name: "checksum does not verify streams",
    killedBy: "damage is found by every way of reading, ranges too",
    layers: {
      ChecksumStore: class extends ChecksumStore {
        override readStream(key: string, options?: ReadOptions): Promise<ReadableStream<Uint8Array>> {
          return this.inner.readStream(key, options);
        }
      },
    },
  },
  {
    name: "checksum forgets what writers write",
    killedBy: "damage is found by every way of reading, ranges too",
    layers: {
      ChecksumStore: class extends ChecksumStore {
        override openWriter(...[key, options]: Parameters<ByteStore["openWriter"]>) {
          return this.inner.openWriter(key, options);
        }
      },
    },
  },
  {
    name: "a damaged copy is right from then on",
    killedBy: "damage is found by every way of reading, ranges too",
    layers: {
      ChecksumStore: class extends ChecksumStore {
        override copy(...[from, to, options]: Parameters<ByteStore["copy"]>) {
          return this.inner.copy(from, to, options);
        }
      },
    },
  },
  {
    name: "meter does not count failures",
    killedBy: "a meter counts calls, failures and bytes of every kind",
    layers: {
      MeterStore: class extends MeterStore {
        protected override async around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          let failure: { readonly error: unknown } | undefined;
          const answer = await super.around<T | undefined>(call, (signal) =>
            run(signal).catch((error: unknown) => {
              failure = { error };
              return undefined;
            }),
          );
          if (failure !== undefined) throw failure.error;
          return answer as T;
        }
      },
    },
  },
  {
    name: "meter counts bytes both ways",
    killedBy: "a meter counts calls, failures and bytes of every kind",
    layers: {
      MeterStore: class extends MeterStore {
        protected override around<T>(call: StoreCall, run: Run<T>): Promise<T> {
          return super.around({ ...call, bytesIn: call.bytesIn || 1 }, run);
        }
      },
    },
  },
  {
    name: "meter does not see chunks",
    killedBy: "a meter counts calls, failures and bytes of every kind",
    layers: {
      MeterStore: class extends MeterStore {
        override openWriter(...[key, options]: Parameters<ByteStore["openWriter"]>) {
          return this.inner.openWriter(key, options);
        }
      },
    },
  },
  {
    name: "read-only lets copies pass",
    killedBy: "read-only refuses everything that changes something",
    layers: {
      ReadOnlyStore: class extends ReadOnlyStore {
        override copy(...[from, to, options]: Parameters<ByteStore["copy"]>) {
          return this.inner.copy(from, to, options);
        }
      },
    },
  },
  {
    name: "read-only swallows deletes",
    killedBy: "read-only refuses everything that changes something",
    layers: {
      ReadOnlyStore: class extends ReadOnlyStore {
        override async delete(): Promise<void> {}
      },
    },
  },
  {
    name: "chaos loses the call instead of its answer",
    killedBy: "a script hits the calls that it names, in order, and each kind does what it says",
    layers: {
      ChaosStore: class extends ChaosStore {
        constructor(inner: ByteStore, { faults, seed }: ConstructorParameters<typeof ChaosStore>[1]) {
          const tame = faults.map((fault) => (fault.kind === "lose" ? { ...fault, kind: "refuse" as const } : fault));
          super(inner, { faults: tame, seed });
        }
      },
    },
  },
];

/** Bugs in views and in watchers. */
export const viewMutants: readonly LayerMutant[] = [...views, ...watchers];
