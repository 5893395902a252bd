/** The picture of a pool: a seat for each of its devices, with who is on it. Pure. */
import type { Holder, PoolState, Queue } from "../../api/types";
import { formatBytes, formatNumber } from "../../components/format";

export const CPU = "cpu";

export interface Seat {
  /** Of a GPU that the host knows. */
  gpu: string | null;
  holders: Holder[];
  /** Present, but not given to trials. */
  withheld?: boolean;
}

/** All seats; more than the pool has, if it was made smaller than what runs. */
export function seatsOf(pool: PoolState, holders: readonly Holder[]): Seat[] {
  if (pool.name === CPU) return filled(pool.devices, slotsOf(holders));
  const own = holders.filter((holder) => holder.pool === pool.name);
  if (pool.gpus.length === 0) return filled(pool.devices, own.flatMap(once));
  const seats: Seat[] = pool.gpus.map((gpu, at) => ({
    gpu,
    holders: holders.filter((holder) => holder.gpus.includes(gpu)),
    withheld: at >= pool.devices,
  }));
  for (const holder of own.filter((each) => each.gpus.length === 0)) {
    for (const seat of seats.filter((each) => each.holders.length === 0).slice(0, holder.devices))
      seat.holders.push(holder);
  }
  return seats;
}

/** The slots of the host: a trial on GPUs takes one besides. */
const slotsOf = (holders: readonly Holder[]): Holder[] =>
  holders.flatMap((holder) => (holder.pool === CPU ? once(holder) : [holder]));

const once = (holder: Holder): Holder[] => Array.from({ length: holder.devices }, () => holder);

function filled(size: number, holders: readonly Holder[]): Seat[] {
  const seats: Seat[] = [...holders].sort(byName).map((holder) => ({ gpu: null, holders: [holder] }));
  while (seats.length < size) seats.push({ gpu: null, holders: [] });
  return seats;
}

/** What one may see first, in an order that stays while trials come and go; what others hold after it. */
function byName(one: Holder, other: Holder): number {
  if (!one.job || !other.job) return Number(!one.job) - Number(!other.job);
  const place = `${one.project}/${one.job}`.localeCompare(`${other.project}/${other.job}`);
  return place || (one.trial ?? 0) - (other.trial ?? 0);
}

export const poolLabel = (name: string): string => (name === CPU ? "CPU slots" : name);

export function poolNote(pool: Pick<PoolState, "name" | "device_type" | "memory_bytes">): string {
  if (pool.name === CPU) return "a trial takes one, and so does each trial on GPUs";
  const size = pool.memory_bytes ? `${formatBytes(pool.memory_bytes)} each` : "";
  return [pool.device_type, size].filter(Boolean).join(", ");
}

export interface Standstill {
  running: number;
  waiting: number;
  missing: number;
}

/** Over all pools. A trial on GPUs is counted once, not by its slot as well. */
export function totalsOf(queue: Queue): Standstill {
  return {
    running: queue.holders.length,
    waiting: queue.pools.reduce((sum, pool) => sum + pool.waiting_jobs, 0),
    missing: queue.pools.reduce((sum, pool) => sum + pool.missing, 0),
  };
}

/** What others than oneself do in a pool, as a sentence; empty if nothing. */
export function othersOf(pool: PoolState): string {
  const { jobs, held, missing } = pool.others;
  if (!jobs && !held) return "";
  const who = jobs === 1 ? "1 job of another project" : `${jobs} jobs of other projects`;
  const wants = missing ? ` and wait for ${missing} more` : "";
  return jobs
    ? `${who} hold${jobs === 1 ? "s" : ""} ${formatNumber(held, 3)}${jobs === 1 ? wants.replace("wait", "waits") : wants}.`
    : "";
}
