// @vitest-environment happy-dom
import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { DecisionList, tailOf } from "../../src/pages/job/DecisionList";

const tripped = {
  trial: 3,
  kind: "failures",
  at: "2026-11-21T10:00:00.123Z",
  reason: "Paused by the service.",
  numbers: { count: 3, log_tail: "Traceback\n  line 1\nValueError" },
};

it("shows the end of a log as it was printed", () => {
  render(<DecisionList decisions={[tripped]} />);
  expect(screen.getByLabelText("The end of the log").tagName).toBe("PRE");
  expect(screen.getByLabelText("The end of the log").textContent).toBe(tripped.numbers.log_tail);
  expect(screen.queryByText("log tail")).toBeNull();
});

it("shows it with the job's reason as long as it is that of the pause", () => {
  expect(tailOf(tripped.reason, [tripped])).toBe(tripped.numbers.log_tail);
  expect(tailOf("Paused by bob.", [tripped])).toBeNull();
});
