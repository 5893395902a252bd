import { describe, expect, it } from "vitest";
import type { Attempt } from "../../src/api/types";
import { exitWords, outcomeOf, placeWords, sourceWords } from "../../src/pages/job/attemptWords";

const attempt = (number: number, part: Partial<Attempt> = {}): Attempt => ({
  number,
  created_at: "2026-11-21T10:00:00Z",
  started_at: "2026-11-21T10:00:01Z",
  ended_at: "2026-11-21T10:00:09Z",
  outcome: "exited",
  exit_code: 0,
  signal: null,
  stop_reason: "",
  failure: "",
  kept_container: false,
  stops_by: null,
  resumed: false,
  superseded: false,
  pool: "cpu",
  devices: [],
  ...part,
});

describe("an attempt", () => {
  it.each([
    [{}, "Ended", "exit code 0"],
    [{ exit_code: 3 }, "Failed", "exit code 3"],
    [{ exit_code: null, signal: 9 }, "Failed", "signal 9"],
    [{ failure: "no value of its objective" }, "Failed", "exit code 0"],
    [{ outcome: "preempted", exit_code: null, signal: 15 }, "Pre-empted", "signal 15"],
    [{ outcome: "lost", exit_code: null }, "Lost", ""],
    [{ outcome: null, ended_at: null, exit_code: null }, "Live", ""],
  ] as [Partial<Attempt>, string, string][])("%j is %s", (part, label, exit) => {
    const one = attempt(1, part);
    expect([outcomeOf(one).label, exitWords(one)]).toEqual([label, exit]);
  });

  it("says from which checkpoint it went on", () => {
    const [first, second] = [attempt(1), attempt(2, { superseded: true })];
    const third = attempt(3, { resumed: true });
    const origin = { job: "night", trial: 7, continues: true };
    expect(sourceWords(third, [first, second, third], null)).toBe("from the checkpoint of attempt 1");
    expect(sourceWords(attempt(1, { resumed: true }), [attempt(1)], origin)).toBe(
      "from the checkpoint of night #7",
    );
    expect(sourceWords(first, [first], origin)).toBe("");
  });

  it("says which devices it had, where that is more than a slot", () => {
    expect(placeWords(attempt(1))).toBe("");
    expect(placeWords({ pool: "", devices: [] })).toBe("");
    expect(placeWords({ pool: "a100", devices: ["0", "3"] })).toBe("a100: GPU 0, 3");
    expect(placeWords({ pool: "a100", devices: [] })).toBe("a100");
  });
});
