/**
 * What the conformance kits share: groups of checks that any test runner can run, gated by what the subject declares.
 *
 * A kit is data, groups of named checks, so that it can be run by vitest, by `node:test`, or by the
 * {@link CollectingRunner}, which counts instead of reporting: that is how mutants are tried.
 *
 * @see keyv's published suite, which takes the runner as an argument; zarr-python's `StoreTests` for the side door
 */

/** The part of a test runner that kits need. vitest (`{ describe, test }`), Jest and `node:test` have it. */
export interface Runner {
  /** Groups tests. */
  describe(name: string, body: () => void): unknown;
  /** Declares one test. */
  test(name: string, body: () => Promise<void>): unknown;
}

/** One statement of a contract. */
export interface KitCheck<Subject> {
  /** The statement, as a sentence. */
  readonly name: string;
  /** Rejects if the subject breaks it. Each run gets a fresh subject. */
  readonly run: (subject: Subject) => Promise<void>;
}

/** Checks that belong together. */
export interface KitGroup<Subject> {
  /** What the checks are about. */
  readonly name: string;
  /**
   * Why the group does not apply to this subject, in terms of what it declares: `"positionalWrite is false"`. The group
   * is then reported by name and not run. `undefined`: it applies.
   */
  readonly gate?: string | undefined;
  readonly checks: readonly KitCheck<Subject>[];
}

/** How a kit gets its subjects. */
export interface KitSetup<Subject> {
  /** Makes a fresh, empty subject; called once for each check. */
  readonly make: () => Promise<Subject>;
  /** Frees a subject; called after each check, also a failed one. */
  readonly dispose?: ((subject: Subject) => Promise<void>) | undefined;
}

/**
 * Declares all checks to a runner. A gated group becomes one test that says in its name why it does not apply: nothing
 * is left out in silence.
 *
 * @param title - Heading of the whole; the name of the subject.
 */
export function declareKit<Subject>(
  runner: Runner,
  title: string,
  setup: KitSetup<Subject>,
  groups: readonly KitGroup<Subject>[],
): void {
  runner.describe(title, () => {
    for (const group of groups) {
      if (group.gate !== undefined) {
        runner.test(`${group.name}: does not apply, ${group.gate}`, async () => {});
        continue;
      }
      runner.describe(group.name, () => {
        for (const check of group.checks) runner.test(check.name, () => runCheck(setup, check));
      });
    }
  });
}

async function runCheck<Subject>(setup: KitSetup<Subject>, check: KitCheck<Subject>): Promise<void> {
  const subject = await setup.make();
  try {
    await check.run(subject);
  } finally {
    await setup.dispose?.(subject);
  }
}
