/** What can be done with a job and its trials in each state, and what a person changes of their rules. Pure. */
import type { Job, JobChanges, JobDetail, Value } from "../../api/types";
import { sumOf } from "../../components/States";
import { readNumber, readValue, writeNumber, writeValue } from "../../components/typing";
import { isJobOver, isTrialOver } from "../../live/view";

export type Action = "change" | "pause" | "unpause" | "resume" | "retry" | "stop";

/** In the order of their buttons. One that is resumed may run what failed again as well, and asks for it there. */
export function actionsOf(job: Pick<Job, "state" | "counts">): Action[] {
  const retry = failedCount(job) ? ["retry" as const] : [];
  switch (job.state) {
    case "Pending":
    case "Running":
      return ["change", ...retry, "pause", "stop"];
    case "Paused":
      // It drains: what still runs can be stopped as well.
      return ["change", ...retry, ...(runningCount(job) ? ["pause" as const] : []), "unpause", "stop"];
    case "Stopping":
      return ["stop"];
    case "Completed":
      return ["change", ...retry];
    default:
      return ["change", "resume"];
  }
}

export const failedCount = (job: Pick<Job, "counts">): number => sumOf(job.counts, ["Failed", "Lost"]);

export const runningCount = (job: Pick<Job, "counts">): number => sumOf(job.counts, ["Starting", "Running"]);

/** A job that was completed or failed goes on if its limits are changed; one that was stopped waits to be resumed. */
export const isExtended = (state: string): boolean => isJobOver(state) && state !== "Stopped";

const REOPENED = new Set(["Stopped", "Failed", "Lost"]);

/** What came to its end has a result, which stands: it is run again as a new trial only. */
export const canRetry = (trial: string, job: string): boolean => REOPENED.has(trial) && job !== "Stopping";
export const canRunAgain = (trial: string, job: string): boolean => isTrialOver(trial) && job !== "Stopping";
export const canBePreempted = (trial: string): boolean => trial === "Starting" || trial === "Running";

/** What a person changes of a job: where it stands in the job's document. */
export const RULES = [
  "limits.max_trials",
  "limits.max_parallel",
  "limits.max_seconds",
  "limits.max_failures",
  "completion.target",
  "completion.max_not_improving",
  "completion.converged",
  "completion.tolerance",
  "completion.max_completed",
  "completion.max_finished",
  "completion.max_gpu_hours",
  "keep.best",
  "keep.last",
] as const;
export type Rule = (typeof RULES)[number];
export type RuleDraft = Record<Rule, string>;
type Rules = Record<Rule, number | null>;

/** The rules as they are now: events have brought two of the limits since the document was read. */
export function rulesOf({ specification, max_trials, max_parallel }: JobDetail): Rules {
  const { limits, completion, keep } = specification;
  const parts: Record<string, object | null | undefined> = {
    limits: { ...limits, max_trials, max_parallel },
    // The tolerance is a part of the convergence rule, and without it says nothing.
    completion: completion && {
      ...completion,
      tolerance: completion.converged ? completion.tolerance : null,
    },
    keep,
  };
  return byRule((rule) => {
    const [part, name] = pathOf(rule);
    return (parts[part] as Record<string, number | null> | null | undefined)?.[name] ?? null;
  });
}

export const draftOf = (rules: Rules): RuleDraft => byRule((rule) => writeNumber(rules[rule]));

/** Only what differs, so that what others change meanwhile stays; null if nothing does. */
export function changesOf(rules: Rules, draft: RuleDraft): JobChanges | null {
  const typed = byRule((rule) => readNumber(draft[rule]));
  const differing = RULES.filter((rule) => typed[rule] !== rules[rule]);
  if (differing.length === 0) return null;
  const changes: Record<string, Record<string, unknown> | null> = {};
  for (const rule of differing) {
    const [part, name] = pathOf(rule);
    // What is no number goes as it is: the server says why not.
    if (part !== "keep") changes[part] = { ...changes[part], [name]: typed[rule] };
    else changes.keep = keepOf(typed);
  }
  return changes as JobChanges;
}

/** It is one rule: both of its counts go together, and without any everything is kept. */
function keepOf(typed: Record<Rule, unknown>): Record<string, unknown> | null {
  const given = Object.entries({ best: typed["keep.best"], last: typed["keep.last"] });
  const kept = given.filter(([, count]) => count !== null);
  return kept.length ? Object.fromEntries(kept) : null;
}

const byRule = <Value>(make: (rule: Rule) => Value) =>
  Object.fromEntries(RULES.map((rule) => [rule, make(rule)])) as Record<Rule, Value>;

const pathOf = (rule: Rule) => rule.split(".") as [string, string];

/** The hyperparameters of a trial that a person has typed otherwise; one that was emptied is left out of the point. */
export function pointChanges(
  point: Readonly<Record<string, Value>>,
  draft: Readonly<Record<string, string>>,
): Record<string, Value | null> {
  const differing = Object.entries(draft).filter(([name, text]) => text.trim() !== pointText(point[name]));
  return Object.fromEntries(differing.map(([name, text]) => [name, text.trim() ? readValue(text) : null]));
}

export const pointText = (value: Value | undefined): string => (value === undefined ? "" : writeValue(value));
