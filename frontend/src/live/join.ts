/**
 * Joins what arrived live to a figure that the server made a moment ago. Pure: gives new trace objects where something
 * changed and the same ones where nothing did.
 *
 * The server tags its traces (`meta.role`) and the frame (`layout.meta`), so nothing here guesses by name or order.
 */
import type { Trial } from "../api/types";
import { isTrialOver, type JobView } from "./view";

export type Trace = Record<string, unknown> & { meta?: TraceMeta };

export interface TraceMeta {
  role?: string;
  job?: string;
  parameter?: string;
  trial?: number;
  metric?: string;
}

export interface FigureDocument {
  data: Trace[];
  layout: Record<string, unknown> & { meta?: FrameMeta };
}

interface FrameMeta {
  x?: { kind?: string; unit_seconds?: number; origins?: Record<string, number> };
  symbols?: Record<string, string>;
}

type Place = (trial: Trial) => number | null;

/** The states whose objective is a result; what a failed trial printed before it broke is not. */
const COUNTED = new Set(["Completed", "EarlyStopped", "Stopped"]);

export function joinLive(figure: FigureDocument, view: JobView): FigureDocument {
  const goal = view.job.objective.goal;
  const frame = figure.layout.meta ?? {};
  const mine = (trace: Trace) => trace.meta?.job === view.job.name;
  const data = figure.data.map((trace) => {
    if (!mine(trace)) return trace;
    switch (trace.meta?.role) {
      case "trials":
        return joinDots(trace, view, placeInTime(frame, view.job.name), frame);
      case "parameter":
        return joinDots(trace, view, placeOfParameter(trace.meta.parameter ?? "", frame), frame);
      case "best":
        return joinBest(trace, view, placeInTime(frame, view.job.name), goal);
      case "curve":
        return joinCurve(trace, view, frame);
      default:
        return trace;
    }
  });
  const added = newCurves(figure, view, frame);
  const same = added.length === 0 && data.every((trace, index) => trace === figure.data[index]);
  return same ? figure : { ...figure, data: data.concat(added) };
}

function placeInTime(frame: FrameMeta, job: string): Place {
  const { kind = "start", unit_seconds: unit = 1, origins = {} } = frame.x ?? {};
  return (trial) => {
    if (kind === "number") return trial.number;
    if (!trial.started_at) return null;
    const started = Date.parse(trial.started_at);
    return kind === "elapsed" ? (started - (origins[job] ?? started)) / 1000 / unit : started;
  };
}

/** Categories have their places from the server: a new dot of theirs comes with the next figure. */
export const hasPlacesOfTheServer = (figure: FigureDocument): boolean =>
  figure.layout.meta?.x?.kind === "category";

function placeOfParameter(name: string, frame: FrameMeta): Place {
  return (trial) => {
    const value = trial.hyperparameters[name];
    return frame.x?.kind !== "category" && typeof value === "number" ? value : null;
  };
}

function joinDots(trace: Trace, view: JobView, place: Place, frame: FrameMeta): Trace {
  const numbers = [...column(trace.customdata)];
  const x = [...column(trace.x)];
  const y = [...column(trace.y)];
  const marker = trace.marker as { symbol?: unknown } | undefined;
  const symbols = [...column<unknown>(marker?.symbol)];
  const seats = new Map(numbers.map((number, seat) => [number, seat]));
  let changed = false;
  for (const trial of view.trials.values()) {
    if (trial.objective === null) continue;
    const symbol = frame.symbols?.[trial.state] ?? "circle";
    const seat = seats.get(trial.number);
    if (seat === undefined) {
      const at = trial.started_at ? place(trial) : null;
      if (at === null) continue;
      numbers.push(trial.number);
      x.push(at);
      y.push(trial.objective);
      symbols.push(symbol);
    } else if (!sameHeight(y[seat], trial.objective) || symbols[seat] !== symbol) {
      y[seat] = trial.objective;
      symbols[seat] = symbol;
    } else continue;
    changed = true;
  }
  return changed ? { ...trace, x, y, customdata: numbers, marker: { ...marker, symbol: symbols } } : trace;
}

/** The server sends rounded heights; a difference behind its digits is none. */
const sameHeight = (drawn: number | undefined, value: number): boolean =>
  drawn !== undefined && Math.abs(drawn - value) <= 5e-5 * Math.max(Math.abs(drawn), Math.abs(value));

function joinBest(trace: Trace, view: JobView, place: Place, goal: string): Trace {
  const placed = [...view.trials.values()]
    .filter((trial) => trial.objective !== null && trial.started_at)
    .map((trial) => ({ trial, at: place(trial) ?? Number.NaN }))
    .filter(({ at }) => Number.isFinite(at))
    .sort((a, b) => a.at - b.at || a.trial.number - b.trial.number);
  const x: number[] = [];
  const y: number[] = [];
  for (const { trial, at } of placed) {
    const value = trial.objective ?? Number.NaN;
    const best = y.at(-1);
    if (!COUNTED.has(trial.state)) continue;
    if (best === undefined || (goal === "minimize" ? value < best : value > best)) {
      x.push(at);
      y.push(value);
    }
  }
  const last = placed.at(-1);
  const best = y.at(-1);
  if (last && best !== undefined && last.at > (x.at(-1) ?? 0)) {
    x.push(last.at);
    y.push(best);
  }
  return sameColumn(x, column(trace.x)) && sameColumn(y, column(trace.y)) ? trace : { ...trace, x, y };
}

const sameColumn = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => sameHeight(b[index], value));

function joinCurve(trace: Trace, view: JobView, frame: FrameMeta): Trace {
  const { trial, metric } = trace.meta ?? {};
  const series = view.series.get(metric ?? "")?.get(trial ?? -1);
  if (!series) return trace;
  const x = column(trace.x);
  const places = placesOf(series, view.trials.get(trial ?? -1), frame);
  const last = x.at(-1) ?? Number.NEGATIVE_INFINITY;
  const from = places.findIndex((at) => at > last);
  const over = isTrialOver(view.trials.get(trial ?? -1)?.state ?? "");
  if (from < 0 && !over) return trace;
  const added = from < 0 ? [] : places.slice(from);
  const line = { ...(trace.line as object), dash: over ? "solid" : "dot" };
  const y = column(trace.y).concat(from < 0 ? [] : series.values.slice(from));
  return {
    ...trace,
    x: x.concat(added),
    y,
    mode: x.length + added.length > 1 ? "lines" : "lines+markers",
    line,
  };
}

function placesOf(
  series: { steps: readonly number[]; times: readonly number[] },
  trial: Trial | undefined,
  frame: FrameMeta,
): number[] {
  const { kind = "step", unit_seconds: unit = 1 } = frame.x ?? {};
  if (kind === "step") return [...series.steps];
  if (kind === "time") return series.times.map((at) => Math.round(at * 1000));
  const start = trial?.started_at ? Date.parse(trial.started_at) / 1000 : (series.times[0] ?? 0);
  return series.times.map((at) => (at - start) / unit);
}

/** A line for each trial that began after the figure was made, in the manner of its job's other lines. */
function newCurves(figure: FigureDocument, view: JobView, frame: FrameMeta): Trace[] {
  const model = figure.data.find((trace) => trace.meta?.role === "curve" && trace.meta.job === view.job.name);
  const metric = model?.meta?.metric;
  if (!model || !metric) return [];
  const drawn = new Set(
    figure.data
      .filter((t) => t.meta?.role === "curve" && t.meta.job === view.job.name)
      .map((t) => t.meta?.trial),
  );
  const newest = Math.max(0, ...[...drawn].map((trial) => trial ?? 0));
  const added: Trace[] = [];
  for (const [trial, series] of view.series.get(metric) ?? []) {
    if (drawn.has(trial) || trial < newest) continue;
    const over = isTrialOver(view.trials.get(trial)?.state ?? "");
    added.push({
      ...model,
      x: placesOf(series, view.trials.get(trial), frame),
      y: [...series.values],
      name: `${view.job.name} · trial ${trial}`,
      mode: series.steps.length > 1 ? "lines" : "lines+markers",
      line: { ...(model.line as object), width: 1.4, dash: over ? "solid" : "dot" },
      opacity: 0.85,
      showlegend: false,
      hovertemplate: `trial ${trial}<br>%{y} at %{x}<extra></extra>`,
      meta: { ...model.meta, trial },
    });
  }
  return added;
}

function column<T = number>(value: unknown): readonly T[] {
  return Array.isArray(value) ? value : [];
}
