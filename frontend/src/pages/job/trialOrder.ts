/** Order and choice of the rows of the trial table. Pure. */
import type { Trial } from "../../api/types";

export interface Order {
  column: string;
  descending: boolean;
}

export type Cell = string | number | null;

/** Seconds for which a trial ran that is over: in all of its attempts, but not between them. */
export const durationOf = (trial: Trial): number | null =>
  trial.started_at && trial.ended_at ? trial.ran_seconds : null;

export function cellOf(trial: Trial, column: string): Cell {
  switch (column) {
    case "number":
      return trial.number;
    case "state":
      return trial.state;
    case "objective":
      return trial.objective;
    case "duration":
      return durationOf(trial);
    case "started":
      return trial.started_at ? Date.parse(trial.started_at) : null;
    default:
      return trial.hyperparameters[column.replace(/^hp:/, "")] ?? null;
  }
}

/** Rows without a value come last in either direction; equals stand by number. */
export function ordered(trials: Iterable<Trial>, order: Order, state: string | null): Trial[] {
  const rows = [...trials].filter((trial) => state === null || trial.state === state);
  const sign = order.descending ? -1 : 1;
  const keys = new Map(rows.map((trial) => [trial.number, cellOf(trial, order.column)]));
  return rows.sort((a, b) => {
    const x = keys.get(a.number) ?? null;
    const y = keys.get(b.number) ?? null;
    if (x === null || y === null) return x === y ? a.number - b.number : x === null ? 1 : -1;
    if (x === y) return a.number - b.number;
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y), "en", { numeric: true });
  });
}
