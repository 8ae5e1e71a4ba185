/** `sluice index verify` */
import type { IndexProblem } from "../../../catalog/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { exitCodes } from "../../exit-codes.ts";
import { formatTable, plural } from "../../format.ts";
import { type IndexOptions, openIndex } from "../../open-catalog.ts";

/** Compares the index with all beamtime files. The exit code is 1 if something is not as it should be. */
export async function verifyIndex(options: IndexOptions, { terminal, signal }: CommandContext): Promise<number> {
  await using index = await openIndex(options, terminal);
  const problems: IndexProblem[] = [];
  for await (const problem of index.verify({ signal })) problems.push(problem);
  const beamtimes = (await index.beamtimes()).length;
  terminal.print({ index: index.location, beamtimes, problems: problems.map(documentOf) }, [
    ...formatTable(problems.map(rowOf)),
    problems.length === 0
      ? `${plural(beamtimes, "beamtime")}: the index says what their files say`
      : `${plural(problems.length, "problem")} in ${plural(beamtimes, "beamtime")}; sluice index repair puts right what can be${problems.some(({ kind }) => kind === "missing-file") ? ", sluice index move says where a file is now, and remove forgets it" : ""}`,
  ]);
  return problems.length === 0 ? exitCodes.ok : exitCodes.failed;
}

function documentOf(problem: IndexProblem): unknown {
  return "error" in problem ? { ...problem, error: problem.error.toJSON() } : problem;
}

function rowOf(problem: IndexProblem): string[] {
  const { kind, beamtime } = problem;
  return [kind, beamtime.label, "uid" in problem ? problem.uid : `${beamtime.path}: ${problem.error.message}`];
}
