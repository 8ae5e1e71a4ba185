/** What a receiver remembers of each sender, so that a value that is sent again is processed once. */
import type { WireError } from "../../src/codecs/wire-error.ts";

/** Senders that are remembered, the last ones that were heard. */
const MOST_SENDERS = 256;
/** Items of each that are remembered, the last ones that came. */
const MOST_ITEMS = 4096;

/** What is known of an item: nothing yet, or how it ended. */
export interface Answer {
  isDone: boolean;
  error?: WireError | undefined;
  /** Gives the answer to whoever asked last: a sender that came back by another connection. */
  reply: (error: WireError | undefined) => void;
}

/** Answers by sender and number of the item. */
export class Answers {
  readonly #senders = new Map<string, Map<number, Answer>>();

  /** What is known of an item; `undefined` if it is new. */
  find(sender: string, id: number): Answer | undefined {
    return this.#senders.get(sender)?.get(id);
  }

  /** Begins to remember an item. */
  add(sender: string, id: number, reply: Answer["reply"]): Answer {
    const items = this.#senders.get(sender) ?? new Map<number, Answer>();
    // The last one heard goes to the end, and the first one is forgotten.
    this.#senders.delete(sender);
    this.#senders.set(sender, items);
    forgetFirst(this.#senders, MOST_SENDERS);
    const answer: Answer = { isDone: false, reply };
    items.set(id, answer);
    forgetFirst(items, MOST_ITEMS);
    return answer;
  }
}

function forgetFirst(map: Map<unknown, unknown>, most: number): void {
  if (map.size > most) map.delete(map.keys().next().value);
}
