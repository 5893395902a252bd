/** What the ledger's sums say, and the figure of them over time. Pure. */
import type { Usage, UsageEntry, UsageSum, UsageTotal } from "../../api/types";
import { formatDuration } from "../../components/format";
import type { FigureDocument } from "../../live/join";

export type Period = "day" | "week" | "month";
export type Measure = "gpu_seconds" | "seconds" | "cost";
export type Outcome = UsageEntry["outcome"];

export const OUTCOMES: Record<Outcome, { label: string; state: string }> = {
  completed: { label: "Completed", state: "Completed" },
  early_stopped: { label: "Early stopped", state: "EarlyStopped" },
  stopped: { label: "Stopped", state: "Stopped" },
  failed: { label: "Failed", state: "Failed" },
  lost: { label: "Lost", state: "Lost" },
  paused: { label: "Paused", state: "Paused" },
  suspended: { label: "Suspended", state: "Paused" },
  preempted: { label: "Pre-empted", state: "Paused" },
  not_started: { label: "Not started", state: "Paused" },
};

/** What was spent without a result: the attempt failed or vanished. */
export const WASTED: readonly string[] = ["failed", "lost"];

export const RANGES = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "A year" },
  { value: "", label: "All time" },
] as const;

/** The beginning of a day (UTC) so many days ago; undefined for all time. */
export function sinceOf(days: string, now: number): string | undefined {
  const count = Number(days);
  if (!count) return undefined;
  const day = 86_400_000;
  return new Date(Math.floor(now / day) * day - (count - 1) * day).toISOString().slice(0, 10);
}

/** The part of the sums with one of these keys, 0 to 1. */
export function partOf(sums: readonly UsageSum[], keys: readonly string[], measure: Measure): number {
  const total = sums.reduce((sum, row) => sum + row[measure], 0);
  const own = sums.filter((row) => row.key !== null && keys.includes(row.key));
  return total > 0 ? own.reduce((sum, row) => sum + row[measure], 0) / total : 0;
}

export const percent = (part: number): string =>
  part > 0 && part < 0.01 ? "< 1 %" : `${Math.round(100 * part)} %`;

export const MEASURES: Record<Measure, string> = {
  gpu_seconds: "GPU-hours",
  seconds: "Trial-hours",
  cost: "Cost",
};

/** What of it there is: no cost where no pool has a price. */
export const measuresOf = (usage: Usage): Measure[] =>
  (Object.keys(MEASURES) as Measure[]).filter((measure) => measure !== "cost" || usage.total.cost > 0);

/** In the unit in which a measure is told: hours, or the money of the installation. */
export const amountOf = (sum: Pick<UsageSum, Measure>, measure: Measure): number =>
  measure === "cost" ? sum.cost : sum[measure] / 3600;

/** Asked for in the address; else GPU-hours where GPUs were used. */
export function measureOf(usage: Usage, asked: string | null): Measure {
  const known = measuresOf(usage).find((measure) => measure === asked);
  if (known) return known;
  return usage.total.gpu_seconds > 0 ? "gpu_seconds" : "seconds";
}

/** All with as many digits, so that one can add them up. */
/** With two digits; what they would show as nothing is not nothing. */
export const hoursOf = (seconds: number): string =>
  seconds > 0 && seconds < 18 ? "< 0.01" : moneyOf(seconds / 3600);

export const moneyOf = (amount: number): string =>
  amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const NOTHING: UsageTotal = {
  attempts: 0,
  seconds: 0,
  gpu_seconds: 0,
  cost: 0,
  wait_p50: null,
  wait_p95: null,
  saved_seconds: 0,
  saved_gpu_seconds: 0,
};

export const WAITED =
  "From the moment when a job asked for one more trial until it held its place: half of them waited for at most the first time, 95 of 100 for at most the second.";
export const SAVED =
  "An estimate: for each trial that was stopped early, the median time of its job’s completed trials less its own, and nothing if it ran for longer or none was completed.";

/** Half of all, and 95 in 100, waited for at most so long. */
export const waitWords = (of: Pick<UsageTotal, "wait_p50" | "wait_p95">): string =>
  of.wait_p50 === null || of.wait_p95 === null
    ? "–"
    : `${formatDuration(of.wait_p50)} / ${formatDuration(of.wait_p95)}`;

/** The hours that early stopping saved: of GPUs where GPUs were used. */
export const savedHours = (of: UsageTotal, gpus: boolean): string =>
  hoursOf(gpus ? of.saved_gpu_seconds : of.saved_seconds);

export interface Fact {
  value: string;
  name: string;
  title?: string;
}

/** What a job has used, each with its unit; nothing before its first attempt is over. */
export function jobFacts(usage: UsageTotal): Fact[] {
  if (usage.attempts === 0) return [];
  const gpus = usage.gpu_seconds > 0;
  const saved = gpus ? usage.saved_gpu_seconds : usage.saved_seconds;
  const unit = gpus ? "GPU-hours" : "trial-hours";
  return [
    ...(gpus ? [{ value: hoursOf(usage.gpu_seconds), name: "GPU-hours" }] : []),
    { value: hoursOf(usage.seconds), name: "trial-hours" },
    ...(usage.cost > 0 ? [{ value: moneyOf(usage.cost), name: "cost" }] : []),
    ...(saved > 0
      ? [{ value: savedHours(usage, gpus), name: `${unit} saved by early stopping`, title: SAVED }]
      : []),
    ...(usage.wait_p50 === null
      ? []
      : [{ value: waitWords(usage), name: "waited (p50 / p95)", title: WAITED }]),
  ];
}

const NEXT: Record<Period, (day: Date) => void> = {
  day: (day) => day.setUTCDate(day.getUTCDate() + 1),
  week: (day) => day.setUTCDate(day.getUTCDate() + 7),
  month: (day) => day.setUTCMonth(day.getUTCMonth() + 1),
};
const MOST_BARS = 400;

/** The first day (UTC) of the period in which a day lies. */
function beginningOf(day: string, period: Period): Date {
  const first = new Date(day);
  if (period === "month") first.setUTCDate(1);
  if (period === "week") first.setUTCDate(first.getUTCDate() - ((first.getUTCDay() + 6) % 7));
  return first;
}

/** All periods of the time that is looked at, also those in which nothing was used; from the first use if `since` is empty. */
export function periodsOf(
  sums: readonly UsageSum[],
  period: Period,
  since: string | undefined,
  today: string,
): UsageSum[] {
  const known = new Map(sums.flatMap((row) => (row.key === null ? [] : [[row.key, row] as const])));
  const from = since ?? [...known.keys()].sort()[0] ?? today;
  const last = beginningOf(today, period).toISOString().slice(0, 10);
  const found: UsageSum[] = [];
  for (const day = beginningOf(from, period); found.length < MOST_BARS; NEXT[period](day)) {
    const key = day.toISOString().slice(0, 10);
    if (key > last) break;
    found.push(known.get(key) ?? { key, ...NOTHING });
  }
  return found;
}

/** Bars of hours over time; `rows` as `periodsOf` makes them. */
export function usageFigure(
  rows: readonly UsageSum[],
  period: Period,
  measure: Measure,
  colour: string,
): FigureDocument {
  const words = MEASURES[measure].toLowerCase().replace("gpu", "GPU");
  return {
    data: [
      {
        type: "bar",
        x: rows.map((row) => periodWords(row.key ?? "", period)),
        y: rows.map((row) => amountOf(row, measure)),
        customdata: rows.map((row) => row.attempts),
        marker: { color: colour },
        hovertemplate: `%{x}<br><b>%{y:.3~r}</b> ${words}<br>%{customdata} attempts<extra></extra>`,
        meta: { role: "sum" },
      },
    ],
    layout: {
      xaxis: { type: "category", title: { text: "" }, nticks: 12 },
      yaxis: { title: { text: words }, rangemode: "tozero" },
      bargap: rows.length > 3 ? 0.25 : 0.7,
    },
  };
}

const dayName = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const monthName = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" });

/** The name of the period that begins on a day, such as Mar 3, week of Mar 2 or Mar 2026. */
export function periodWords(key: string, period: Period): string {
  const day = new Date(key);
  if (Number.isNaN(day.getTime())) return key;
  if (period === "month") return monthName.format(day);
  return period === "week" ? `week of ${dayName.format(day)}` : dayName.format(day);
}
