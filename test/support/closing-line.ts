/** Vitest reporter: one plain last line, for people who read only the end of a log and for scripts. */
import type { Reporter, TestModule } from "vitest/node";

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        if (test.result().state === "passed") passed++;
        if (test.result().state === "failed") failed++;
      }
      // A file that does not even load has no tests to count.
      if (module.errors().length > 0 || (module.state() === "failed" && tests.length === 0)) failed++;
    }
    // After the default reporter's own summary, which is printed in the same turn.
    setImmediate(() => console.log(`${passed} passed, ${failed} failed`));
  }
}
