/** Keeps keys a tree: no value above a value. Services themselves take any keys. */
import { type ErrorContext, StorageError, throwFailures } from "../../src/core/errors.ts";
import { parentKey } from "../../src/core/key.ts";

/** What the check asks of a store. */
export interface TreeQuestions {
  isValue(key: string): Promise<boolean>;
  isDirectory(key: string): Promise<boolean>;
}

/**
 * Rejects unless a value may be at `key`. All questions are asked at once.
 *
 * @throws A {@link StorageError}: `IS_A_DIRECTORY`, or `NOT_A_DIRECTORY` with a value above.
 */
export async function checkPlace(key: string, context: ErrorContext, questions: TreeQuestions): Promise<void> {
  const checks = [
    check(() => questions.isDirectory(key), "IS_A_DIRECTORY", `"${key}" in "${context.backend}" is a directory`),
  ];
  for (let above = parentKey(key); above !== ""; above = parentKey(above)) {
    const place = above;
    checks.push(
      check(() => questions.isValue(place), "NOT_A_DIRECTORY", `"${place}" in "${context.backend}" is a value`),
    );
  }
  const outcomes = await Promise.allSettled(checks);
  throwFailures(outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : [])).slice(0, 1), "");

  async function check(ask: () => Promise<boolean>, code: "IS_A_DIRECTORY" | "NOT_A_DIRECTORY", message: string) {
    if (await ask()) throw new StorageError(code, message, context);
  }
}
