import { describe, expect, it } from "vitest";
import type { AlgorithmVersion, HyperparameterDefinition, JobDocument, Profile } from "../../src/api/types";
import { domainWords } from "../../src/components/domain";
import {
  copyName,
  documentOf,
  draftOf,
  EMPTY_DRAFT,
  type JobDraft,
  withAlgorithm,
  withProfile,
} from "../../src/pages/newjob/draft";
import { emptyRow, fieldsOf, newKey, rowOf, type SpaceRow } from "../../src/pages/newjob/space";

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
  strategies: [],
  channels: [{ name: "train", required: true }],
  resources: { cpus: 2, memory_mb: 512, gpus: 0 },
} as unknown as AlgorithmVersion;

const draft = (): JobDraft => withAlgorithm({ ...EMPTY_DRAFT, name: " first " }, "forest", version);

describe("the new-job form", () => {
  it("searches with what the algorithm is made for (F51)", () => {
    const made = { ...version, strategies: ["tpe", "random"] };
    const chosen = (name: string) => ({ ...EMPTY_DRAFT, strategy: { name, options: {} } });
    expect(withAlgorithm(chosen("auto"), "forest", made).strategy.name).toBe("tpe");
    expect(withAlgorithm(chosen("random"), "forest", made).strategy.name).toBe("random");
    expect(withAlgorithm(chosen("grid"), "forest", version).strategy.name).toBe("grid");
  });

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
    const plain = {
      constraints: [],
      initial_points: [],
      repeats: 1,
      completion: {
        target: null,
        max_not_improving: null,
        converged: null,
        tolerance: 0.01,
        max_completed: null,
        max_finished: null,
        max_gpu_hours: null,
      },
      profile: null,
      runs_in: null,
      image: null,
    };
    const document: Omit<JobDocument, keyof typeof plain> = {
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
        max_equal_failures: 5,
      },
      warm_start: { type: "TRANSFER_LEARNING", parents: ["run-1"] },
      resources: {
        cpus: 1,
        memory_mb: null,
        gpus: 0,
        gpu_memory_mb: null,
        pool: "gpus-a100",
        keep_alive_seconds: 120,
      },
      seed: 5,
      spot: true,
      check_first: true,
      keep: { best: 2, last: 1 },
      resume_child_runs: ["run-1/3"],
    };
    const again = documentOf(draftOf({ ...document, ...plain }, definitions));
    expect(again).toEqual({ ...document, name: "run-10", seed: null });
  });

  it("keeps steps, conditions, orders, expressions and every scale in a clone", () => {
    const space = [
      { name: "trees", type: "integer", min: 10, max: 200, scale: "reverse-log", step: 5 },
      { name: "criterion", type: "categorical", values: ["gini"], when: { parameter: "trees", in: [10] } },
      { name: "rate", type: "normal", mu: 0.5, sigma: 0.1 },
      { name: "batch", type: "qlognormal", mu: 2, sigma: 0.5, q: 8, when: { parameter: "size", in: ["s"] } },
      { name: "size", type: "categorical", values: ["s", "16"], ordered: true },
      { name: "later", type: "of a newer service", width: 3 },
    ];
    const document = {
      name: "a",
      algorithm: { name: "forest" },
      objective: { metric: "f1", goal: "maximize" },
      space,
    };
    const again = documentOf(draftOf(document as unknown as JobDocument, definitions)).space;
    // What decides stands before what depends on it, wherever the algorithm lists them.
    const order = ["trees", "criterion", "size", "batch", "rate", "later"];
    expect(again).toEqual(order.map((name) => space.find((parameter) => parameter.name === name)));
    expect(space.map(domainWords)).toEqual([
      "10 – 200, reverse-log, step 5",
      "gini, when trees is 10",
      "normal(0.5, 0.1)",
      "qlognormal(2, 0.5, 8), when size is s",
      "s, 16, ordered",
      "of a newer service(3)",
    ]);
  });

  it("keeps constraints, points, repeats, completion and the profile in a clone", () => {
    const more = {
      constraints: ["trees < 100", "min(trees, 50) != 13"],
      initial_points: [{ trees: 20, criterion: "gini" }, { trees: 40 }],
      repeats: 3,
      completion: {
        target: 0,
        max_not_improving: 10,
        converged: 5,
        tolerance: 0.01,
        max_completed: null,
        max_finished: null,
        max_gpu_hours: 1.5,
      },
      profile: "hyperdrive",
    };
    const document = {
      name: "a",
      algorithm: { name: "forest" },
      objective: { metric: "f1", goal: "maximize" },
      space: [
        { name: "trees", type: "integer", min: 10, max: 200, scale: "linear" },
        {
          name: "criterion",
          type: "categorical",
          values: ["gini"],
          when: { parameter: "trees", in: [20] },
        },
      ],
      ...more,
    };
    const again = documentOf(draftOf(document as unknown as JobDocument, definitions));
    expect(again).toMatchObject({
      ...more,
      completion: { target: 0, max_not_improving: 10, converged: 5, tolerance: 0.01, max_gpu_hours: 1.5 },
    });
  });

  it("takes a vendor's default strategy where nobody chose one", () => {
    const profile = { name: "modelarts", strategies: ["bayesian", "tpe"] } as Profile;
    expect(withProfile(draft(), profile)).toMatchObject({
      profile: "modelarts",
      strategy: { name: "bayesian" },
    });
    const tpe = { ...draft(), strategy: { name: "tpe", options: { gamma: "0.3" } } };
    expect(withProfile(tpe, profile).strategy).toEqual(tpe.strategy);
    expect(withProfile(tpe, undefined).profile).toBeNull();
  });

  it("leaves out of a plain job's document what it does not use", () => {
    const members = Object.keys(documentOf(draft()));
    for (const name of ["constraints", "initial_points", "repeats", "completion", "profile"]) {
      expect(members).not.toContain(name);
    }
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

describe("a row of the space", () => {
  const row = (part: Partial<SpaceRow>): SpaceRow => ({ ...emptyRow(), name: "x", ...part });
  const sent = (part: Partial<SpaceRow>) => documentOf({ ...draft(), rows: [row(part)] }).space[0];

  it("is sent in the form that was chosen, with its numbers as numbers (F34-F38)", () => {
    expect(sent({ form: "choice", type: "categorical", args: { list: '16, 32, "64", relu' } })).toEqual({
      name: "x",
      type: "choice",
      values: [16, 32, "64", "relu"],
    });
    expect(sent({ form: "choice", type: "categorical", args: { list: "range(1, 5)" } })).toEqual({
      name: "x",
      type: "choice",
      range: [1, 5],
    });
    expect(sent({ form: "loguniform", args: { low: "-6", high: "0" } })).toEqual({
      name: "x",
      type: "loguniform",
      low: -6,
      high: 0,
    });
    expect(sent({ min: "0", max: "1", step: "0.1", scale: "auto" })).toEqual({
      name: "x",
      type: "float",
      min: 0,
      max: 1,
      scale: "auto",
      step: 0.1,
    });
  });

  it("forgets nothing when another form is looked at", () => {
    const both = { min: "0", max: "1", form: "normal" as const, args: { mu: "0", sigma: "2" } };
    expect(sent(both)).toEqual({ name: "x", type: "normal", mu: 0, sigma: 2 });
    expect(sent({ ...both, form: null })).toMatchObject({ type: "float", min: 0, max: 1 });
  });

  it("is listed after the one that decides about it, and its faults follow it there", () => {
    const rows = [
      row({ name: "depth", when: { parameter: "booster", in: ["tree"] } }),
      row({ name: "booster", type: "categorical", values: ["tree", "linear"] }),
    ];
    expect(documentOf({ ...draft(), rows }).space.map((parameter) => parameter.name)).toEqual([
      "booster",
      "depth",
    ]);
    expect(fieldsOf(rows).get(rows[0]?.key ?? "")).toBe("space[1]");
  });

  it("can depend on itself in a circle without harm: the server says what is wrong", () => {
    const rows = [
      row({ name: "a", when: { parameter: "b", in: ["1"] } }),
      row({ name: "b", when: { parameter: "a", in: ["1"] } }),
    ];
    expect(documentOf({ ...draft(), rows }).space).toHaveLength(2);
  });

  it("keeps its values in the points where it gets another name", () => {
    const rows = [row({ name: "old", min: "0", max: "1" })];
    const points = [{ key: newKey(), values: { [rows[0]?.key ?? ""]: "0.5" } }];
    const renamed = rows.map((each) => ({ ...each, name: "new" }));
    expect(documentOf({ ...draft(), rows: renamed, points })).toMatchObject({
      initial_points: [{ new: 0.5 }],
    });
  });
});
