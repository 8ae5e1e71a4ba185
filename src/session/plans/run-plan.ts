/** Finds the plan that a section of a session file means, and runs it. */
import { StorageError } from "../../core/errors.ts";
import { configError, mistakesOf } from "../mistakes.ts";
import { type PlanConfig, planSchema } from "../schema.ts";
import type { Session } from "../session.ts";
import { count } from "./count.ts";
import type { Plan, RunOptions, RunSummary } from "./run.ts";

/**
 * Runs a plan.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` without a plan or with a wrong section.
 */
export async function runPlan(
  session: Session,
  plan: Plan | PlanConfig | undefined,
  options: RunOptions & { readonly signal: AbortSignal },
): Promise<RunSummary> {
  if (typeof plan === "function") return plan(session, options);
  if (plan === undefined) {
    const message = `Session "${session.name}" has no plan; add one to its file, for example plan: {use: count, num: 10}`;
    throw new StorageError("CONFIG_INVALID", message, { operation: "run", identifier: session.name });
  }
  const checked = planSchema.safeParse(plan);
  if (!checked.success) throw configError("The plan", mistakesOf(checked.error.issues, plan, ["plan"]));
  const { use: _, ...settings } = checked.data;
  return count(settings)(session, options);
}
