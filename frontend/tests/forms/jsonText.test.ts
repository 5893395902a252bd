import { describe, expect, it } from "vitest";
import type { HyperparameterDefinition, JobDocument } from "../../src/api/types";
import { documentOf } from "../../src/pages/newjob/draft";
import { draftAsWritten, readDocument } from "../../src/pages/newjob/jsonText";

const DOCUMENT = {
  name: "night",
  description: "",
  algorithm: { name: "forest", version: 2 },
  channels: {},
  objective: { metric: "f1", goal: "maximize" },
  space: [{ name: "depth", type: "integer", min: 1, max: 20, scale: "linear" }],
  static: {},
  strategy: { name: "bayesian", options: { kind: "ei" } },
  early_stopping: null,
  limits: { max_trials: 9, max_parallel: 3, trial_seconds: 60, max_attempts: 2 },
  warm_start: null,
  resources: { cpus: 2, memory_mb: null, gpus: 1, gpu_memory_mb: 4000, pool: "a100", keep_alive_seconds: 90 },
  seed: 7,
  spot: true,
  check_first: true,
  resume_child_runs: ["day"],
  repeats: 3,
  completion: { target: 0.9 },
  profile: "sagemaker",
  runs_in: "container",
  image: "train:1",
  keep: { best: 2, last: 1 },
} as unknown as JobDocument;
const DEFINITIONS = [
  { name: "depth", type: "integer", min: 1, max: 20, default: 5, tunable: true },
] as unknown as HyperparameterDefinition[];

describe("a job as JSON", () => {
  it("comes back as it went, each option of it", () => {
    const { document } = readDocument(JSON.stringify(DOCUMENT));
    expect(documentOf(draftAsWritten(document as JobDocument, DEFINITIONS))).toEqual(DOCUMENT);
  });

  it.each([
    ["{", /^This is not JSON/],
    ["[1]", /is an object/],
    ['{"name": "x"}', /algorithm.name, objective, space/],
    [JSON.stringify({ ...DOCUMENT, spots: true, limits: { trials: 3 } }), /no spots, limits.trials/],
  ])("%s is refused with the reason", (text, reason) => {
    expect(readDocument(text).fault).toMatch(reason);
  });
});
