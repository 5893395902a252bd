import { expect, test } from "vitest";
import {
  actionsOf,
  canBePreempted,
  canRetry,
  canRunAgain,
  changesOf,
  draftOf,
  isExtended,
  pointChanges,
  pointText,
  rulesOf,
} from "../../src/pages/job/changes";
import { usageWords } from "../../src/pages/job/usageWords";
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
const CRITERIA = {
  target: null,
  max_not_improving: null,
  converged: null,
  tolerance: 0.01,
  max_completed: null,
  max_finished: null,
  max_gpu_hours: null,
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

test("what failed can be retried at once, but where the job is resumed, which asks for it", () => {
  expect(inState("Running", { Failed: 2 })).toEqual(["change", "retry", "pause", "stop"]);
  expect(inState("Completed", { Lost: 1, Completed: 3 })).toEqual(["change", "retry"]);
  expect(inState("Stopping", { Failed: 1 })).toEqual(["stop"]);
  expect(inState("Stopped", { Failed: 1 })).toEqual(["change", "resume"]);
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

const ruled = (specification: object = {}, part = {}) => {
  const job = jobOf({ max_trials: 10, max_parallel: 2, ...part });
  Object.assign(job.specification, { limits: LIMITS, completion: null, keep: null }, specification);
  return rulesOf(job);
};

test("only the rules that differ are sent; an emptied one is null, and what is no number goes as it is", () => {
  const rules = ruled({ completion: { ...CRITERIA, target: 0.9 } });
  const draft = draftOf(rules);
  expect(changesOf(rules, draft)).toBeNull();
  expect(changesOf(rules, { ...draft, "limits.max_trials": " 20 " })).toEqual({ limits: { max_trials: 20 } });
  expect(changesOf(rules, { ...draft, "limits.max_failures": "", "completion.target": "0.95" })).toEqual({
    limits: { max_failures: null },
    completion: { target: 0.95 },
  });
  expect(changesOf(rules, { ...draft, "completion.target": "", "limits.max_parallel": "many" })).toEqual({
    limits: { max_parallel: "many" },
    completion: { target: null },
  });
});

test("what is kept is one rule: its counts go together, and without any everything is kept", () => {
  const all = ruled();
  expect(changesOf(all, { ...draftOf(all), "keep.best": "3" })).toEqual({ keep: { best: 3 } });
  const some = ruled({ keep: { best: 2, last: 1 } });
  expect(changesOf(some, { ...draftOf(some), "keep.best": "3" })).toEqual({ keep: { best: 3, last: 1 } });
  expect(changesOf(some, { ...draftOf(some), "keep.best": "", "keep.last": "" })).toEqual({ keep: null });
});

test("the rules begin from what events have brought, and a tolerance is shown with its rule only", () => {
  const draft = draftOf(ruled({ completion: CRITERIA }, { max_trials: 12, max_parallel: 4 }));
  expect(draft).toMatchObject({
    "limits.max_trials": "12",
    "limits.max_parallel": "4",
    "limits.max_seconds": "",
    "limits.max_failures": "3",
    "completion.tolerance": "",
    "keep.best": "",
  });
  expect(draftOf(ruled({ completion: { ...CRITERIA, converged: 5 } }))["completion.tolerance"]).toBe("0.01");
});

test("a point's changes are what was typed otherwise; what was emptied is left out", () => {
  const point = { depth: 5, rate: 0.01, kind: "gini", code: "7" };
  const draft = Object.fromEntries(Object.entries(point).map(([name, value]) => [name, pointText(value)]));
  expect(pointChanges(point, draft)).toEqual({});
  expect(pointChanges(point, { ...draft, depth: "8", kind: "", code: '"8"', warmup: "2" })).toEqual({
    depth: 8,
    kind: null,
    code: "8",
    warmup: 2,
  });
  expect(pointChanges(point, { ...draft, warmup: "" })).toEqual({});
});

test("what a trial used is told in averages and peaks, and only what was measured", () => {
  const none = {
    attempt: 1,
    devices: [],
    times: [],
    cpus: [],
    memory_bytes: [],
    gpu_busy: [],
    gpu_memory_bytes: [],
  };
  expect(usageWords(none)).toEqual({});
  const used = { ...none, times: [0, 5], cpus: [1, 2], memory_bytes: [1e6, 3e6], gpu_busy: [null, null] };
  expect(usageWords({ ...used, gpu_memory_bytes: [null, null] })).toEqual({
    processors: "1.5 on average, at most 2",
    memory: "at most 3.0 MB",
  });
  expect(
    usageWords({ ...used, devices: ["GPU-a"], gpu_busy: [0.5, null], gpu_memory_bytes: [2e9, null] }),
  ).toMatchObject({ GPUs: "GPU-a", "GPUs busy": "50 % on average", "GPU memory": "at most 2.0 GB" });
});

test("a trial that runs, and no other, can be pre-empted", () => {
  expect(["Queued", "Starting", "Running", "Stopping", "Completed"].filter(canBePreempted)).toEqual([
    "Starting",
    "Running",
  ]);
});
