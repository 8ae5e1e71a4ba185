import { JsonCodec } from "../../../src/live/encoding/json-points.ts";
import type { Entry } from "../../../src/live/engine.ts";

/** A plugin's codec: numbers that are doubled when they are read. */
class DoubledCodec extends JsonCodec {
  override decode(entry: Entry, from: number, to: number): number[] {
    return super.decode(entry, from, to).map((value) => 2 * Number(value));
  }
}

export const doubled = { codec: new DoubledCodec() };
