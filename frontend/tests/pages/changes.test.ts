import { expect, test } from "vitest";
import {
  actionsOf,
  canRetry,
  canRunAgain,
  changesOf,
  draftOf,
  isExtended,
  limitsOf,
} from "../../src/pages/job/changes";
import { jobOf } from "../kit";

const LIMITS = {
  max_trials: 10,
  max_parallel: 2,
  max_seconds: null,
  max_failures: 3,
  trial_seconds: 600,
  max_attempts: 2,
  max_equal_failures: 5,
};
const inState = (state: string, counts = {}) => actionsOf(jobOf({ state: state as "Running", counts }));

test("each state of a job offers what the service would do, and nothing else", () => {
  expect(inState("Pending")).toEqual(["change", "pause", "stop"]);
  expect(inState("Running")).toEqual(["change", "pause", "stop"]);
  expect(inState("Stopping")).toEqual(["stop"]);
  expect(inState("Completed")).toEqual(["change"]);
  expect(inState("Stopped")).toEqual(["change", "resume"]);
  expect(inState("Failed")).toEqual(["change", "resume"]);
});

test("a paused job that drains can be paused now as well", () => {
  expect(inState("Paused", { Completed: 3 })).toEqual(["change", "unpause", "stop"]);
  expect(inState("Paused", { Running: 1 })).toEqual(["change", "pause", "unpause", "stop"]);
});

test("a change of limits has a job go on if it ended by itself, not if somebody stopped it", () => {
  expect(["Completed", "Failed"].every(isExtended)).toBe(true);
  expect(["Running", "Paused", "Stopped"].some(isExtended)).toBe(false);
});

test("only what has no result is retried, only what is over is run again, and nothing while its job is stopped", () => {
  const states = ["Queued", "Running", "Paused", "Completed", "EarlyStopped", "Stopped", "Failed", "Lost"];
  expect(states.filter((state) => canRetry(state, "Running"))).toEqual(["Stopped", "Failed", "Lost"]);
  expect(states.filter((state) => canRunAgain(state, "Completed"))).toEqual(states.slice(3));
  expect(states.some((state) => canRetry(state, "Stopping") || canRunAgain(state, "Stopping"))).toBe(false);
});

test("only the limits that differ are sent; an emptied one is null, and what is no number goes as it is", () => {
  const draft = draftOf(LIMITS);
  expect(changesOf(LIMITS, draft)).toBeNull();
  expect(changesOf(LIMITS, { ...draft, max_trials: " 20 " })).toEqual({ limits: { max_trials: 20 } });
  expect(changesOf(LIMITS, { ...draft, max_failures: "", max_seconds: "3600" })).toEqual({
    limits: { max_failures: null, max_seconds: 3600 },
  });
  expect(changesOf(LIMITS, { ...draft, max_parallel: "many" })).toEqual({ limits: { max_parallel: "many" } });
});

test("the limits begin from what events have brought, not from what the document said", () => {
  const job = jobOf({ max_trials: 12, max_parallel: 4 });
  job.specification.limits = LIMITS;
  expect(draftOf(limitsOf(job))).toEqual({
    max_trials: "12",
    max_parallel: "4",
    max_seconds: "",
    max_failures: "3",
  });
});
