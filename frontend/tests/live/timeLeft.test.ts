import { describe, expect, it } from "vitest";
import type { Trial } from "../../src/api/types";
import { secondsLeft } from "../../src/live/timeLeft";
import { at, jobOf, trialOf } from "../kit";

const ended = (number: number, from: number, to: number): Trial =>
  trialOf(number, { state: "Completed", started_at: at(from), ended_at: at(to), ran_seconds: to - from });
const of = (...trials: Trial[]) => new Map(trials.map((trial) => [trial.number, trial]));

describe("the time that a job will still take", () => {
  it("is unknown until a trial has ended, and nothing once the job is over", () => {
    expect(secondsLeft(jobOf(), of(trialOf(1)), Date.parse(at(5)))).toBeNull();
    expect(secondsLeft(jobOf({ state: "Completed" }), of(ended(1, 0, 10)), 0)).toBeNull();
  });

  it("is the work that is left, shared by the trials that run at a time", () => {
    // 8 of 10 left, 10 s each, two at a time: 40 s.
    expect(secondsLeft(jobOf(), of(ended(1, 0, 10), ended(2, 0, 10)), Date.parse(at(10)))).toBe(40);
  });

  it("counts what running trials have already done, but never more than a usual trial", () => {
    const running = trialOf(3, { started_at: at(10) });
    expect(secondsLeft(jobOf(), of(ended(1, 0, 10), ended(2, 0, 10), running), Date.parse(at(14)))).toBe(38);
    expect(secondsLeft(jobOf(), of(ended(1, 0, 10), ended(2, 0, 10), running), Date.parse(at(500)))).toBe(35);
  });

  it("does not share the last trial among workers that have nothing to do", () => {
    const trials = of(...[1, 2, 3].map((number) => ended(number, 0, 10)));
    expect(secondsLeft(jobOf({ max_trials: 4, max_parallel: 8 }), trials, Date.parse(at(10)))).toBe(10);
  });

  it("goes by the newest trials, as a search moves to where trials cost something else", () => {
    const early = Array.from({ length: 20 }, (_, n) => ended(n + 1, n, n + 1));
    const late = Array.from({ length: 20 }, (_, n) => ended(n + 21, 100 + n, 200 + n));
    const job = jobOf({ max_trials: 41, max_parallel: 1 });
    expect(secondsLeft(job, of(...early, ...late), Date.parse(at(300)))).toBe(100);
  });
});
