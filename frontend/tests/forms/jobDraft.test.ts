import { describe, expect, it } from "vitest";
import type { AlgorithmVersion, HyperparameterDefinition, JobDocument } from "../../src/api/types";
import { domainWords } from "../../src/components/domain";
import {
  copyName,
  documentOf,
  draftOf,
  EMPTY_DRAFT,
  fieldsOf,
  type JobDraft,
  rowOf,
  withAlgorithm,
} from "../../src/pages/newjob/draft";

const defined = (part: Partial<HyperparameterDefinition> & { name: string }): HyperparameterDefinition => ({
  type: "float",
  default: null,
  min: null,
  max: null,
  values: null,
  tunable: true,
  description: "",
  ...part,
});

const definitions: HyperparameterDefinition[] = [
  defined({ name: "trees", type: "integer", min: 10, max: 200, default: 100 }),
  defined({ name: "criterion", type: "categorical", values: ["gini", "entropy"], default: "gini" }),
  defined({ name: "batch", type: "categorical", values: [16, 32], default: 16, tunable: false }),
  defined({ name: "note", type: "text", default: "hello", tunable: false }),
];

const version = {
  number: 3,
  hyperparameters: definitions,
  metrics: [{ name: "f1", regex: "f1: (.*)" }],
  objectives: [{ metric: "f1", goal: "maximize" }],
  channels: [{ name: "train", required: true }],
  resources: { cpus: 2, memory_mb: 512, gpus: 0 },
} as unknown as AlgorithmVersion;

const draft = (): JobDraft => withAlgorithm({ ...EMPTY_DRAFT, name: " first " }, "forest", version);

describe("the new-job form", () => {
  it("is filled in from the algorithm: what may be searched is, the rest is fixed at its default", () => {
    const rows = draft().rows;
    expect(rows.map((row) => [row.name, row.tuned])).toEqual([
      ["trees", true],
      ["criterion", true],
      ["batch", false],
      ["note", false],
    ]);
    expect(draft()).toMatchObject({
      metric: "f1",
      goal: "maximize",
      version: 3,
      resources: { cpus: "2", memory_mb: "512" },
    });
  });

  it("sends numbers as numbers, values with their declared types, and nothing for what is empty", () => {
    expect(documentOf(draft())).toMatchObject({
      name: "first",
      algorithm: { name: "forest", version: 3 },
      channels: {},
      space: [
        { name: "trees", type: "integer", min: 10, max: 200, scale: "linear" },
        { name: "criterion", type: "categorical", values: ["gini", "entropy"] },
      ],
      static: { batch: 16, note: "hello" },
      limits: { max_trials: 50, max_parallel: 2, trial_seconds: 3600, max_attempts: 3 },
      early_stopping: null,
      warm_start: null,
      seed: null,
    });
    expect(documentOf(draft()).limits).not.toHaveProperty("max_seconds");
  });

  it("reads 1e-4 and sends what cannot be read as it is, for the server to refuse with a reason", () => {
    const base = draft();
    const rows = base.rows.map((row) =>
      row.name === "trees" ? { ...row, type: "float" as const, min: "1e-4", max: "many" } : row,
    );
    expect(documentOf({ ...base, rows }).space[0]).toMatchObject({ min: 0.0001, max: "many" });
  });

  it("knows the place of each row in the document, so that faults stand where they belong", () => {
    const { rows } = draft();
    const [trees, criterion, batch] = rows;
    if (!trees || !criterion || !batch) throw new Error("rows are missing");
    expect(fieldsOf(rows).get(criterion.key)).toBe("space[1]");
    expect(fieldsOf(rows).get(batch.key)).toBe("static.batch");
    const switched = rows.map((row) => (row === trees ? { ...row, tuned: false } : row));
    expect(fieldsOf(switched).get(criterion.key)).toBe("space[0]");
  });

  it("sends options that were given, typed, and leaves the others to the service", () => {
    const strategy = {
      name: "bayesian",
      options: { kind: "ucb", kappa: "2.5", n_initial_points: "", fast: "true" },
    };
    expect(documentOf({ ...draft(), strategy }).strategy).toEqual({
      name: "bayesian",
      options: { kind: "ucb", kappa: 2.5, fast: true },
    });
  });

  it("clones a job: its document comes back as it was, under the next name", () => {
    const document: JobDocument = {
      name: "run-9",
      description: "again",
      algorithm: { name: "forest", version: 3 },
      channels: { train: { dataset: "digits", version: 2 } },
      objective: { metric: "loss", goal: "minimize" },
      space: [{ name: "trees", type: "integer", min: 20, max: 80, scale: "log" }],
      static: { criterion: "entropy", batch: 32, note: "7", extra: 1.5 },
      strategy: { name: "random", options: { resample: 2 } },
      early_stopping: { name: "median", options: { delay_evaluation: 5 } },
      limits: {
        max_trials: 7,
        max_parallel: 1,
        max_seconds: 60,
        trial_seconds: 30,
        max_attempts: 1,
        max_failures: 0,
      },
      warm_start: { type: "TRANSFER_LEARNING", parents: ["run-1"] },
      resources: { cpus: 1, memory_mb: null, gpus: 0 },
      seed: 5,
    };
    const again = documentOf(draftOf(document, definitions));
    expect(again).toEqual({ ...document, name: "run-10", seed: null });
  });

  it("keeps in a clone what the form does not edit: steps, conditions, expressions, other scales", () => {
    const space = [
      { name: "trees", type: "integer", min: 10, max: 200, scale: "reverse-log", step: 5 },
      { name: "criterion", type: "categorical", values: ["gini"], when: { parameter: "trees", in: [10] } },
      { name: "rate", type: "normal", mu: 0.5, sigma: 0.1 },
    ];
    const document = {
      name: "a",
      algorithm: { name: "forest" },
      objective: { metric: "f1", goal: "maximize" },
      space,
    };
    expect(documentOf(draftOf(document as unknown as JobDocument, definitions)).space).toEqual(space);
    expect(space.map(domainWords)).toEqual([
      "10 – 200, reverse-log, step 5",
      "gini, when trees is 10",
      "normal(0.5, 0.1)",
    ]);
  });

  it("names a copy so that counting goes on", () => {
    expect([copyName("digits"), copyName("digits-2"), copyName("a-b-41")]).toEqual([
      "digits-2",
      "digits-3",
      "a-b-42",
    ]);
  });

  it("does not search what has no range, however tunable", () => {
    expect(rowOf(defined({ name: "lr" })).tuned).toBe(false);
    expect(rowOf(defined({ name: "one", type: "categorical", values: ["only"] })).tuned).toBe(false);
  });
});
