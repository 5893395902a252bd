/** How long a job will still take, from the trials that it has finished. */
import type { Job, Trial } from "../api/types";
import { isJobOver, isTrialOver } from "./view";

/** The newest finished trials count: a search moves, and so does the cost of its trials. */
const WINDOW = 20;

/** Seconds until the job's last trial ends, or null while nothing has finished to reckon with. */
export function secondsLeft(job: Job, trials: ReadonlyMap<number, Trial>, now: number): number | null {
  if (isJobOver(job.state)) return null;
  const all = [...trials.values()];
  const durations = all
    .filter((trial) => isTrialOver(trial.state) && trial.started_at && trial.ended_at)
    .sort((a, b) => Date.parse(b.ended_at ?? "") - Date.parse(a.ended_at ?? ""))
    .slice(0, WINDOW)
    .map((trial) => trial.ran_seconds);
  if (durations.length === 0) return null;
  const usual = durations.reduce((sum, seconds) => sum + seconds, 0) / durations.length;
  const over = all.filter((trial) => isTrialOver(trial.state)).length;
  const running = all.filter((trial) => !isTrialOver(trial.state) && trial.started_at);
  const done = running.reduce(
    (sum, trial) => sum + Math.min(usual, (now - Date.parse(trial.started_at ?? "")) / 1000),
    0,
  );
  const work = Math.max(0, job.max_trials - over) * usual - done;
  return Math.max(0, work / Math.max(1, Math.min(job.max_parallel, job.max_trials - over)));
}
