import { describe, expect, it } from "vitest";
import { Faults } from "../../src/api/faults";
import type { Holder, PoolState, Queue, Team, UsageSum } from "../../src/api/types";
import { formatHours } from "../../src/components/format";
import {
  amountWords,
  fairShares,
  fillOf,
  forecastWords,
  limitOf,
  loweringWords,
  promiseRemark,
  scopeWords,
  sharesOf,
  type TeamShare,
  typedLimit,
  unitOf,
} from "../../src/pages/admin/sharing";
import { othersOf, seatsOf, totalsOf } from "../../src/pages/queue/seats";
import {
  amountOf,
  jobFacts,
  measureOf,
  partOf,
  percent,
  periodsOf,
  periodWords,
  savedHours,
  sinceOf,
  usageFigure,
  waitWords,
} from "../../src/pages/usage/ledger";

it("a limit on GPU-hours says where it goes", () => {
  const ends = "2026-03-09T00:00:00.000Z";
  const words = (at_end: number, reached: string | null, used = 3) =>
    forecastWords({
      id: 1,
      project: null,
      user: null,
      pool: "",
      resource: "gpu_hours_per_week",
      limit: 10,
      used,
      forecast: { at_end, ends, reached },
    });
  expect(words(7.25, null)).toBe("7.3 h by Mon, Mar 9 at the pace of the last 7 days");
  expect(words(14, "2026-03-06T18:00:00.000Z")).toBe("used up on Fri, Mar 6 at the pace of the last 7 days");
  expect(words(14, "2026-03-06T18:00:00.000Z", 10)).toBe("");
});

const pool = (part: Partial<PoolState> = {}): PoolState => ({
  name: "cpu",
  devices: 4,
  device_type: "",
  memory_bytes: null,
  gpus: [],
  held: 0,
  waiting_jobs: 0,
  missing: 0,
  others: { jobs: 0, held: 0, missing: 0 },
  ...part,
});
const holder = (job: string | null, trial = 1, part: Partial<Holder> = {}) =>
  ({
    pool: "cpu",
    devices: 1,
    share: 1,
    gpus: [],
    project: job && "lab",
    job,
    user: job && "alice",
    trial: job ? trial : null,
    since: null,
    ...part,
  }) as Holder;
const gpus = pool({ name: "a100", devices: 2, gpus: ["0", "1", "2"] });

describe("the places of a pool", () => {
  const onGpu = holder("wide", 3, { pool: "a100", devices: 2, gpus: ["0", "1"] });
  const holders = [holder(null), holder("wide", 2), holder("deep"), onGpu];

  it("are the host's slots, of which a trial on GPUs takes one, with one's own first", () => {
    const seats = seatsOf(pool({ devices: 5 }), holders);
    expect(seats.map((seat) => seat.holders.map((each) => each.trial))).toEqual([[1], [2], [3], [null], []]);
  });
  it("are more than the pool gives if it was lowered below what runs", () => {
    expect(seatsOf(pool({ devices: 2 }), holders)).toHaveLength(4);
  });
  it("are GPUs by their ids; one that is not given to trials says so", () => {
    const seats = seatsOf(gpus, holders);
    expect(seats.map((seat) => [seat.gpu, seat.holders.length, seat.withheld])).toEqual([
      ["0", 1, false],
      ["1", 1, false],
      ["2", 0, true],
    ]);
  });
  it("hold several trials where each takes a part of a GPU's memory", () => {
    const part = { pool: "a100", share: 0.4, gpus: ["1"] };
    const [, second] = seatsOf(gpus, [holder("a", 1, part), holder("b", 2, part)]);
    expect(second?.holders.map((each) => each.job)).toEqual(["a", "b"]);
  });
  it("are counted where the host does not know the devices", () => {
    const seats = seatsOf(pool({ name: "far", devices: 3 }), [holder("a", 1, { pool: "far", devices: 2 })]);
    expect(seats.map((seat) => seat.holders.length)).toEqual([1, 1, 0]);
  });
});

describe("the queue in words", () => {
  it("counts a trial once, though it holds a GPU and a slot", () => {
    const busy = pool({ waiting_jobs: 2, missing: 5 });
    const queue = {
      pools: [busy, pool({ name: "a100", waiting_jobs: 1, missing: 1 })],
      holders: [holder("a", 1, { pool: "a100" })],
    };
    expect(totalsOf(queue as unknown as Queue)).toEqual({ running: 1, waiting: 3, missing: 6 });
  });
  it("tells of others only by numbers", () => {
    expect(othersOf(pool({ others: { jobs: 2, held: 3, missing: 8 } }))).toBe(
      "2 jobs of other projects hold 3 and wait for 8 more.",
    );
    expect(othersOf(pool({ others: { jobs: 1, held: 1, missing: 0 } }))).toBe(
      "1 job of another project holds 1.",
    );
    expect(othersOf(pool())).toBe("");
  });
});

describe("shares of a pool", () => {
  const share = (team: string, guaranteed: number, cap: number | null = null, weight = 1): TeamShare => ({
    team,
    pool: "cpu",
    guaranteed,
    cap,
    weight,
    lends: null,
  });
  const fair = (size: number, ...shares: TeamShare[]) =>
    Object.fromEntries(
      [...fairShares(size, shares)].map(([team, amount]) => [team, Number(amount.toFixed(3))]),
    );

  it("are the guarantee, and the rest by weight", () => {
    expect(fair(8, share("a", 2), share("b", 0, null, 2))).toEqual({ a: 4, b: 4 });
    expect(fair(8)).toEqual({});
  });
  it("stop at a cap, and what that leaves is the others'", () => {
    expect(fair(10, share("a", 1, 2), share("b", 1))).toEqual({ a: 2, b: 8 });
    expect(fair(10, share("a", 1, 2), share("b", 1, 3))).toEqual({ a: 2, b: 3 });
  });
  it("shrink together where more is guaranteed than there is, and the administrator is told", () => {
    expect(fair(4, share("a", 4), share("b", 4))).toEqual({ a: 2, b: 2 });
    expect(promiseRemark(4, [share("a", 4), share("b", 4)])).toContain("add up to 8 of 4");
    expect(promiseRemark(8, [share("a", 4), share("b", 4)])).toBeNull();
  });
  it("are found among the teams", () => {
    const teams = [
      { name: "eyes", projects: [], created_at: "", shares: [share("", 1)] },
    ] as unknown as Team[];
    expect(sharesOf("cpu", teams).map((each) => each.team)).toEqual(["eyes"]);
    expect(sharesOf("gpu", teams)).toEqual([]);
  });
  it("lowering says what becomes of those that run", () => {
    expect(loweringWords(pool({ held: 3 }), 1)).toContain("2 more than that are taken now.");
    expect(loweringWords(pool({ held: 3 }), 3)).toBe("");
    expect(loweringWords(undefined, 0)).toBe("");
  });
});

describe("limits", () => {
  it("on storage are typed in GB", () => {
    expect(limitOf("storage_bytes", "1,5")).toBe(1.5e9);
    expect(typedLimit("storage_bytes", 5e9)).toBe("5");
    expect(limitOf("running_trials", " 3 ")).toBe(3);
    expect(limitOf("running_trials", "many")).toBe("many"); // the server says what is wrong with it
  });
  it("have words for whom they are and how much", () => {
    expect(scopeWords({ project: "lab", user: "bob" })).toBe("bob in lab");
    expect(scopeWords({ project: null, user: null })).toBe("The installation");
    expect(amountWords("gpu_hours_per_week", 1.2345)).toBe("1.2 h");
    expect([unitOf("seconds_per_trial"), amountWords("seconds_per_trial", 7200)]).toEqual([
      "seconds",
      "2 h 00 min",
    ]);
    expect([fillOf(1, 4), fillOf(0, 0)]).toEqual([0.25, 1]);
  });
  it("tell a fault at its field, and only what has no field above the buttons", () => {
    const faults = new Faults([
      { field: "limit", message: "is -1", code: "range" },
      { field: "", message: "no", code: "x" },
    ]);
    expect(faults.without(["limit"]).all.map((fault) => fault.message)).toEqual(["no"]);
  });
});

describe("usage", () => {
  const sum = (key: string | null, seconds: number): UsageSum => ({
    key,
    attempts: 1,
    seconds,
    gpu_seconds: 0,
    cost: 0,
    wait_p50: null,
    wait_p95: null,
    saved_seconds: 0,
    saved_gpu_seconds: 0,
  });

  it("says of a job what it used, each with its unit, and only what there is", () => {
    const { key: _, ...used } = { ...sum(null, 3600), attempts: 2 };
    expect(jobFacts({ ...used, attempts: 0 })).toEqual([]);
    expect(jobFacts(used)).toEqual([{ value: "1.00", name: "trial-hours" }]);
    expect(jobFacts({ ...used, seconds: 7 })[0]?.value).toBe("< 0.01");
    const all = { ...used, gpu_seconds: 7200, cost: 1.5, saved_seconds: 1800, saved_gpu_seconds: 3600 };
    expect(
      jobFacts({ ...all, wait_p50: 2, wait_p95: 240 }).map(({ value, name }) => `${value} ${name}`),
    ).toEqual([
      "2.00 GPU-hours",
      "1.00 trial-hours",
      "1.50 cost",
      "1.00 GPU-hours saved by early stopping",
      "2.0 s / 4 min 00 s waited (p50 / p95)",
    ]);
  });
  it("shows waits and what was saved of whatever was used", () => {
    expect([waitWords(sum(null, 1)), waitWords({ wait_p50: 0, wait_p95: 59 })]).toEqual(["–", "0 ms / 59 s"]);
    const saved = { ...sum("lab", 1), saved_seconds: 3600, saved_gpu_seconds: 900 };
    expect([savedHours(saved, false), savedHours(saved, true)]).toEqual(["1.00", "0.25"]);
  });

  it("is shown for all periods, also those without", () => {
    const rows = periodsOf([sum("2026-03-05", 7200)], "day", "2026-03-03", "2026-03-06");
    expect(rows.map((row) => row.seconds)).toEqual([0, 0, 7200, 0]);
    const { data } = usageFigure(rows, "day", "seconds", "#000");
    expect(data[0]).toMatchObject({
      x: rows.map((row) => periodWords(row.key ?? "", "day")),
      y: [0, 0, 2, 0],
    });
  });
  it("begins a week on Monday and a month on the first, as the ledger does", () => {
    const week = periodsOf([sum("2026-03-02", 1)], "week", "2026-03-04", "2026-03-11");
    expect(week.map((row) => [row.key, row.seconds])).toEqual([
      ["2026-03-02", 1],
      ["2026-03-09", 0],
    ]);
    expect(periodsOf([], "month", "2026-01-31", "2026-03-01").map((row) => row.key)).toEqual([
      "2026-01-01",
      "2026-02-01",
      "2026-03-01",
    ]);
    expect(periodsOf([sum("2026-02-01", 1), sum(null, 9)], "month", undefined, "2026-02-09")).toHaveLength(1);
    expect(periodWords("2026-03-02", "week")).toMatch(/^week of .*2/);
  });
  it("goes so many days back, today included", () => {
    expect(sinceOf("7", Date.UTC(2026, 2, 10, 23))).toBe("2026-03-04");
    expect(sinceOf("", 0)).toBeUndefined();
  });
  it("parts and measures", () => {
    expect(partOf([sum("failed", 1), sum("completed", 3)], ["failed", "lost"], "seconds")).toBe(0.25);
    expect(partOf([], ["failed"], "seconds")).toBe(0);
    expect([0, 0.001, 0.255].map(percent)).toEqual(["0 %", "< 1 %", "26 %"]);
    const usage = { total: { attempts: 1, seconds: 1, gpu_seconds: 1, cost: 0 } } as never;
    expect([measureOf(usage, null), measureOf(usage, "seconds")]).toEqual(["gpu_seconds", "seconds"]);
    expect(measureOf(usage, "cost")).toBe("gpu_seconds"); // no pool has a price
    const priced = { total: { attempts: 1, seconds: 1, gpu_seconds: 1, cost: 2.5 } } as never;
    expect(measureOf(priced, "cost")).toBe("cost");
    expect(amountOf({ ...sum("x", 7200), cost: 3 }, "seconds")).toBe(2);
    expect(amountOf({ ...sum("x", 7200), cost: 3 }, "cost")).toBe(3);
    expect([0, 42, 3600, 720_000].map(formatHours)).toEqual(["0 h", "42 s", "1.00 h", "200 h"]);
  });
});
