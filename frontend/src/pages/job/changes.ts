/** What can be done with a job and its trials in each state, and what a person changes of a job's limits. Pure. */
import type { Job, JobChanges, JobDetail, Limits } from "../../api/types";
import { sumOf } from "../../components/States";
import { readNumber, writeNumber } from "../../components/typing";
import { isJobOver, isTrialOver } from "../../live/view";

export type Action = "change" | "pause" | "unpause" | "resume" | "stop";

/** In the order of their buttons. */
export function actionsOf(job: Pick<Job, "state" | "counts">): Action[] {
  switch (job.state) {
    case "Pending":
    case "Running":
      return ["change", "pause", "stop"];
    case "Paused":
      // It drains: what still runs can be stopped as well.
      return ["change", ...(runningCount(job) ? ["pause" as const] : []), "unpause", "stop"];
    case "Stopping":
      return ["stop"];
    case "Completed":
      return ["change"];
    default:
      return ["change", "resume"];
  }
}

export const runningCount = (job: Pick<Job, "counts">): number => sumOf(job.counts, ["Starting", "Running"]);

/** A job that was completed or failed goes on if its limits are changed; one that was stopped waits to be resumed. */
export const isExtended = (state: string): boolean => isJobOver(state) && state !== "Stopped";

const REOPENED = new Set(["Stopped", "Failed", "Lost"]);

/** What came to its end has a result, which stands: it is run again as a new trial only. */
export const canRetry = (trial: string, job: string): boolean => REOPENED.has(trial) && job !== "Stopping";
export const canRunAgain = (trial: string, job: string): boolean => isTrialOver(trial) && job !== "Stopping";

export const LIMITS = ["max_trials", "max_parallel", "max_seconds", "max_failures"] as const;
export type LimitName = (typeof LIMITS)[number];
export type LimitDraft = Record<LimitName, string>;

/** The limits as they are now: events have brought two of them since the document was read. */
export const limitsOf = (job: JobDetail): Limits => ({
  ...job.specification.limits,
  max_trials: job.max_trials,
  max_parallel: job.max_parallel,
});

export const draftOf = (limits: Limits): LimitDraft => ({
  max_trials: writeNumber(limits.max_trials),
  max_parallel: writeNumber(limits.max_parallel),
  max_seconds: writeNumber(limits.max_seconds),
  max_failures: writeNumber(limits.max_failures),
});

/** Only what differs, so that what others change meanwhile stays; null if nothing does. */
export function changesOf(limits: Limits, draft: LimitDraft): JobChanges | null {
  const typed = LIMITS.map((name) => [name, readNumber(draft[name])] as const);
  const differing = typed.filter(([name, value]) => value !== (limits[name] ?? null));
  // What is no number goes as it is: the server says why not.
  return differing.length ? { limits: Object.fromEntries(differing) as JobChanges["limits"] & object } : null;
}
