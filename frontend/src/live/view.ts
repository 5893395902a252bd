/**
 * What the page knows of a job, and how events change it. Pure: the same snapshot and events give the same view, in
 * whatever batches they arrive, and an event that is already in the view changes nothing.
 */
import type { JobDetail, Snapshot, Trial } from "../api/types";
import type { DecisionChange, JobEvent, PointsChange } from "./frames";

/** The values of one metric of one trial that arrived since the snapshot. */
export interface LiveSeries {
  attempt: number;
  steps: readonly number[];
  values: readonly number[];
  times: readonly number[];
}

export interface LiveDecision extends DecisionChange {
  seq: number;
  at: string;
}

export interface JobView {
  job: JobDetail;
  /** Sequence number of the last event that is in this view. */
  cursor: number;
  trials: ReadonlyMap<number, Trial>;
  /** metric -> trial -> what arrived live; the figures hold what came before. */
  series: ReadonlyMap<string, ReadonlyMap<number, LiveSeries>>;
  decisions: readonly LiveDecision[];
  /** Grows whenever a trial ends or the job changes state: the figures are then made anew by the server. */
  milestones: number;
}

export interface Applied {
  view: JobView;
  /** True when an event is missing before the ones that were not applied. */
  gap: boolean;
}

const TERMINAL_TRIAL = new Set(["Completed", "EarlyStopped", "Stopped", "Failed", "Lost"]);
const TERMINAL_JOB = new Set(["Completed", "Stopped", "Failed"]);
const KEPT_DECISIONS = 300;

export const isTrialOver = (state: string): boolean => TERMINAL_TRIAL.has(state);
export const isJobOver = (state: string): boolean => TERMINAL_JOB.has(state);

export function viewOfSnapshot(snapshot: Snapshot): JobView {
  const columns = snapshot.trials;
  const names = Object.keys(columns.hyperparameters);
  const trials = new Map<number, Trial>();
  for (const [index, number] of columns.number.entries()) {
    const hyperparameters: Trial["hyperparameters"] = {};
    for (const name of names) {
      const value = columns.hyperparameters[name]?.[index];
      if (value !== undefined && value !== null) hyperparameters[name] = value;
    }
    trials.set(number, {
      number,
      state: columns.state[index] ?? "Queued",
      hyperparameters,
      objective: columns.objective[index] ?? null,
      best_objective: columns.best_objective[index] ?? null,
      reason: columns.reason[index] ?? "",
      failure: columns.failure[index] ?? "",
      attempt: columns.attempt[index] ?? 0,
      created_at: columns.created_at[index] ?? "",
      started_at: columns.started_at[index] ?? null,
      ended_at: columns.ended_at[index] ?? null,
      ran_seconds: columns.ran_seconds[index] ?? 0,
    });
  }
  return {
    job: counted(snapshot.job, trials),
    cursor: snapshot.cursor,
    trials,
    series: new Map(),
    decisions: [],
    milestones: 0,
  };
}

/** Applies events in order; those at or before the cursor are dropped, and at a gap it stops. */
export function applyEvents(view: JobView, events: readonly JobEvent[]): Applied {
  const draft = new Draft(view);
  for (const event of events) {
    if (event.seq <= draft.cursor) continue;
    if (event.seq !== draft.cursor + 1) return { view: draft.done(), gap: true };
    draft.apply(event);
    draft.cursor = event.seq;
  }
  return { view: draft.done(), gap: false };
}

/** Copies a collection once per batch, at its first change, so that 10,000 trials are not copied for every event. */
class Draft {
  cursor: number;
  private job: JobDetail;
  private milestones: number;
  private trials: Map<number, Trial> | null = null;
  private series: Map<string, Map<number, LiveSeries>> | null = null;
  private readonly decisions: LiveDecision[] = [];

  constructor(private readonly base: JobView) {
    this.cursor = base.cursor;
    this.job = base.job;
    this.milestones = base.milestones;
  }

  apply(event: JobEvent): void {
    switch (event.kind) {
      case "job":
        if (event.data.state !== this.job.state) this.milestones += 1;
        this.job = { ...this.job, ...event.data };
        break;
      case "trial":
        this.applyTrial(event.data);
        break;
      case "points":
        this.applyPoints(event.data);
        break;
      case "decision":
        this.decisions.push({ ...event.data, seq: event.seq, at: event.at });
        break;
      default:
        // A newer server may say more than this page understands; the sequence goes on.
        break;
    }
  }

  private applyTrial(row: Trial): void {
    this.trials ??= new Map(this.base.trials);
    const before = this.trials.get(row.number);
    if (isTrialOver(row.state) && !(before && isTrialOver(before.state))) this.milestones += 1;
    if (before && beginsAnew(before, row)) this.forgetPoints(row.number);
    this.trials.set(row.number, before ? { ...before, ...row } : row);
  }

  /** It begins anew: what its earlier attempts reported is no part of its curve any more. */
  private forgetPoints(trial: number): void {
    this.milestones += 1;
    this.series ??= this.copiedSeries();
    for (const byTrial of this.series.values()) byTrial.delete(trial);
  }

  private copiedSeries(): Map<string, Map<number, LiveSeries>> {
    return new Map([...this.base.series].map(([metric, byTrial]) => [metric, new Map(byTrial)]));
  }

  private applyPoints(points: PointsChange): void {
    this.series ??= this.copiedSeries();
    const byTrial = this.series.get(points.metric) ?? new Map<number, LiveSeries>();
    this.series.set(points.metric, byTrial);
    byTrial.set(points.trial, appendPoints(byTrial.get(points.trial), points));
    if (points.metric === this.job.objective.metric) this.applyObjective(points);
  }

  /** The last value of the objective metric is the trial's; no trial event says so while it runs. */
  private applyObjective(points: PointsChange): void {
    this.trials ??= new Map(this.base.trials);
    const trial = this.trials.get(points.trial);
    const last = points.values.at(-1);
    if (!trial || last === undefined || points.attempt < trial.attempt) return;
    const pick = this.job.objective.goal === "minimize" ? Math.min : Math.max;
    const earlier = trial.best_objective === null ? [] : [trial.best_objective];
    const best = pick(...earlier, ...points.values);
    this.trials.set(points.trial, { ...trial, objective: last, best_objective: best });
  }

  done(): JobView {
    if (this.cursor === this.base.cursor) return this.base;
    const trials = this.trials ?? this.base.trials;
    return {
      job: trials === this.base.trials && this.job === this.base.job ? this.job : counted(this.job, trials),
      cursor: this.cursor,
      trials,
      series: this.series ?? this.base.series,
      decisions: this.decisions.length
        ? [...this.base.decisions, ...this.decisions].slice(-KEPT_DECISIONS)
        : this.base.decisions,
      milestones: this.milestones,
    };
  }
}

/** Whether it is to run from scratch although it has reported values. */
const beginsAnew = (before: Trial, row: Trial): boolean =>
  before.best_objective !== null &&
  row.best_objective === null &&
  (row.state === "Queued" || row.attempt > before.attempt);

/** The page has every trial, so it counts them itself: the job's own event says how many there were when it was made. */
function counted(job: JobDetail, trials: ReadonlyMap<number, Trial>): JobDetail {
  const counts: Record<string, number> = {};
  for (const { state } of trials.values()) counts[state] = (counts[state] ?? 0) + 1;
  return { ...job, counts };
}

/**
 * An attempt that resumes from a checkpoint goes on counting steps where that stands: what an older one reported from
 * there on counts no more, as on the server.
 */
function appendPoints(series: LiveSeries | undefined, points: PointsChange): LiveSeries {
  if (!series) return points;
  const last = series.steps.at(-1) ?? Number.NEGATIVE_INFINITY;
  const attempt = Math.max(series.attempt, points.attempt);
  if ((points.steps[0] ?? Number.POSITIVE_INFINITY) > last) {
    return {
      attempt,
      steps: series.steps.concat(points.steps),
      values: series.values.concat(points.values),
      times: series.times.concat(points.times),
    };
  }
  const [older, newer] = points.attempt < series.attempt ? [points, series] : [series, points];
  const begins = older.attempt < newer.attempt ? newer.steps[0] : undefined;
  const byStep = new Map<number, { value: number; time: number }>();
  for (const source of [older, newer]) {
    for (const [index, step] of source.steps.entries()) {
      if (source === older && begins !== undefined && step >= begins) continue;
      byStep.set(step, {
        value: source.values[index] ?? Number.NaN,
        time: source.times[index] ?? Number.NaN,
      });
    }
  }
  const merged = [...byStep].sort(([a], [b]) => a - b);
  return {
    attempt,
    steps: merged.map(([step]) => step),
    values: merged.map(([, point]) => point.value),
    times: merged.map(([, point]) => point.time),
  };
}
