/** Which producer each path of a viewer belongs to. */
import { StorageError } from "../../src/core/errors.ts";
import { canonical, type Producer } from "./item.ts";

/** Paths whose producers are remembered, the last ones that were claimed. */
const MOST_SLOTS = 65_536;

/** Claims on paths, held as long as one of the senders that made them is connected. */
export class Slots {
  readonly #claims = new Map<string, { readonly producer: string; readonly senders: Set<string> }>();

  /**
   * Claims a path for a producer.
   *
   * @throws A {@link StorageError} `CONFLICT` if it is another's.
   */
  claim(path: string, producer: Producer, sender: string): void {
    const maker = canonical(producer);
    const claim = this.#claims.get(path);
    if (claim !== undefined && claim.producer !== maker) {
      throw new StorageError("CONFLICT", `"${path}" shows values of another producer, not of "${producer.name}"`, {
        identifier: path,
      });
    }
    if (claim !== undefined) claim.senders.add(sender);
    else this.#claims.set(path, { producer: maker, senders: new Set([sender]) });
    if (this.#claims.size > MOST_SLOTS) this.#claims.delete(this.#claims.keys().next().value as string);
  }

  /** Gives up everything that only this sender claimed. */
  release(sender: string): void {
    for (const [path, { senders }] of this.#claims) {
      if (senders.delete(sender) && senders.size === 0) this.#claims.delete(path);
    }
  }
}
