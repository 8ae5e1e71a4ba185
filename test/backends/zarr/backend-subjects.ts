/**
 * The Zarr backend over real stores. The side door knows nothing of our engine: it reads and writes metadata and single
 * chunks by hand, and unpacks with numcodecs.
 */
import Blosc from "numcodecs/blosc";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { createCodecs } from "../../../src/codecs/default-codecs.ts";
import { type ByteStore, joinBytes } from "../../../src/core/byte-store.ts";
import { type Capabilities, storageCapabilities } from "../../../src/core/capabilities.ts";
import type { DType } from "../../../src/core/dtype.ts";
import { arrayFromBytes, arrayToBytes, isNdArray, type NdArray, zeros } from "../../../src/core/nd-array.ts";
import type { BackendSetup, ValueSideDoor } from "../../../src/testing/backend-subject.ts";
import type { SideDoor } from "../../../src/testing/byte-store-kit.ts";
import { freshDisk, freshMemory } from "../../support/byte-stores.ts";

const codecs = createCodecs();
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const parsed = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));

/** Values by way of the bytes of a store. */
export function valueDoor(side: SideDoor): ValueSideDoor {
  return {
    put: async (path, value) => {
      const parts = path.split("/");
      for (let length = 0; length < parts.length; length++) {
        const key = [...parts.slice(0, length), "zarr.json"].join("/");
        if ((await side.get(key)) !== undefined) continue;
        await side.put(key, json({ zarr_format: 3, node_type: "group", attributes: {} }));
      }
      if (!isNdArray(value)) {
        const context = { identifier: path, options: {} };
        await side.put(path, joinBytes(await codecs.forValue(value, path, undefined).encode(value, context)));
        return;
      }
      const { shape, dtype } = value;
      const bytes = { name: "bytes", configuration: { endian: "little" } };
      await side.put(`${path}/c/${shape.map(() => 0).join("/")}`, arrayToBytes(value));
      const metadata = {
        zarr_format: 3,
        node_type: "array",
        shape,
        data_type: dtype,
        chunk_grid: { name: "regular", configuration: { chunk_shape: shape } },
        chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
        fill_value: dtype === "bool" ? false : 0,
        codecs: [bytes],
        attributes: {},
      };
      await side.put(`${path}/zarr.json`, json(metadata));
    },
    get: async (path) => {
      const document = await side.get(`${path}/zarr.json`);
      if (document !== undefined) return readArray(side, path, parsed(document));
      const bytes = await side.get(path);
      return bytes && codecs.forIdentifier(path).decode(bytes, { identifier: path, options: {} });
    },
  };
}

async function readArray(
  side: SideDoor,
  path: string,
  {
    shape,
    data_type,
    codecs: chain,
    node_type,
  }: Record<string, unknown> & { shape: number[]; codecs: { name: string }[] },
): Promise<NdArray | undefined> {
  if (node_type !== "array") return undefined;
  const chunk = await side.get(`${path}/c/${shape.map(() => 0).join("/")}`);
  if (chunk === undefined) return zeros(shape, data_type as DType);
  const isPacked = chain.at(-1)?.name === "blosc";
  const plain = isPacked ? await Blosc.fromConfig({ id: "blosc" }).decode(chunk) : chunk;
  return arrayFromBytes(new Uint8Array(plain), data_type as DType, shape);
}

/** What the backend declares over a store that persists, or does not. */
export function zarrCapabilities(persistent: boolean): Capabilities {
  return { ...storageCapabilities, persistent, frames: true };
}

function setup(persistent: boolean, fresh: () => Promise<Opened>): BackendSetup {
  return {
    capabilities: zarrCapabilities(persistent),
    make: async () => {
      const { store, side, dispose } = await fresh();
      return { backend: new ZarrBackend(store), side: valueDoor(side), ...(dispose && { dispose }) };
    },
  };
}

interface Opened {
  readonly store: ByteStore;
  readonly side: SideDoor;
  readonly dispose?: (() => Promise<void>) | undefined;
}

/** A hierarchy in folders. */
export const zarrOnDisk = setup(true, () => freshDisk({ durability: "none" }));

/** A hierarchy in memory, where directories are implied by keys. */
export const zarrInMemory = setup(false, freshMemory);
