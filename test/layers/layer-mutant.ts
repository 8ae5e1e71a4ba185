/** A bug in a layer. */
import type { Layers } from "./layer-laws.ts";

/** A layer with a planted bug, made of the real one by changing one thing. */
export interface LayerMutant {
  /** What the layer then does. */
  readonly name: string;
  /** The law that it breaks. */
  readonly killedBy: string;
  /** The layer, in the place of the real one. */
  readonly layers: Partial<Layers>;
}
