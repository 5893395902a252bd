/** Pools, shares and limits as the forms show them. Pure. */
import type { PoolState, Quota, QuotaRequest, Share, Team } from "../../api/types";
import { formatBytes, formatDuration, formatNumber } from "../../components/format";
import { readNumber } from "../../components/typing";

export interface TeamShare extends Share {
  team: string;
}

/** Who has a share of a pool, by name. */
export const sharesOf = (pool: string, teams: readonly Team[]): TeamShare[] =>
  teams.flatMap((team) =>
    team.shares.filter((share) => share.pool === pool).map((share) => ({ ...share, team: team.name })),
  );

/** What each team would hold if all of them wanted all: the guarantee, and of the rest by weight, up to the cap. */
export function fairShares(size: number, shares: readonly TeamShare[]): Map<string, number> {
  const promised = shares.reduce((sum, share) => sum + share.guaranteed, 0);
  const squeeze = promised > size ? size / promised : 1;
  const found = new Map(shares.map((share) => [share.team, share.guaranteed * squeeze]));
  let rest = size - promised * squeeze;
  let open = shares.filter((share) => share.cap === null || share.cap > share.guaranteed);
  while (rest > 1e-9 && open.length > 0) {
    const weights = open.reduce((sum, share) => sum + share.weight, 0);
    const step = rest / weights;
    const room = (share: TeamShare) => (share.cap ?? Number.POSITIVE_INFINITY) - (found.get(share.team) ?? 0);
    const most = Math.min(step, ...open.map((share) => room(share) / share.weight));
    for (const share of open) found.set(share.team, (found.get(share.team) ?? 0) + most * share.weight);
    rest -= most * weights;
    if (most === step) break;
    open = open.filter((share) => room(share) > 1e-9);
  }
  return found;
}

/** What an administrator should know about what is promised of a pool; null if all is well. */
export function promiseRemark(size: number, shares: readonly TeamShare[]): string | null {
  const promised = shares.reduce((sum, share) => sum + share.guaranteed, 0);
  if (promised <= size) return null;
  return `The guarantees add up to ${promised} of ${size}. If all claim theirs at once, the emptiest guarantee is served first.`;
}

// --- limits -----------------------------------------------------------------------------------------------------------

export type Resource = QuotaRequest["resource"];

interface ResourceWords {
  label: string;
  /** What happens at the limit. */
  beyond: string;
}

export const RESOURCES: Record<Resource, ResourceWords> = {
  running_trials: {
    label: "Trials that run here at once",
    beyond: "More trials wait. Trials that run elsewhere (ask and tell) are not counted.",
  },
  devices: { label: "Places of a pool at once", beyond: "More trials wait." },
  queued_jobs: { label: "Jobs that are not over", beyond: "One more job is refused." },
  trials_per_job: { label: "Trials of one job", beyond: "A job that asks for more is refused." },
  parallel_per_job: { label: "Trials of one job at once", beyond: "A job that asks for more is refused." },
  seconds_per_trial: { label: "Length of one trial", beyond: "A job that asks for more is refused." },
  gpus_per_trial: { label: "GPUs of one trial", beyond: "A job that asks for more is refused." },
  gpu_hours_per_week: {
    label: "GPU-hours a week",
    beyond:
      "No further trial with GPUs starts, and new jobs on them are refused. The week begins on Monday, UTC.",
  },
  gpu_hours_per_month: {
    label: "GPU-hours a month",
    beyond:
      "No further trial with GPUs starts, and new jobs on them are refused. The month begins on the first, UTC.",
  },
  storage_bytes: { label: "Stored bytes", beyond: "More uploads and new jobs are refused." },
};

const GIGABYTE = 1e9;

const UNITS: Partial<Record<Resource, string>> = { storage_bytes: "GB", seconds_per_trial: "seconds" };

export const unitOf = (resource: Resource): string => UNITS[resource] ?? "";

/** What a person types as a limit, in the unit of `unitOf`; what is no number goes as it is, the server says why not. */
export function limitOf(resource: Resource, typed: string): number {
  const number = readNumber(typed);
  if (typeof number !== "number") return number as unknown as number;
  return resource === "storage_bytes" ? Math.round(number * GIGABYTE) : number;
}

export const typedLimit = (resource: Resource, limit: number): string =>
  String(resource === "storage_bytes" ? limit / GIGABYTE : limit);

export function amountWords(resource: Resource, amount: number): string {
  if (resource === "storage_bytes") return formatBytes(amount);
  if (resource === "seconds_per_trial") return formatDuration(amount);
  if (resource.startsWith("gpu_hours")) return `${Number(amount.toFixed(1))} h`;
  return amount.toLocaleString("en-US");
}

const DAY = new Intl.DateTimeFormat("en", {
  weekday: "short",
  month: "short",
  day: "numeric",
  timeZone: "UTC",
});

/** Where a limit with a period is going at the pace of the last seven days. */
export function forecastWords({ resource, used, limit, forecast }: Quota): string {
  if (!forecast || used >= limit) return "";
  if (forecast.reached)
    return `used up on ${DAY.format(new Date(forecast.reached))} at the pace of the last 7 days`;
  return `${amountWords(resource, forecast.at_end)} by ${DAY.format(new Date(forecast.ends))} at the pace of the last 7 days`;
}

/** For whom a limit is. */
export function scopeWords(of: { project: string | null; user: string | null }): string {
  if (of.project && of.user) return `${of.user} in ${of.project}`;
  return of.user ?? of.project ?? "The installation";
}

/** How full a limit is, 0 to 1 and beyond; a limit of 0 is full. */
export const fillOf = (used: number, limit: number): number => (limit > 0 ? used / limit : 1);

/** What a new size means for what runs there. */
export function loweringWords(pool: PoolState | undefined, size: number | string | null): string {
  if (!pool || typeof size !== "number" || size >= pool.held) return "";
  const more = formatNumber(pool.held - size, 3);
  return `${more} more than that ${pool.held - size === 1 ? "is" : "are"} taken now. What runs goes on to its end, and nothing new starts until it is below.`;
}
