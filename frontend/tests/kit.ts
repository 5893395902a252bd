/** Small makers of what the server would answer. */
import type { JobDetail, Snapshot, Trial } from "../src/api/types";
import type { JobEvent } from "../src/live/frames";

export function jobOf(part: Partial<JobDetail> = {}): JobDetail {
  return {
    name: "digits-random",
    description: "",
    created_by: "alice",
    created_at: "2026-11-21T10:00:00.000Z",
    algorithm: { name: "random-forest", version: 1 },
    objective: { metric: "f1", goal: "maximize" },
    strategy: "random",
    parents: [],
    state: "Running",
    reason: "",
    counts: {},
    best: null,
    median: null,
    started_at: "2026-11-21T10:00:00.000Z",
    ended_at: null,
    max_trials: 10,
    max_parallel: 2,
    specification: {
      name: "digits-random",
      algorithm: { name: "random-forest", version: 1 },
      objective: { metric: "f1", goal: "maximize" },
      space: [{ name: "depth", type: "integer", min: 1, max: 20, scale: "linear" }],
    },
    metrics: ["f1"],
    children: [],
    overall_best: null,
    ...part,
  } as JobDetail;
}

export function trialOf(number: number, part: Partial<Trial> = {}): Trial {
  return {
    number,
    state: "Running",
    hyperparameters: { depth: number },
    objective: null,
    best_objective: null,
    reason: "",
    failure: "",
    attempt: 1,
    created_at: at(number),
    started_at: at(number),
    ended_at: null,
    ran_seconds: 0,
    ...part,
  };
}

/** A moment so many seconds after ten o'clock. */
export const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 21, 10, 0, seconds)).toISOString();

export function snapshotOf(trials: readonly Trial[], cursor: number, job: JobDetail = jobOf()): Snapshot {
  return {
    job,
    cursor,
    trials: {
      number: trials.map((trial) => trial.number),
      state: trials.map((trial) => trial.state),
      hyperparameters: { depth: trials.map((trial) => trial.hyperparameters.depth ?? null) },
      objective: trials.map((trial) => trial.objective),
      best_objective: trials.map((trial) => trial.best_objective),
      reason: trials.map((trial) => trial.reason),
      failure: trials.map((trial) => trial.failure),
      attempt: trials.map((trial) => trial.attempt),
      created_at: trials.map((trial) => trial.created_at),
      started_at: trials.map((trial) => trial.started_at),
      ended_at: trials.map((trial) => trial.ended_at),
      ran_seconds: trials.map((trial) => trial.ran_seconds),
    },
  };
}

export const trialEvent = (seq: number, data: Trial): JobEvent => ({ seq, at: at(seq), kind: "trial", data });

export const pointsEvent = (
  seq: number,
  trial: number,
  steps: number[],
  values: number[],
  attempt = 1,
): JobEvent => ({
  seq,
  at: at(seq),
  kind: "points",
  data: { trial, attempt, metric: "f1", steps, values, times: steps.map((step) => 1000 + step) },
});

export const decisionEvent = (seq: number, trial: number | null, reason = `reason ${seq}`): JobEvent => ({
  seq,
  at: at(seq),
  kind: "decision",
  data: { trial, kind: "suggest", reason, numbers: {} },
});

export const jobEvent = (seq: number, part: Partial<JobDetail>): JobEvent => {
  const { state, reason, counts, best, median, started_at, ended_at, max_trials, max_parallel } = jobOf(part);
  const data = { state, reason, counts, best, median, started_at, ended_at, max_trials, max_parallel };
  return { seq, at: at(seq), kind: "job", data };
};
